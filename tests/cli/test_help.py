"""The command line's frame: help without torch, near names, errors in one line, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from voicegan import __version__, cli
from voicegan.audio.wav import header_bytes
from voicegan.cli import image, vocoder
from voicegan.errors import VoiceganError

LESS = "Close what else needs it, or choose another --device, such as cpu"
INSTALL = "Install voicegan again, or see: voicegan doctor"
HEAVY = ("torch", "numpy", "scipy", "numba", "librosa", "pydantic")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run voicegan in a fresh interpreter; the last line of standard error lists the heavy modules it imported."""
    code = (
        "import sys, json, atexit; atexit.register(lambda: print(json.dumps("
        f"[name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)); "
        "from voicegan.cli import main; main(prog_name='voicegan')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def imported(result: subprocess.CompletedProcess[str]) -> list[str]:
    return json.loads(result.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        *((name,) for name in cli.COMMANDS),
        ("data", "fetch"),
        ("data", "list"),
        *(("vocoder", name) for name in vocoder.COMMANDS),
        *(("image", name) for name in image.COMMANDS),
    ],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments):
    result = run(*arguments, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: voicegan {' '.join(arguments)}".rstrip())
    assert imported(result) == []


def test_help_lists_every_command_in_the_order_of_use():
    lines = CliRunner().invoke(cli.main, ["-h"]).output.split("Commands:")[1].splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")][: len(cli.COMMANDS)] == list(
        cli.COMMANDS
    )


def test_version():
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"voicegan {__version__}\n")
    assert imported(result) == []


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("conver", "'convert'"),
        ("Voices", "'voices'"),
        ("zzz", "There are: convert, train"),
        ("vocoder trin", "'train'"),
    ],
)
def test_unknown_command_names_the_near_one(wrong, near):
    result = CliRunner().invoke(cli.main, wrong.split())
    assert result.exit_code == 2
    assert f"there is no command {wrong.split()[-1]!r}" in result.stderr
    assert near in result.stderr


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Put a command `broken` that raises `error` beside the real ones."""

    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "broken", ("broken:broken", "raises"))
    monkeypatch.setitem(sys.modules, "voicegan.cli.broken", type(sys)("broken"))
    monkeypatch.setattr(sys.modules["voicegan.cli.broken"], "broken", broken, raising=False)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (VoiceganError("bob.wav is silent", "Record it again."), "error: bob.wav is silent. Record it again.\n"),
        (OSError(28, "No space left on device", "out.wav"), "error: out.wav: No space left on device\n"),
        (ModuleNotFoundError(name="soxr"), f"error: the Python package soxr is not installed. {INSTALL}\n"),
        (MemoryError(), f"error: there was not enough memory. {LESS}\n"),
        (KeyError("f0"), "error: KeyError: 'f0'. That is a fault in voicegan; --debug shows where it happened.\n"),
    ],
    ids=["user", "system", "package", "memory", "bug"],
)  # fmt: skip
def test_errors_are_one_line_and_exit_code_2(monkeypatch, error, line):
    raising(monkeypatch, error)
    result = CliRunner().invoke(cli.main, ["broken"])
    assert result.exit_code == 2
    assert result.stderr == line
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["--debug", "broken"], ["broken", "--debug"]])
def test_debug_shows_the_traceback_before_the_line(monkeypatch, arguments):
    raising(monkeypatch, VoiceganError("bob.wav is silent"))
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("error: bob.wav is silent\n")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
@pytest.mark.parametrize("name", ["日本.wav", "\udcff.wav"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_a_name_that_the_terminal_cannot_show_stops_nothing(name, encoding, tmp_path):
    (tmp_path / name).write_bytes(header_bytes(16000, None, 2000) + bytes(2000))
    done = subprocess.run(
        [sys.executable, "-m", "voicegan", "info", name], cwd=tmp_path, capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding}, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith(b"recording  ") and b".wav\n" in done.stdout


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_command_of_a_group_fails_as_others_do(monkeypatch, place):
    @click.command()
    def broken() -> None:
        raise VoiceganError("bob.wav is silent", "Record it again.")

    monkeypatch.setitem(vocoder.COMMANDS, "broken", ("broken:broken", "raises"))
    monkeypatch.setitem(sys.modules, "voicegan.cli.broken", type(sys)("broken"))
    monkeypatch.setattr(sys.modules["voicegan.cli.broken"], "broken", broken, raising=False)
    quiet = CliRunner().invoke(cli.main, ["vocoder", "broken"])
    assert (quiet.exit_code, quiet.stderr) == (2, "error: bob.wav is silent. Record it again.\n")
    arguments = ["vocoder", "broken"]
    arguments.insert(place, "--debug")
    result = CliRunner().invoke(cli.main, arguments)
    assert result.stderr.startswith("Traceback") and result.stderr.count("error: bob.wav") == 1


def test_interruption_exits_as_shells_expect(monkeypatch):
    raising(monkeypatch, KeyboardInterrupt())
    result = CliRunner().invoke(cli.main, ["broken"])
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_reader_who_leaves_early_is_met_quietly():
    shell = f"'{sys.executable}' -m voicegan --help | true"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert result.stderr == ""
