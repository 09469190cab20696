"""``voicegan image``: the group of commands about pictures, each in a file of its own."""

from __future__ import annotations

import click

from . import Commands

COMMANDS = {
    "list": ("image_list:list_", "List the systems there are, and the models that were trained."),
    "train": ("image_train:train", "Train a system on pictures."),
    "sample": ("image_sample:sample", "Make pictures with a trained model."),
    "interpolate": ("image_latent:interpolate", "Go from one picture to another by their latent vectors."),
    "arithmetic": ("image_latent:arithmetic", "Calculate with latent vectors: a - b + c."),
    "translate": ("image_translate:translate", "Turn pictures of one domain into the other."),
    "inpaint": ("image_fill:inpaint", "Fill a hole in pictures, by a model that has learnt to."),
    "complete": ("image_fill:complete", "Complete pictures by a search in a GAN's latent space."),
    "eval": ("image_eval:evaluate", "Judge a trained model on data kept aside."),
}


@click.group(
    cls=Commands, table=COMMANDS, epilog="voicegan image COMMAND --help says more about one command."
)
def image() -> None:
    """Train and use the image family: GANs, autoencoders and translators on pictures."""
