"""Long recordings of one text by two speakers, cut into pieces at the same words.

Each speaker's long recordings are cut at their own quietest places, and two readers do not pause at the same words. Of
such pieces those of one name would say different things, and that the folders are parallel would not be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np

from ..audio.folders import Progress
from .corpus import Speaker, Utterance, with_material
from .parallel import RATIO

_MOST_S = 180.0  # longer recordings stay as they are: aligning takes memory with the square of the length
_BAND = 0.2  # two readers of one text are never further apart than this share of it
_TRIED = 3  # recordings, of which one has to say the same for others to be tried
_EVERY = 4  # frames: of so many one is enough to tell the same text from another


def cut_like(speaker: Speaker, other: Speaker, *, progress: Progress | None = None) -> Speaker:
    """`speaker`, of whose recordings those that `other` has too are cut where `other`'s are.

    Pieces are kept aside where `other`'s are, and all of a recording that was kept aside as a whole. What of one name
    plainly says something else stays as it is, and `parallel.decide` judges the pieces. Where nothing is cut
    otherwise, it is `speaker` itself.
    """
    mine, theirs = _recordings(speaker), _recordings(other)
    long = [name for name in mine if max(len(mine[name]), len(theirs.get(name, ()))) > 1 and name in theirs]
    made: dict[str, list[Utterance]] = {}
    for tried, name in enumerate(long):
        if tried == _TRIED and not made:  # such as 001: nobody should wait for more of them
            break
        if progress:
            progress(tried, len(long), name)
        if pieces := cut(mine[name], theirs[name]):
            made[name] = pieces
    if not made:
        return speaker
    gone = {id(piece) for name in made for piece in mine[name]}
    train, held = ([u for u in side if id(u) not in gone] for side in (speaker.utterances, speaker.held_out))
    aside = {u.name.casefold() for u in other.held_out}
    trained = {id(u) for u in speaker.utterances}
    for name, pieces in made.items():
        never = not any(id(piece) in trained for piece in mine[name])
        for piece in pieces:
            (held if never or piece.name.casefold() in aside else train).append(piece)
    return with_material(speaker, train, held) if train else speaker


def _recordings(speaker: Speaker) -> dict[str, list[Utterance]]:
    """The pieces of each recording, in order, by its name."""
    files: dict[str, list[Utterance]] = {}
    for utterance in [*speaker.utterances, *speaker.held_out]:
        files.setdefault(str(utterance.path), []).append(utterance)
    named = {}
    for pieces in files.values():
        if len(pieces) == 1:
            named[pieces[0].name.casefold()] = pieces
        else:
            pieces.sort(key=lambda piece: int(piece.name.rpartition("#")[2]))
            named[pieces[0].name.rpartition("#")[0].casefold()] = pieces
    return named


def cut(pieces: Sequence[Utterance], like: Sequence[Utterance]) -> list[Utterance]:
    """A recording, given in pieces, cut where those of another say the same words.

    Nothing where it plainly says something else, or is too long.
    """
    from ..audio import align

    if max(sum(piece.seconds for piece in side) for side in (pieces, like)) > _MOST_S:
        return []
    there_mel, mel = (np.concatenate([piece.mel for piece in side], axis=1) for side in (like, pieces))
    forwards, backwards = (align.alignment_cost(there_mel, m, every=_EVERY) for m in (mel, mel[:, ::-1]))
    if forwards > RATIO * backwards:
        return []
    f0 = np.concatenate([piece.f0 for piece in pieces])
    ends = [*accumulate(piece.frames for piece in like)]
    index = align.warp_index(align.align_mels(there_mel, mel, band=_BAND), ends[-1])
    places = [0, *(int(index[end]) for end in ends[:-1]), mel.shape[1]]
    if any(last <= first for first, last in pairwise(places)):
        return []
    base = pieces[0].name if len(pieces) == 1 else pieces[0].name.rpartition("#")[0]
    frame_s = pieces[0].seconds / pieces[0].frames
    return [
        replace(
            pieces[0],
            name=base if len(like) == 1 else f"{base}#{number}",
            mel=mel[:, first:last],
            f0=f0[first:last],
            seconds=(last - first) * frame_s,
        )
        for number, (first, last) in enumerate(pairwise(places), start=1)
    ]
