"""Put a trained voice into the package, with what was measured on its card.

python tools/bundle_voice.py runs/light-arctic/slt --measured slt.json --command "voicegan eval ..."
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from voicegan import storage
from voicegan.metrics.table import render
from voicegan.voice.pack import CARD, SETTINGS, load_pack

VOICES = Path(__file__).resolve().parent.parent / "voicegan" / "voices"
MOST_BYTES = 8_000_000


def bundle(voice: Path, measured: Path, command: str, into: Path) -> Path:
    """Copy a voice, checked, and add the table of an evaluation to its card; return its new folder."""
    pack = load_pack(voice)
    pack.build()  # refuses damaged weights
    target = into / pack.name
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for path in sorted(voice.iterdir()):
        shutil.copyfile(path, target / path.name)
    table = render(json.loads(measured.read_text(encoding="utf-8")))
    card = f"{pack.card.rstrip()}\n\n## Measured\n\n    {command}\n\n```\n{table.rstrip()}\n```\n"
    storage.write_atomic(target / CARD, card)
    size = sum(path.stat().st_size for path in target.iterdir())
    if size > MOST_BYTES:
        raise SystemExit(f"{target} has {size} bytes; a bundled voice has at most {MOST_BYTES}")
    return target


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("voice", type=Path, help=f"folder with {SETTINGS}")
    parser.add_argument("--measured", type=Path, required=True, help="JSON of voicegan eval")
    parser.add_argument("--command", required=True, help="the command that measured it")
    parser.add_argument("--into", type=Path, default=VOICES)
    given = parser.parse_args()
    print(bundle(given.voice, given.measured, given.command, given.into))


if __name__ == "__main__":
    main()
