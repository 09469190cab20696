#!/usr/bin/env python3
"""Train the judge of a dataset with a fixed seed: python tools/train_judge.py digits [--out FOLDER].

Without --out it replaces the one that the package ships, in voicegan/image/judges/: digits and mnist. One for
other data belongs below the user's data folder, where it is found by their name:

    python tools/train_judge.py fashion-mnist --out ~/.local/share/voicegan/judges/fashion-mnist
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from voicegan.image.data import load_pictures
from voicegan.image.judge import accuracy_of, load_judge, save_judge, train_judge
from voicegan.image.metrics import frechet_distance, frechet_floor

ROOT = Path(__file__).resolve().parents[1]
CARD = """# Judge of {name}

A small classifier, trained on the training part of {name} ({train} pictures) with a fixed seed. Its features and
opinions measure what generators make of the same data; it is good for nothing else.

| | |
|---|---|
| Accuracy on the test part ({test} pictures) | {accuracy:.2%} |
| Fréchet distance in its features, training part to test part | {floor_split:.3f} |
| the same, two halves of the training part ({half} each, mean of 5) | {floor_half:.3f} |

The distance is biased by the number of samples: state it beside every figure. Made by
`python tools/train_judge.py {name}` ({steps} steps of {batch}, {seconds:.0f} s of CPU in all).
{licence}"""
LICENCES = {
    "digits": "\nData: Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), UCI, CC BY 4.0, as in"
    " scikit-learn.\n",
    "mnist": "\nData: MNIST (LeCun, Cortes & Burges), commonly stated to be under CC BY-SA 3.0. The copy that was used"
    " is sorted by\nclass; its parts hold as many of each class as the original ones, and whether they hold the same"
    " pictures has not been\nchecked. The accuracy is therefore not quite that of the usual test.\n",
    "fashion-mnist": "\nData: Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), MIT.\n",
}
DEFAULTS = {"digits": {"steps": 600, "batch": 64, "width": 32}}
FOR_OTHERS = {"steps": 1500, "batch": 128, "width": 16}  # larger pictures, and many more of them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="digits, mnist, fashion-mnist or a folder")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--width", type=int, help="Channels of the first convolution.")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name, value in DEFAULTS.get(given.data, FOR_OTHERS).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    pictures = load_pictures(given.data)
    judge = train_judge(
        pictures, steps=given.steps, batch=given.batch, seed=given.seed, quiet=False, width=given.width
    )
    seconds = time.process_time()
    train, test = (judge(part.floats())[0] for part in (pictures.train, pictures.test))
    facts = {"steps": given.steps, "batch": given.batch, "seed": given.seed, "torch": torch.__version__}
    card = CARD.format(
        name=judge.name, train=len(train), test=len(test), accuracy=judge.accuracy,
        floor_split=frechet_distance(train, test), floor_half=frechet_floor(train), half=len(train) // 2,
        steps=given.steps, batch=given.batch, seconds=seconds, licence=LICENCES.get(judge.name, ""),
    )  # fmt: skip
    folder = given.out or ROOT / "voicegan" / "image" / "judges" / judge.name
    save_judge(folder, judge, card, facts)
    print(card)
    print(f"as stored, in half precision: {accuracy_of(load_judge(folder), pictures.test):.2%}; in {folder}")


if __name__ == "__main__":
    main()
