"""Learning-rate factors against their closed forms."""

import pytest

from voicegan.core.schedules import constant, linear_decay, warm_up
from voicegan.core.system import Progress


def course(schedule, total=10):
    return [schedule(Progress(step, total)) for step in range(total)]


def test_constant():
    assert course(constant) == [1.0] * 10


def test_linear_decay_falls_between_two_shares_of_the_run():
    falling = linear_decay(0.2, 0.6, floor=0.1)
    expected = [1.0, 1.0, 1.0, 0.775, 0.55, 0.325, 0.1, 0.1, 0.1, 0.1]
    assert course(falling) == pytest.approx(expected)


def test_linear_decay_never_leaves_its_bounds_when_a_run_goes_on():
    assert linear_decay(0.5)(Progress(30, 10)) == 0.0
    assert linear_decay(1.0)(Progress(9, 10)) == 1.0


def test_warm_up_rises_to_the_schedule_that_follows():
    assert course(warm_up(4))[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert warm_up(4, linear_decay(0.0))(Progress(1, 4)) == pytest.approx(0.5 * 0.75)
    assert warm_up(0)(Progress(0, 4)) == 1.0
