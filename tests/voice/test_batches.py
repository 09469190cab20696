"""Crops: whose they are, what stands beside them, and that no utterance is lost."""

from pathlib import Path

import numpy as np
import torch

from voicegan.audio.mel import PRESETS
from voicegan.core.random import Draws
from voicegan.voice.batches import Tape, TwoSpeakers, normalised
from voicegan.voice.corpus import CorpusConfig, Speaker, Utterance
from voicegan.voice.parallel import Pair, Parallel, ParallelVerdict

YES = ParallelVerdict(True, "made so", 1)


def a_speaker(lengths, offset=0.0):
    """Utterance k of a speaker with this offset has the value 100 k + offset + frame in every bin."""
    utterances = [
        Utterance(f"u{k}", Path("x"), np.tile(100.0 * k + offset + np.arange(f, dtype=np.float32), (80, 1)),
                  np.zeros(f, np.float32), f / 62.5, "")
        for k, f in enumerate(lengths)
    ]  # fmt: skip
    recipe = CorpusConfig().recipe()
    mean, std = np.full(80, offset, np.float32), np.full(80, 2.0, np.float32)
    return Speaker("s", Path("s"), PRESETS["16k"], recipe, utterances, [], mean, std, 0.0, 0.0)


def test_statistics_are_taken_out():
    speaker = a_speaker([5], offset=3.0)
    assert np.allclose(normalised(speaker, speaker.utterances[0].mel)[0], np.arange(5) / 2.0)


def test_short_utterances_are_joined_and_repeated_never_dropped():
    tape = Tape.of(a_speaker([3, 4]), least_frames=16)
    values = (tape.mel[0] * 2.0).tolist()
    assert values[:7] == [0, 1, 2, 100, 101, 102, 103]
    assert tape.mel.shape[1] >= 16 and values[7:14] == values[:7]


def test_targets_are_the_others_frames_at_the_same_moment():
    a, b = a_speaker([4, 3]), a_speaker([6, 5], offset=0.5)
    forth, back = np.array([0, 2, 3, 5], np.int32), np.array([0, 0, 1, 2, 2, 3], np.int32)
    source = TwoSpeakers(a, b, 4, Parallel(YES, [Pair(0, 0, forth, back, 0.1)]))
    assert (source.a.target[0, :4] * 2.0).tolist() == [0, 2, 3, 5]
    assert source.a.weight[0].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert (source.b.target[0, :6] * 2.0).tolist() == back.tolist()
    assert source.b.weight[0].tolist() == [1] * 6 + [0] * 5


def test_crops_of_mel_target_and_weight_belong_together():
    a, b = a_speaker([30]), a_speaker([30])
    same = np.arange(30, dtype=np.int32)
    source = TwoSpeakers(a, b, 8, Parallel(YES, [Pair(0, 0, same, same, 0.0)]))
    batch = source.batch(Draws(0, 0, 0, range(16)))
    assert set(batch) == {"a", "a_target", "a_weight", "b", "b_target", "b_weight"}
    assert batch["a"].shape == (16, 80, 8) and batch["a_weight"].shape == (16, 1, 8)
    assert torch.equal(batch["a"], batch["a_target"])
    assert not torch.equal(batch["a"], batch["b"])  # unrelated moments


def test_every_place_is_drawn_sooner_or_later():
    tape = Tape.of(a_speaker([10]), least_frames=8)
    starts = {int(c[0, 0] * 2) for c in tape.crops(Draws(0, 0, 0, range(64)), "a", 8)["a"]}
    assert starts == {0, 1, 2}


def test_without_pairs_there_are_no_targets():
    source = TwoSpeakers(a_speaker([20]), a_speaker([20]), 8)
    assert set(source.batch(Draws(0, 0, 0, range(2)))) == {"a", "b"}
