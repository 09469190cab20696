"""Draw trials of a voice between identity and words, from a table of them.

python tools/frontier.py recipes/voice/any-to-one/trials.tsv recipes/voice/any-to-one/frontier.png
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from voicegan.pictures import curves


def draw(table: Path, picture: Path) -> int:
    """Read columns ``trial``, ``cosine`` and ``cer``, parted by tabs; draw a point for each; return how many."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t"))
    points = {row["trial"]: [(float(row["cosine"]), float(row["cer"]))] for row in rows}
    curves(
        points, picture, title="cosine to the target (right is better), CER (down is better)", numbered=True
    )
    return len(points)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    print(f"{draw(given.table, given.picture)} trials: {given.picture}")


if __name__ == "__main__":
    main()
