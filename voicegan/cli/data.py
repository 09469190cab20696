"""``voicegan data``: public collections, fetched into the user's data folder."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import click


@click.group()
def data() -> None:
    """List and fetch public collections of speech and of pictures."""


@data.command("list")
def list_() -> None:
    """Say which collections can be fetched, and what is here already."""
    from .. import datasets, picture_sets

    for corpus in datasets.CORPORA.values():
        click.echo(f"{corpus.name}: {corpus.title}")
        click.echo(f"    {corpus.size}; {corpus.licence}; {corpus.homepage}")
        names = ", ".join(archive.name for archive in corpus.archives)
        if len(corpus.archives) > 1:
            click.echo(f"    {'speakers' if corpus.by_speaker else 'subsets'}: {names}")
        if here := datasets.fetched_speakers(corpus):
            shown = ", ".join(here[:8]) + (f" and {len(here) - 8} more" if len(here) > 8 else "")
            click.echo(f"    here, in {datasets.data_home() / corpus.name}: {shown}")
    for pictures in picture_sets.SETS.values():
        click.echo(f"{pictures.name}: {pictures.title}")
        click.echo(f"    {pictures.size}; {pictures.licence}; {pictures.homepage}")
        if picture_sets.is_here(pictures):
            click.echo(f"    here, in {picture_sets.home(pictures)}")


@data.command()
@click.argument("collection")
@click.option(
    "--speakers", metavar="A,B,...", default="",
    help="Keep only these speakers ('all': everyone). ARCTIC is fetched by speaker: bdl,slt unless chosen.",
)  # fmt: skip
@click.option(
    "--subset", metavar="NAME", default=None, help="Part of a corpus, such as dev-clean of librispeech."
)
@click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), default=None, help="The folder to fetch it to."
)
@click.option(
    "--mirror", metavar="URL", default=None, help="Another server with the same paths; checksums still hold."
)
def fetch(collection: str, speakers: str, subset: str | None, to: Path | None, mirror: str | None) -> None:
    """Fetch COLLECTION: speech (arctic, vctk, librispeech) as plain speaker folders, or pictures (mnist,
    fashion-mnist, cifar-10, facades) for `voicegan image train --data NAME`.

    An interrupted fetch goes on where it stopped when the command is run again.
    """
    from .. import datasets, picture_sets
    from ..errors import VoiceganError
    from .progress import transferred

    if mirror is not None and not all(urllib.parse.urlsplit(mirror)[:2]):
        raise VoiceganError(
            f"{mirror} is no address of a server", "Write for example --mirror http://localhost:8000."
        )
    if (pictures := picture_sets.SETS.get(collection)) is not None:
        if speakers or subset:
            raise VoiceganError(f"{collection} holds no speech", "Leave --speakers and --subset out.")
        with transferred() as progress:
            folder, count = picture_sets.fetch(pictures, to=to, mirror=mirror, progress=progress)
        click.echo(f"{folder}: {count} files")
        click.echo(f"{pictures.title}. Licence: {pictures.licence}; {pictures.homepage}")
        return
    chosen = datasets.find(collection, tuple(picture_sets.SETS))
    wanted = [name.strip() for name in speakers.split(",") if name.strip()]
    with transferred() as progress:
        fetched = datasets.fetch(
            chosen, speakers=wanted, subset=subset, to=to, mirror=mirror, progress=progress
        )
    for speaker, count in fetched.speakers.items():
        click.echo(f"{fetched.folder / speaker}: {count} recordings")
    for archive in fetched.kept:
        click.echo(
            f"{archive} ({archive.stat().st_size / 1e9:.1f} GB) stays for other speakers; delete it when done."
        )
    click.echo(f"{chosen.title}. Licence: {chosen.licence}; {chosen.homepage}")
