"""Do two folders hold the same sentences, and which frame of one belongs to which frame of the other?

Equal names prove nothing: many corpora count their files from ``001.wav``. So names only propose pairs, and
aligning decides: speech matches the same words far better than other words of the same length.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import storage
from ..audio.folders import Progress, hashed
from ..errors import VoiceganError
from .check import FolderReport
from .corpus import CorpusConfig, Speaker, Utterance, pieces
from .features import features_of

FORMAT = 1  # of cached alignments; raise it when aligning changes
LEAST_PAIRS = 6  # fewer matching names decide nothing
TRIED_PAIRS = 24
RATIO = 0.9  # matched pairs must cost at most this, as a share of what shuffled ones cost (medians)
WON = 0.8  # and this share of the sentences must each be cheaper with their own partner
DROP_AT = 0.75  # how far from the matched to the shuffled cost a pair may lie; of good pairs 0.3 % lie beyond

_Aligned = tuple[np.ndarray, np.ndarray, float]  # index_ab, index_ba, cost


@dataclass(frozen=True)
class ParallelVerdict:
    """Whether two folders are parallel, and why."""

    parallel: bool
    reason: str
    matching: int  # names that occur in both
    matched_cost: float = 0.0  # median of aligning sentences of the same name
    shuffled_cost: float = 0.0  # median of aligning each with another sentence of about its length
    won: float = 0.0  # share of the sentences that match their own partner better


@dataclass(frozen=True)
class Pair:
    """Two utterances of the same sentence, and the way from the frames of one to those of the other."""

    index_a: int  # into a's utterances
    index_b: int  # into b's
    index_ab: np.ndarray  # (Fa,) int32: for each frame of a, the frame of b
    index_ba: np.ndarray  # (Fb,) int32
    cost: float  # `audio.align.alignment_cost`: about 0.7 for the same sentence, 1 for another


@dataclass(frozen=True)
class Parallel:
    """All pairs of two speakers; none when their folders are not parallel."""

    verdict: ParallelVerdict
    pairs: list[Pair] = field(default_factory=list)  # of training utterances
    held_out: list[Pair] = field(default_factory=list)  # of utterances kept aside in both
    dropped: list[str] = field(default_factory=list)  # names that match although the sentences do not


def is_parallel(a: Speaker, b: Speaker) -> ParallelVerdict:
    """Decide from loaded speakers; see `decide` for the criterion."""
    return decide([*a.utterances, *a.held_out], [*b.utterances, *b.held_out])


def check_parallel(a: FolderReport, b: FolderReport, config: CorpusConfig | None = None) -> ParallelVerdict:
    """Decide from two folder reports, loading no more than the recordings that are to be aligned.

    Long ones are cut as training cuts them, so that few of them may be enough.
    """
    from .recut import cut

    config = config or CorpusConfig()
    recipe = config.recipe()
    by_name = [{f.path.stem.casefold(): f for f in report.usable} for report in (a, b)]
    everywhere = set(by_name[0]) & set(by_name[1])
    loaded: list[list[Utterance]] = [[], []]
    for name in _sample(everywhere):
        whole = []
        for known in by_name:
            file = known[name]
            found = features_of(file.path, file.sha256 or hashed(file.path), recipe)
            whole.append(Utterance(name, file.path, found.mel, found.f0, file.seconds, file.sha256))
        like, other = (pieces(one, config.longest_s, recipe.spec) for one in whole)
        loaded[0] += like
        loaded[1] += (cut(other, like) or other) if max(len(like), len(other)) > 1 else other
    matching = len({u.name for u in loaded[0]} & {u.name for u in loaded[1]})
    return decide(loaded[0], loaded[1], matching=max(matching, len(everywhere)))


def shared_recordings(a: FolderReport, b: FolderReport) -> list[tuple[str, str]]:
    """Recordings that are in both folders, by content: a mistake, since each should hold one speaker."""
    known = {file.facts.samples_sha256: file.name for file in a.usable if file.facts}
    return [
        (known[file.facts.samples_sha256], file.name)
        for file in b.usable
        if file.facts and file.facts.samples_sha256 in known
    ]


def decide(a: Sequence[Utterance], b: Sequence[Utterance], matching: int | None = None) -> ParallelVerdict:
    """Are these the same sentences under the same names?

    Of the names that both have, up to 24 are drawn (by hash). Each sentence of `a` is aligned with its
    namesake in `b`, and with another drawn sentence of `b` whose length is close: otherwise length alone
    would tell them apart. Parallel means: the median cost of namesakes is at most 0.9 of the others', and at
    least 80 % of the sentences are cheaper with their namesake. In ARCTIC and VCC2016, seven parallel pairs
    of speakers have a ratio of 0.68 to 0.78 (and 100 % of the sentences); with shifted names 56 pairs
    have 0.95 to 1.03 (29 to 62 %).
    """
    from ..audio.align import alignment_cost

    of_a, of_b = _by_name(a), _by_name(b)
    shared = set(of_a) & set(of_b)
    matching = len(shared) if matching is None else matching
    if matching < LEAST_PAIRS:
        said = "no file names match" if not matching else f"only {matching} names match"
        return ParallelVerdict(False, said, matching)
    names = sorted(_sample(shared), key=lambda name: of_b[name].frames)
    matched, shuffled = [], []
    for place, name in enumerate(names):
        # Sorted by length, the neighbour is the other sentence that is nearest in length.
        other = names[place + 1 if place % 2 == 0 and place + 1 < len(names) else place - 1]
        matched.append(alignment_cost(of_a[name].mel, of_b[name].mel))
        shuffled.append(alignment_cost(of_a[name].mel, of_b[other].mel))
    mine, theirs = float(np.median(matched)), float(np.median(shuffled))
    won = float(np.mean(np.array(matched) < np.array(shuffled)))
    parallel = mine <= RATIO * theirs and won >= WON
    costs = f"matched pairs align at {mine:.2f}, shuffled ones at {theirs:.2f}"
    reason = (
        f"{matching} names match and so does what is said ({costs})"
        if parallel
        else (f"{matching} names match, but what is said does not ({costs})")
    )
    return ParallelVerdict(parallel, reason, matching, mine, theirs, won)


def align_speakers(a: Speaker, b: Speaker, *, progress: Progress | None = None) -> Parallel:
    """Align every pair of utterances with equal names, if the speakers are parallel; cached.

    A pair that costs about as much as a shuffled one is a mistake in the folders (a wrong name, another
    sentence): it is dropped, and named in the result. Raises VoiceganError when the speakers' features were
    made differently.
    """
    if a.recipe != b.recipe:
        a.spec.require_same(b.spec, a.name, b.name)
        raise VoiceganError(
            f"{a.name} and {b.name} were loaded with different level or trimming",
            "Load both with one configuration.",
        )
    verdict = is_parallel(a, b)
    if not verdict.parallel:
        return Parallel(verdict)
    found = [_namesakes(a.utterances, b.utterances), _namesakes(a.held_out, b.held_out)]
    wanted = [(a.utterances[i], b.utterances[j]) for i, j in found[0]]
    wanted += [(a.held_out[i], b.held_out[j]) for i, j in found[1]]
    aligned = iter(_aligned(a.recipe.key, wanted, progress))
    train, held_out = ([Pair(i, j, *next(aligned)) for i, j in places] for places in found)

    limit = verdict.matched_cost + DROP_AT * (verdict.shuffled_cost - verdict.matched_cost)
    dropped = [a.utterances[pair.index_a].name for pair in train if pair.cost > limit]
    dropped += [a.held_out[pair.index_a].name for pair in held_out if pair.cost > limit]
    good = [[pair for pair in pairs if pair.cost <= limit] for pairs in (train, held_out)]
    return Parallel(verdict, good[0], good[1], dropped)


def _aligned(
    recipe_key: str, wanted: Sequence[tuple[Utterance, Utterance]], progress: Progress | None
) -> list[_Aligned]:
    contents = [(x.name, x.sha256, x.frames, y.name, y.sha256, y.frames) for x, y in wanted]
    key = hashlib.sha256(json.dumps([FORMAT, recipe_key, contents]).encode()).hexdigest()
    cached = storage.cache_home() / "alignments" / f"{key}.npz"
    if (known := _read(cached, wanted)) is not None:
        return known
    done = []
    for x, y in wanted:
        done.append(_align(x, y))
        if progress:
            progress(len(done), len(wanted), x.name)
    _write(cached, done)
    return done


def _align(x: Utterance, y: Utterance) -> _Aligned:
    from ..audio import align

    there = align.align_mels(x.mel, y.mel)
    back = align.Alignment(there.path_b, there.path_a, there.cost)
    index_ab = align.warp_index(there, x.frames).astype(np.int32)
    index_ba = align.warp_index(back, y.frames).astype(np.int32)
    return index_ab, index_ba, align.alignment_cost(x.mel, y.mel)


def _namesakes(of_a: Sequence[Utterance], of_b: Sequence[Utterance]) -> list[tuple[int, int]]:
    """Places of equal names in both."""
    known = {utterance.name.casefold(): place for place, utterance in enumerate(of_b)}
    return [(i, known[x.name.casefold()]) for i, x in enumerate(of_a) if x.name.casefold() in known]


def _by_name(utterances: Sequence[Utterance]) -> dict[str, Utterance]:
    return {utterance.name.casefold(): utterance for utterance in utterances}


def _sample(names: set[str]) -> list[str]:
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
    return ranked[:TRIED_PAIRS]


def _read(cached: Path, wanted: Sequence[tuple[Utterance, Utterance]]) -> list[_Aligned] | None:
    try:
        with np.load(cached, allow_pickle=False) as stored:
            ab, ba, costs = stored["ab"], stored["ba"], stored["costs"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    ends_a, ends_b = (np.cumsum([pair[side].frames for pair in wanted]).astype(int) for side in (0, 1))
    if len(costs) != len(wanted) or (wanted and (len(ab), len(ba)) != (ends_a[-1], ends_b[-1])):
        return None
    split_ab, split_ba = np.split(ab, ends_a[:-1]), np.split(ba, ends_b[:-1])
    return [(x, y, float(cost)) for x, y, cost in zip(split_ab, split_ba, costs, strict=False)]


def _write(cached: Path, aligned: Sequence[_Aligned]) -> None:
    if not aligned:
        return
    try:
        with storage.atomic_path(cached) as temporary:
            np.savez(
                temporary,
                ab=np.concatenate([one for one, _, _ in aligned]),
                ba=np.concatenate([other for _, other, _ in aligned]),
                costs=np.array([cost for _, _, cost in aligned], np.float64),
            )
    except OSError:  # a cache that cannot be written costs time, nothing else
        return
