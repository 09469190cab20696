from __future__ import annotations

import math

import torch

from voicegan.voice.systems.terms import contrast, distance, distance_nearby, supervised


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


def test_frames_that_find_each_other_cost_nothing_and_others_all():
    torch.manual_seed(0)
    said, all_of_them = torch.nn.functional.normalize(torch.randn(2, 60, 64), dim=2), torch.ones(2, 60) > 0
    assert contrast(said, said, all_of_them) < 0.05
    assert contrast(said, said.roll(20, dims=1), all_of_them) > 5
    alike = said[:, :1].expand_as(said)
    # Frames beside are left out, so fewer are to be told apart: four of the sixty at most.
    assert math.log(56) <= float(contrast(alike, alike, all_of_them)) < math.log(60)
    assert contrast(said[:1].roll(30, dims=1), said[1:], all_of_them[1:]) > 3, (
        "chance, and worse where it is sure"
    )


def test_pauses_need_not_be_told_apart():
    torch.manual_seed(0)
    said = torch.nn.functional.normalize(torch.randn(1, 40, 64), dim=2)
    pause = torch.arange(40)[None] >= 20
    other = said.clone()
    other[:, 20:] = said[:, 20:21]
    assert contrast(said, other, ~pause) == contrast(said, said, ~pause) < 0.05
    assert contrast(said, other, torch.ones(1, 40) > 0) > 1
    assert contrast(said, other, torch.zeros(1, 40) > 0) == 0


def test_frames_beside_need_not_be_told_apart():
    torch.manual_seed(0)
    slow = torch.nn.functional.normalize(torch.randn(1, 20, 64), dim=2).repeat_interleave(3, dim=1)
    assert contrast(slow, slow, torch.ones(1, 60) > 0) < 0.05


def test_a_frame_may_be_aligned_wrongly_by_as_much_as_is_said():
    x = torch.randn(2, 5, 9)
    later = x.roll(1, dims=2)
    torch.testing.assert_close(distance_nearby(x, later, 0), distance(x, later))
    inside = distance_nearby(x[..., :-1], later[..., :-1], 1)
    # All but the last frame find themselves one frame on; that one takes the nearest of what there is.
    last = (
        min(distance(x[:1, :, -2], later[:1, :, at]) for at in (-3, -2)),
        min(distance(x[1:, :, -2], later[1:, :, at]) for at in (-3, -2)),
    )
    torch.testing.assert_close(inside, sum(last) / 2 / 8)
    assert distance_nearby(x, later.roll(1, dims=2), 1) > 0.3
