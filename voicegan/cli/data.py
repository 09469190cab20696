"""``voicegan data``: public corpora, fetched into the user's data folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def data() -> None:
    """List and fetch public speech corpora."""


@data.command("list")
def list_() -> None:
    """Say which corpora can be fetched, and which speakers are here already."""
    from .. import datasets

    for corpus in datasets.CORPORA.values():
        click.echo(f"{corpus.name}: {corpus.title}")
        click.echo(f"    {corpus.size}; {corpus.licence}; {corpus.homepage}")
        names = ", ".join(archive.name for archive in corpus.archives)
        if len(corpus.archives) > 1:
            click.echo(f"    {'speakers' if corpus.by_speaker else 'subsets'}: {names}")
        if here := datasets.fetched_speakers(corpus):
            shown = ", ".join(here[:8]) + (f" and {len(here) - 8} more" if len(here) > 8 else "")
            click.echo(f"    here, in {datasets.data_home() / corpus.name}: {shown}")


@data.command()
@click.argument("corpus")
@click.option(
    "--speakers", metavar="A,B,...", default="",
    help="Keep only these speakers ('all': everyone). ARCTIC is fetched by speaker: bdl,slt unless chosen.",
)  # fmt: skip
@click.option(
    "--subset", metavar="NAME", default=None, help="Part of a corpus, such as dev-clean of librispeech."
)
@click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder for the speakers."
)
@click.option(
    "--mirror", metavar="URL", default=None, help="Another server with the same paths; checksums still hold."
)
def fetch(corpus: str, speakers: str, subset: str | None, to: Path | None, mirror: str | None) -> None:
    """Fetch CORPUS (arctic, vctk or librispeech) as plain speaker folders.

    An interrupted fetch goes on where it stopped when the command is run again.
    """
    from .. import datasets
    from .progress import transferred

    chosen = datasets.find(corpus)
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
