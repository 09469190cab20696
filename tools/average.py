"""Average the weights of voices of one lineage into one voice (model soups, Wortsman et al. 2022).

python tools/average.py runs/any-slt-3/slt runs/any-slt-4/slt --out runs/any-slt-mean/slt

Voices that set out from one another lie in one valley: between them is a voice about as near to the target as the
nearer one, which keeps more of the words.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from voicegan.errors import VoiceganError
from voicegan.voice.pack import ANY_SOURCE, Pack, load_pack, save_pack

# What has to be the same, or a mean of weights means nothing, or the last one's card is not true of it.
_SAME = (
    "name", "system", "net", "network", "sources", "mel", "normaliser", "vocoder", "level_db", "licences", "consent"
)  # fmt: skip
# Of one voice's checkpoint, not of the mean.
_HELD_OUT = re.compile(r"^## On held-out.*?(?=^## )", re.MULTILINE | re.DOTALL)


def average(folders: Sequence[Path], out: Path) -> Pack:
    """Write the voice whose weights are the mean of those of the voices in `folders`.

    Its card and facts are the last one's, and say what it is the mean of. Raises VoiceganError for voices that differ
    in more than their weights.
    """
    packs = [load_pack(folder) for folder in folders]
    last = packs[-1]
    for other in packs:
        for what in _SAME:
            if getattr(other, what) != getattr(last, what):
                raise VoiceganError(
                    f"{other.folder} and {last.folder} differ in {what}", "Give voices of one lineage."
                )
    built = [pack.build() for pack in packs]
    generator, statistics = built[-1]
    for _, others in built:
        if others.keys() != statistics.keys() or any(
            not torch.equal(others[name], value) for name, value in statistics.items()
        ):
            raise VoiceganError(
                f"the voices in {', '.join(map(str, folders))} were trained on different recordings",
                "Give voices of one lineage.",
            )
    states = [network.state_dict() for network, _ in built]
    with torch.no_grad():
        generator.load_state_dict(
            {key: torch.stack([s[key] for s in states]).mean(dim=0) for key in states[0]}
        )
    made_of = [
        {"sha256": pack.sha256[:12], "command": str(pack.training.get("command", ""))} for pack in packs
    ]
    return save_pack(
        out,
        name=last.name,
        system=last.system,
        net=last.net,
        generator=generator,
        network=last.network,
        sources=[source for source in last.sources if source != ANY_SOURCE],
        mel=last.mel,
        statistics=statistics,
        card=_card(last.card, made_of),
        normaliser=last.normaliser,
        vocoder=last.vocoder,
        level_db=last.level_db,
        training={**{k: v for k, v in last.training.items() if k != "validation"}, "mean_of": made_of},
        licences=last.licences,
        consent=last.consent,
    )


def _card(card: str, made_of: Sequence[dict[str, str]]) -> str:
    """The last voice's card, without what was measured of that one, and with what the mean is of."""
    card = _HELD_OUT.sub("", card).rstrip()
    lines = [f"- {voice['sha256']}: `{voice['command']}`" for voice in made_of]
    return (
        f"{card}\n\n## Mean\nIts weights are the mean of {len(made_of)} voices' (`tools/average.py`), of which the last"
        " is described above:\n\n" + "\n".join(lines) + "\n"
    )


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("voices", type=Path, nargs="+", help="folders of voices, the last trained one last")
    parser.add_argument("--out", type=Path, required=True, help="folder of the voice to make")
    given = parser.parse_args()
    try:
        print(average(given.voices, given.out).folder)
    except VoiceganError as error:
        raise SystemExit(f"average: {error}") from error


if __name__ == "__main__":
    main()
