from __future__ import annotations

import torch

from voicegan.voice.systems.terms import distance, supervised


def test_distance_is_the_mean_absolute_difference() -> None:
    assert distance(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])) == 1.5
    assert distance(torch.ones(2, dtype=torch.bfloat16), torch.zeros(2)).dtype == torch.float32


def test_supervised_averages_over_the_frames_with_a_target() -> None:
    fake, target = torch.zeros(1, 2, 3), torch.tensor([[[1.0, 9.0, 3.0], [3.0, 9.0, 5.0]]])
    weight = torch.tensor([[[1.0, 0.0, 1.0]]])
    assert supervised(fake, target, weight) == (2.0 + 4.0) / 2


def test_supervised_weighs_frames() -> None:
    fake, target = torch.zeros(2, 1, 1), torch.tensor([[[1.0]], [[3.0]]])
    weight = torch.tensor([[[0.25]], [[0.5]]])
    torch.testing.assert_close(supervised(fake, target, weight), torch.tensor((0.25 + 1.5) / 0.75))


def test_supervised_without_targets_is_zero_and_has_no_gradient() -> None:
    fake = torch.ones(1, 2, 3, requires_grad=True)
    loss = supervised(fake, torch.zeros(1, 2, 3), torch.zeros(1, 1, 3))
    loss.backward()
    assert loss == 0
    assert bool((fake.grad == 0).all())
