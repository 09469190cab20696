"""The bundled judge knows its digits; a new one is the same each time it is trained, saved and read."""

import dataclasses
import signal

import pytest
import torch
from torch.nn.functional import pad

from voicegan.core.trainer import Outcome, Trainer
from voicegan.errors import VoiceganError
from voicegan.image.data import load
from voicegan.image.judge import accuracy_of, load_judge, save_judge, train_judge
from voicegan.image.metrics import frechet_distance
from voicegan.image.monitor import judge_for


def test_the_bundled_judge_is_as_good_as_its_card_says():
    judge, digits = load_judge("digits"), load("digits")
    assert judge.accuracy > 0.97
    assert accuracy_of(judge, digits.test) == pytest.approx(judge.accuracy, abs=0.005)
    # Sizes that repeat pixels, and colour, are judged as the originals.
    features, logits = judge(digits.test.floats())
    large, _ = judge(digits.test.resized(32).with_channels(3).floats())
    assert features.shape == (597, 64) and logits.shape == (597, 10)
    assert torch.allclose(features, large, atol=1e-3)


def test_the_judge_of_mnist_reads_digits_of_others():
    """MNIST itself is no part of the package: scikit-learn's digits, made as large as MNIST's, stand in for it."""
    judge, digits = load_judge("mnist"), load("digits").test.resized(20)
    assert judge.accuracy > 0.98 and judge.classes == digits.classes and judge.net.size == 28
    framed = dataclasses.replace(digits, images=pad(digits.images, (4, 4, 4, 4)))
    assert accuracy_of(judge, framed) > 0.7  # 0.76; chance is 0.1


def test_data_that_are_only_called_like_others_are_not_judged_as_these():
    digits = load("digits")
    assert judge_for("auto", dataclasses.replace(digits, name="mnist")).name == "mnist"
    clothes = dataclasses.replace(digits, name="mnist", classes=tuple("abcdefghij"))
    assert judge_for("auto", clothes) is None
    with pytest.raises(VoiceganError, match="knows other classes"):
        judge_for("mnist", clothes)


def test_noise_is_far_from_digits_and_digits_are_near():
    judge, digits = load_judge("digits"), load("digits")
    train, test = (judge(part.floats())[0] for part in (digits.train, digits.test))
    noise = judge(torch.rand(597, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1)[0]
    assert frechet_distance(train, noise) > 10 * frechet_distance(train, test)


def test_a_judge_is_trained_saved_and_read_alike(tmp_path):
    digits = load("digits")
    one, two = (train_judge(digits, steps=3, batch=8, width=4, features=8) for _ in range(2))
    images = digits.test.floats()[:5]
    assert torch.equal(one(images)[1], two(images)[1])
    save_judge(tmp_path / "j", one, "a card")
    read = load_judge(tmp_path / "j")
    assert read.classes == one.classes and read.accuracy == one.accuracy
    assert torch.allclose(read(images)[1], one(images)[1], atol=0.02)


def test_a_judge_whose_training_a_signal_ends_is_none(monkeypatch):
    cut = Outcome(2, signal.SIGTERM, None, None)
    monkeypatch.setattr(Trainer, "fit", lambda self, quiet: cut)
    with pytest.raises(VoiceganError, match="ended at step 2 by SIGTERM"):
        train_judge(load("digits"), steps=3, batch=8, width=4, features=8)


def test_an_unknown_judge_is_named():
    with pytest.raises(VoiceganError, match="there is no judge"):
        load_judge("nobody")
