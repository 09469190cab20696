"""``voicegan image``: the group of commands about pictures, each in a file of its own."""

from __future__ import annotations

import click

from . import Commands

COMMANDS = {
    "list": ("image_list:list_", "List the systems there are, and the models that were trained."),
    "train": ("image_train:train", "Train a system on pictures."),
    "sample": ("image_sample:sample", "Make pictures with a trained model."),
}


@click.group(
    cls=Commands, table=COMMANDS, epilog="voicegan image COMMAND --help says more about one command."
)
def image() -> None:
    """Train and use the image family: GANs, autoencoders and translators on pictures."""
