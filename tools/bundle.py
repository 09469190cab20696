"""Put a trained voice or vocoder into the package, with what was measured on its card.

python tools/bundle.py runs/light-arctic/slt --measured slt.json --command "voicegan eval ..."
python tools/bundle.py runs/speech-16k/speech-16k --measured copies.json --command "voicegan vocoder eval ..."
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from voicegan import storage
from voicegan.metrics import copy_table, table
from voicegan.packs import CARD
from voicegan.vocoder import pack as vocoders
from voicegan.voice import pack as voices

PACKAGE = Path(__file__).resolve().parent.parent / "voicegan"
MOST_BYTES = 8_000_000


def bundle(
    trained: Path, measured: Sequence[tuple[Path, str]], package: Path = PACKAGE, flaws: str = ""
) -> Path:
    """Copy a voice or a vocoder, checked, and add the tables of evaluations to its card; return its new folder.

    measured: for each evaluation its JSON, and the command that made it. flaws: what is known to be wrong with it.
    """
    pack: voices.Pack | vocoders.VocoderPack
    if vocoders.KIND.is_in(trained):
        pack, shelf, render = vocoders.load_vocoder_pack(trained), "vocoders", copy_table.render
    else:
        pack, shelf, render = voices.load_pack(trained), "voices", partial(table.render, by_speaker=True)
    pack.build()  # refuses damaged weights
    target = package / shelf / pack.name
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for path in sorted(trained.iterdir()):
        shutil.copyfile(path, target / path.name)
    card = f"{pack.card.rstrip()}\n\n"
    if flaws:
        card += f"## Known flaws\n\n{flaws}\n\n"
    card += "## Measured\n"
    for path, command in measured:
        shown = render(json.loads(path.read_text(encoding="utf-8")))
        card += f"\n    {command}\n\n```\n{shown.rstrip()}\n```\n"
    storage.write_atomic(target / CARD, card)
    size = sum(path.stat().st_size for path in target.iterdir())
    if size > MOST_BYTES:
        raise SystemExit(f"{target} has {size} bytes; what is bundled has at most {MOST_BYTES}")
    return target


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trained", type=Path, help="folder of a voice or a vocoder")
    parser.add_argument(
        "--measured", type=Path, required=True, action="append", help="JSON of an eval; may be repeated"
    )
    parser.add_argument("--command", required=True, action="append", help="the command that measured it")
    parser.add_argument("--flaws", default="", help="what is known to be wrong with it")
    parser.add_argument("--package", type=Path, default=PACKAGE)
    given = parser.parse_args()
    print(
        bundle(
            given.trained, list(zip(given.measured, given.command, strict=True)), given.package, given.flaws
        )
    )


if __name__ == "__main__":
    main()
