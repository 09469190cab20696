"""What is looked at while a voice trains: figures on held-out speech, pictures, and warnings in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..core.log import series
from ..core.system import Progress, System
from .batches import normalised
from .corpus import Speaker, Utterance
from .parallel import Parallel
from .validation import content_drift, frechet_cepstra, parallel_mcd

UTTERANCES = 12  # held-out utterances a side that are converted at each check
# Two people's readings of one sentence, aligned, drift apart by 0.35 (bdl and slt of CMU ARCTIC): so much is
# what a conversion may change, and has to, to sound like somebody else. Beyond it content is being lost.
FREE_DRIFT = 0.35
DRIFT_DB = 20.0  # how many dB of distance losing all of the content is worth
UNCHANGED = 0.1  # mean change of a normalised mel under which nothing was converted
PATIENCE = 6  # checks without improvement after which more training is unlikely to pay


class Monitor:
    """Judge the generators at each check of a run.

    ``score``, which chooses the best checkpoint, is the mean over the directions of

    - with parallel held-out sentences: the mel-cepstral distortion to the target's own reading, in dB;
    - else: the Fréchet distance of cepstral frames to the target's held-out speech, in dB, plus 20 dB times
      what ``content_drift`` exceeds 0.35 by, so that a generator that babbles in the right voice does not win.

    Parameters
    ----------
    directions : sequence of Direction
        What is converted, and what it is compared with: see :func:`both_ways`.
    folder : Path
        The run's, for pictures.
    say : callable
        Prints one line to the user.
    chooses : bool
        Without it the mean is called ``distance`` and chooses nothing: the newest state counts.
    """

    def __init__(
        self,
        directions: Sequence[Direction],
        folder: Path,
        say: Callable[[str], None],
        *,
        chooses: bool = True,
    ) -> None:
        self.directions, self.folder, self.say = tuple(directions), folder, say
        self.chooses = chooses
        self.scores: list[float] = []
        self._warned: set[str] = set()
        self.untrained = self._untrained()

    def validate(self, system: System, progress: Progress, *, rehearsal: bool = False) -> dict[str, float]:
        """Measure both generators; draw a picture; warn. ``rehearsal`` leaves no trace."""
        values: dict[str, float] = {}
        scores = []
        for direction in self.directions:
            device = next(system.parameters()).device
            converted = direction.convert(system.best(direction.network), device)
            judged = direction.judge(converted) | {"change": direction.change(converted)}
            scores.append(judged["score"])
            values |= {direction.labelled(name): value for name, value in judged.items()}
            if not rehearsal:
                self._picture(direction, converted[0], progress.step)
        score = float(np.mean(scores))
        values["score" if self.chooses else "distance"] = score
        if not rehearsal:
            self.scores.append(score)
            self._warn(values, score, progress)
        return values

    def recall(self, metrics: Path, step: int) -> None:
        """Take up the scores of a run that resumes at ``step``."""
        self.scores = [score for at, score in series(metrics).get("validation/score", []) if at <= step]

    def _untrained(self) -> float:
        """The score of the trivial conversion: the target's mean and deviation per bin, nothing else."""
        judged = [d.judge([d.back(mel) for mel in d.unchanged]) for d in self.directions]
        return float(np.mean([values["score"] for values in judged]))

    def _picture(self, direction: Direction, converted: np.ndarray, step: int) -> None:
        from ..pictures import mel_picture

        source, target = direction.pictured()
        rows = [("source", source), ("converted", converted), ("target", target)]
        several = sum(other.towards == direction.towards for other in self.directions) > 1
        whom = f"{direction.towards}-{direction.label}" if several else direction.towards
        mel_picture(rows, self.folder / "samples" / f"to-{whom}-{step:07d}.png")

    def _warn(self, values: Mapping[str, float], score: float, progress: Progress) -> None:
        if progress.fraction >= 0.25:
            for direction in self.directions:
                if values[direction.labelled("change")] < UNCHANGED:
                    self._once(
                        direction.labelled("identity"),
                        f"the conversion to {direction.towards} hardly changes its input: training may have collapsed "
                        "to identity. Lower what holds it to its input (model.cycle, model.identity), or give more "
                        "varied recordings.",
                    )
            if score > 1.3 * self.untrained:
                self._once(
                    "diverged",
                    f"the validation score ({score:.2f}) is worse than matching averages alone "
                    f"({self.untrained:.2f}): training is diverging. Lower model.lr_g and model.lr_d.",
                )
        best = int(np.argmin(self.scores))
        if self.chooses and len(self.scores) - 1 - best >= PATIENCE:
            self._once(
                f"stalled-{best}",
                f"no better since {len(self.scores) - 1 - best} checks: more training is unlikely to help. "
                "The best voices are kept; stop with Ctrl-C when you like.",
            )

    def _once(self, key: str, text: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            self.say(f"warning: {text}")


@dataclass(frozen=True)
class Direction:
    """One generator's held-out work: sources, and what to compare the results with.

    Attributes
    ----------
    network : str
        The generator's name in the system.
    label : str
        Stands behind the names of its figures; may be empty.
    towards : str
        The target's name.
    target : Speaker
        Whose statistics bring the results back.
    utterances : list of Utterance
        What is converted.
    sources : list of ndarray
        The same as the generator is given it, ``(C, F)``.
    unchanged : list of ndarray
        What a generator that has learnt nothing makes of them: normalised mels ``(M, F)``.
    targets : list of Utterance
        The target's own: where ``paired``, of the same sentences.
    paired : bool
    """

    network: str
    label: str
    towards: str
    target: Speaker
    utterances: list[Utterance]
    sources: list[np.ndarray]
    unchanged: list[np.ndarray]
    targets: list[Utterance]
    paired: bool = False

    def labelled(self, name: str) -> str:
        """The name of a figure of this direction."""
        return f"{name}_{self.label}" if self.label else name

    def back(self, mel: np.ndarray) -> np.ndarray:
        """Turn a normalised mel into the target's log-mel."""
        return mel * self.target.std[:, None] + self.target.mean[:, None]

    def convert(self, generator: nn.Module, device: torch.device) -> list[np.ndarray]:
        """Convert every source to the target's log-mel, each ``(M, F)``."""
        results = []
        for source in self.sources:
            output: Tensor = generator(torch.from_numpy(source)[None].to(device))
            results.append(self.back(output[0].float().cpu().numpy()))
        return results

    def judge(self, converted: list[np.ndarray]) -> dict[str, float]:
        """Distances to the target; ``score`` among them, lower being better."""
        targets = [u.mel for u in self.targets]
        drift = float(
            np.mean([content_drift(u.mel, c) for u, c in zip(self.utterances, converted, strict=True)])
        )
        if self.paired:
            mcd = parallel_mcd(zip(converted, targets, strict=True))
            return {"mcd": mcd, "drift": drift, "score": mcd}
        distance = frechet_cepstra(converted, targets)
        return {
            "frechet": distance,
            "drift": drift,
            "score": distance + DRIFT_DB * max(0.0, drift - FREE_DRIFT),
        }

    def change(self, converted: list[np.ndarray]) -> float:
        """Mean absolute change of the normalised mel: 0 for a generator that does nothing."""
        pairs = zip(self.unchanged, converted, strict=True)
        return float(np.mean([np.abs(normalised(self.target, c) - s).mean() for s, c in pairs]))

    def pictured(self) -> tuple[np.ndarray, np.ndarray]:
        """The first source and a target to see it beside."""
        return self.utterances[0].mel, self.targets[0].mel


def both_ways(
    a: Speaker, b: Speaker, parallel: Parallel | None, names: tuple[str, str]
) -> tuple[Direction, Direction]:
    """What there is to judge between two speakers. names: what a and b are called."""
    pairs = parallel.held_out[:UTTERANCES] if parallel else []
    there = _direction("g_ab", "ab", names[1], a, b, [(p.index_a, p.index_b) for p in pairs])
    back = _direction("g_ba", "ba", names[0], b, a, [(p.index_b, p.index_a) for p in pairs])
    return there, back


def _direction(
    network: str, label: str, towards: str, source: Speaker, target: Speaker, pairs: list[tuple[int, int]]
) -> Direction:
    kept, wanted = aside(source), aside(target)
    utterances = [kept[i] for i, _ in pairs] if pairs else kept[:UTTERANCES]
    targets = [wanted[j] for _, j in pairs] if pairs else wanted
    sources = [normalised(source, u.mel) for u in utterances]
    return Direction(network, label, towards, target, utterances, sources, sources, targets, bool(pairs))


def aside(speaker: Speaker) -> list[Utterance]:
    """The utterances kept aside; without any, the first that train, which is better than blindness."""
    return speaker.held_out or speaker.utterances[:UTTERANCES]
