"""The command line: one file per command, nothing heavy imported before a command runs."""

from __future__ import annotations

import difflib
import io
import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..errors import VoiceganError, is_out_of_memory

NOTHING_DONE, INTERRUPTED = 2, 130

# Name -> (module:attribute, line in the list of commands). Static, so that --help imports no command.
COMMANDS = {
    "convert": ("convert:convert", "Turn recordings into another speaker's voice."),
    "train": ("train:train", "Train two voices from two folders of recordings."),
    "average": ("average:average", "Make one voice of several of the same target."),
    "check": ("check:check", "Look at recordings before training on them."),
    "data": ("data:data", "List and fetch public collections of speech and pictures."),
    "voices": ("voices:voices", "List the voices that are installed."),
    "info": ("info:info", "Say what a voice or a recording is."),
    "eval": ("eval:evaluate", "Judge a voice on recordings kept aside."),
    "vocoder": ("vocoder:vocoder", "Make, judge and use what turns mels into sound."),
    "image": ("image:image", "Train and use image GANs: the same core on pictures."),
    "doctor": ("doctor:doctor", "Check this machine, and say how to mend each fault."),
}


class Commands(click.Group):
    """A click group that knows its commands by name and imports one when it is called.

    Parameters
    ----------
    table
        Name to ("module:attribute", line in the list of commands), in the order in which help shows them. A group
        inside a group has a table of its own.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), attribute)
        _accept_debug(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.table:
            near = difflib.get_close_matches(args[0].lower(), self.table, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(self.table)}."
            ctx.fail(f"there is no command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Whatever goes wrong becomes one line on standard error and an exit code."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(
                stream, io.TextIOWrapper
            ):  # a name that the terminal cannot show must not stop the work
                stream.reconfigure(errors="backslashreplace")
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a reader who has gone (`voicegan voices | head -1`) can be met quietly
            return result
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own, and a closed pipe, which click ends quietly
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the last resort before a traceback in a user's face
            if ctx.find_object(_Debug) or os.environ.get("VOICEGAN_DEBUG"):
                traceback.print_exc()
            click.echo(f"error: {_in_words(error)}", err=True)
            code = NOTHING_DONE
        sys.exit(code)


class _Debug:
    """Set as the context's object when --debug is given, before or after the command's name."""


def _note_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().obj = _Debug()


def _accept_debug(command: click.Command) -> None:
    """Let ``voicegan convert ... --debug`` work as ``voicegan --debug convert ...`` does."""
    if all("--debug" not in parameter.opts for parameter in command.params):
        command.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, hidden=True, callback=_note_debug)
        )


def _in_words(error: Exception) -> str:
    if isinstance(error, VoiceganError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the Python package {error.name} is not installed. Install voicegan again, or see: voicegan doctor"
    if is_out_of_memory(error):
        return (
            "there was not enough memory. Close what else needs it, or choose another --device, such as cpu"
        )
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}"
    kind = type(error).__name__
    return f"{kind}: {' '.join(str(error).split())}. That is a fault in voicegan; --debug shows where it happened."


@click.group(
    cls=Commands,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="voicegan COMMAND --help says more about one command.",
)
@click.version_option(__version__, prog_name="voicegan", message="%(prog)s %(version)s")
@click.option(
    "--debug", is_flag=True, expose_value=False, callback=_note_debug, help="Show the traceback of an error."
)
def main() -> None:
    """Turn a recording of one speaker into another, and train the voices that do it."""
