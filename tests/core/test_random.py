"""Draws belong to samples: the same on any number of ranks, different wherever they should be."""

import math

import torch

from voicegan.core.random import Draws, _mix, derive


def test_rows_do_not_depend_on_how_the_batch_is_shared():
    whole = Draws(3, 10, 0, range(8))
    halves = [Draws(3, 10, 0, range(4)), Draws(3, 10, 0, range(4, 8))]
    for name in ("uniform", "normal"):
        joined = torch.cat([getattr(half, name)("z", 5, 2) for half in halves])
        assert torch.equal(getattr(whole, name)("z", 5, 2), joined)


def test_seed_step_draw_name_and_row_all_matter():
    def first(seed=0, step=0, draw=0, name="z"):
        return Draws(seed, step, draw, range(2)).uniform(name, 4)

    variants = [first(), first(seed=1), first(step=1), first(draw=1), first(name="y")]
    rows = torch.cat(variants)
    assert len(torch.unique(rows, dim=0)) == 10


def test_uniform_and_normal_have_their_moments():
    draws = Draws(0, 0, 0, range(100))
    uniform, normal = draws.uniform("u", 10_000), draws.normal("n", 10_000)
    assert uniform.min() >= 0 and uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 2e-3 and abs(uniform.var() - 1 / 12) < 1e-3
    assert abs(normal.mean()) < 5e-3 and abs(normal.std() - 1) < 5e-3
    assert normal.isfinite().all()
    # Neighbouring rows and positions are uncorrelated.
    assert abs((normal[1:] * normal[:-1]).mean()) < 5e-3
    assert abs((normal[:, 1:] * normal[:, :-1]).mean()) < 5e-3


def test_integers_are_even_and_in_range():
    counts = torch.bincount(Draws(0, 0, 0, range(1000)).integers("i", 7, 100).flatten(), minlength=7)
    expected = 100_000 / 7
    assert (counts - expected).abs().max() < 5 * math.sqrt(expected)


def test_shift_is_logical_so_numbers_are_never_negative():
    assert Draws(2**62 - 1, 10**9, 3, range(64)).uniform("x", 1000).min() >= 0


def test_derive_tells_order_and_names_apart():
    seeds = {derive(1, 2), derive(2, 1), derive(1, "2"), derive(1), derive(1, 2, 0)}
    assert len(seeds) == 5 and all(0 <= seed < 2**63 for seed in seeds)


def test_a_word_is_mixed_as_a_tensor_of_words_is():
    """`derive` counts in Python's integers, the rows of a batch in torch's, which wrap around and have a sign."""
    for part in (0, 1, -1, 2**62 - 1, 2**63 - 1, -(2**63)):
        by_tensor = _mix(_mix(torch.tensor(0) ^ torch.tensor(part)) ^ torch.tensor(7))
        assert derive(part, 7) == int(by_tensor) & 0x7FFF_FFFF_FFFF_FFFF
