"""What is said while a voice trains: figures that mean something, and warnings when they should come."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from voicegan.audio.mel import PRESETS
from voicegan.core.log import MetricsFile
from voicegan.core.system import Progress, System
from voicegan.voice.corpus import CorpusConfig, Speaker, Utterance
from voicegan.voice.monitor import PATIENCE, Monitor, both_ways
from voicegan.voice.parallel import Pair, Parallel, ParallelVerdict

FRAMES = 60


def speechlike(seed, tilt=0.0, frames=FRAMES):
    """Smooth ridges over time and frequency, in natural-log mel magnitudes, with a quiet start and end."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.standard_normal((1, 1, 10, 8)))
    mel = torch.nn.functional.interpolate(coarse, (80, frames), mode="bicubic")[0, 0].numpy()
    mel[:, :4] = mel[:, -4:] = -11.0
    mel += tilt * np.linspace(-1, 1, 80)[:, None]
    return mel.astype(np.float32)


def a_speaker(name, tilt):
    made = [
        Utterance(f"s{k}", Path(f"s{k}"), speechlike(k, tilt), np.zeros(FRAMES, np.float32), 1.0, str(k))
        for k in range(8)
    ]
    frames = np.concatenate([u.mel for u in made], axis=1)
    mean, std = frames.mean(axis=1), frames.std(axis=1)
    recipe = CorpusConfig().recipe()
    return Speaker(name, Path(name), PRESETS["16k"], recipe, made[:4], made[4:], mean, std, 0.0, 0.0)


class Fixed(System):
    """Two generators that add a constant; None scrambles time instead."""

    def __init__(self, added):
        super().__init__()
        self.g_ab = self.g_ba = Adding(added)
        self.weight = nn.Parameter(torch.zeros(1))


class Adding(nn.Module):
    def __init__(self, added):
        super().__init__()
        self.added = added

    def forward(self, mel):
        return mel.flip(2) if self.added is None else mel + self.added


@pytest.fixture
def speakers():
    return a_speaker("anna", tilt=2.0), a_speaker("ben", tilt=-2.0)


def monitor(speakers, tmp_path, parallel=True):
    same = np.arange(FRAMES, dtype=np.int32)
    pairs = [Pair(i, i, same, same, 0.0) for i in range(4)]
    found = Parallel(ParallelVerdict(True, "made so", 8), pairs, pairs) if parallel else None
    said = []
    made = Monitor(both_ways(*speakers, found, ("anna", "ben")), tmp_path, said.append)
    return made, said


def test_the_right_conversion_scores_best(speakers, tmp_path):
    """The speakers differ in tilt alone, which the statistics carry: adding nothing is the right conversion."""
    made, _ = monitor(speakers, tmp_path)
    right = made.validate(Fixed(0.0), Progress(1, 10))
    wrong = made.validate(Fixed(None), Progress(2, 10))
    assert right["score"] < 1e-3 < wrong["score"]
    assert right["mcd_ab"] == right["score_ab"]


def test_without_pairs_lost_content_costs(speakers, tmp_path):
    made, _ = monitor(speakers, tmp_path, parallel=False)
    right = made.validate(Fixed(0.0), Progress(1, 10))
    babble = made.validate(Fixed(None), Progress(2, 10))
    assert "frechet_ab" in right and "mcd_ab" not in right
    # Reversed speech has the target's frames, but not the source's course.
    assert babble["frechet_ab"] < right["frechet_ab"] + 2
    assert right["drift_ab"] < 0.2 and babble["drift_ab"] > 0.5
    assert babble["score"] > right["score"] + 5


def test_pictures_are_drawn_for_both_directions(speakers, tmp_path):
    made, _ = monitor(speakers, tmp_path)
    made.validate(Fixed(0.0), Progress(7, 10))
    names = {path.name for path in (tmp_path / "samples").iterdir()}
    assert names == {"to-ben-0000007.png", "to-anna-0000007.png"}


def test_rehearsal_leaves_no_trace(speakers, tmp_path):
    made, said = monitor(speakers, tmp_path)
    made.validate(Fixed(0.0), Progress(5, 10), rehearsal=True)
    assert not made.scores and not said and not (tmp_path / "samples").exists()


def test_identity_is_warned_of_once_per_direction_and_not_at_the_start(speakers, tmp_path):
    made, said = monitor(speakers, tmp_path)
    made.validate(Fixed(0.01), Progress(1, 10))
    assert not said
    for step in (5, 6):
        made.validate(Fixed(0.01), Progress(step, 10))
    assert sum("collapsed to identity" in line for line in said) == 2


def test_divergence_is_said_in_words(speakers, tmp_path):
    made, said = monitor(speakers, tmp_path, parallel=False)
    made.validate(Fixed(None), Progress(5, 10))
    assert any("training is diverging" in line for line in said)


def test_no_improvement_is_said_also_after_a_resume(speakers, tmp_path):
    first, _ = monitor(speakers, tmp_path)
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    for step in range(1, PATIENCE + 1):
        values = first.validate(Fixed(0.5 if step > 1 else 0.4), Progress(step, 100))
        metrics.write(step, {f"validation/{name}": value for name, value in values.items()})
    resumed, said = monitor(speakers, tmp_path)
    resumed.recall(tmp_path / "metrics.jsonl", PATIENCE)
    assert resumed.scores == pytest.approx(first.scores, abs=1e-5)
    resumed.validate(Fixed(0.5), Progress(PATIENCE + 1, 100))
    assert any(f"no better since {PATIENCE} checks" in line for line in said)
