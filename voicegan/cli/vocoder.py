"""``voicegan vocoder``: the group of commands about vocoders, each in a file of its own."""

from __future__ import annotations

import click

from . import Commands

COMMANDS = {
    "list": ("vocoder_list:list_", "List the vocoders there are."),
    "resynth": ("vocoder_resynth:resynth", "Send recordings through a vocoder and back."),
    "eval": ("vocoder_eval:evaluate", "Judge vocoders on recordings."),
    "train": ("vocoder_train:train", "Train a vocoder on folders of recordings."),
    "import": ("vocoder_import:import_", "Take over a public checkpoint."),
}


@click.group(
    cls=Commands, table=COMMANDS, epilog="voicegan vocoder COMMAND --help says more about one command."
)
def vocoder() -> None:
    """Make, judge and use what turns a mel spectrogram into sound."""
