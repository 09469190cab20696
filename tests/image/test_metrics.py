"""Every measure against its closed form."""

import math

import numpy as np
import pytest
import torch

from voicegan.image.data import load
from voicegan.image.metrics import (
    class_coverage,
    cluster_accuracy,
    count_modes,
    frechet_distance,
    frechet_floor,
    iou,
    label_accuracy,
    nearest_neighbour_accuracy,
    precision_recall,
    psnr,
    squared_mmd,
    ssim,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_of_a_shift_and_a_scale_is_closed():
    x = normal(200, 5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(5 * 4)
    centred = x - x.mean(0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * float(centred.T.cov().trace()))


def test_mmd_is_its_closed_form_and_near_nothing_for_one_distribution():
    zeros, ones = torch.zeros(2, 1), torch.ones(2, 1)
    assert squared_mmd(zeros, ones) == pytest.approx(2 - 2 * math.exp(-1))
    one, other = normal(300, 3), normal(300, 3, seed=1)
    assert abs(squared_mmd(one, other)) < 0.005 < 0.05 < squared_mmd(one, other + 1)


def test_frechet_agrees_with_the_matrix_root_and_is_symmetric():
    from scipy.linalg import sqrtm

    a, b = normal(60, 4) @ normal(4, 4, seed=1), normal(50, 4, seed=2) @ normal(4, 4, seed=3) + 1
    one, two = a.T.cov(), b.T.cov()
    root = torch.from_numpy(sqrtm((one @ two).numpy()).real)
    expected = (a.mean(0) - b.mean(0)).square().sum() + (one + two - 2 * root).trace()
    assert frechet_distance(a, b) == pytest.approx(float(expected))
    assert frechet_distance(b, a) == pytest.approx(float(expected))


def test_frechet_bears_features_that_never_vary():
    x = torch.cat([normal(40, 3), torch.zeros(40, 2)], dim=1)
    assert frechet_distance(x, x + 1) == pytest.approx(5)


def test_the_floor_falls_with_the_samples():
    x = normal(2000, 4)
    assert 0 < frechet_floor(x, 1000) < frechet_floor(x, 50)
    assert frechet_floor(x, 50) == frechet_floor(x, 50)


def test_precision_and_recall_tell_poor_from_few():
    real, same = normal(300, 2), normal(300, 2, seed=1)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, same + 100) == (0.0, 0.0)
    precision, recall = precision_recall(real, 0.05 * same)  # all of it good, and little of what there is
    assert precision > 0.95 and recall < 0.1


def test_more_samples_than_go_into_one_block_are_judged_alike():
    real, fake = normal(2100, 2), 0.5 * normal(2200, 2, seed=1)
    distance, across = torch.cdist(real, real), torch.cdist(fake, real)
    reach = distance.sort(1).values[:, 3]
    precision, _ = precision_recall(real, fake)
    assert precision == pytest.approx(float((across <= reach).any(1).double().mean()))
    known = (torch.arange(2100) % 7, torch.arange(2200) % 7)
    nearest = float((known[0][across.argmin(1)] == known[1]).double().mean())
    assert nearest_neighbour_accuracy(real, known[0], fake, known[1]) == pytest.approx(nearest)


def test_labels_are_counted():
    logits = torch.eye(4)[[0, 0, 2, 3]]
    assert label_accuracy(logits, torch.tensor([0, 1, 2, 3])) == 0.75
    covered, counts = class_coverage(logits)
    assert covered == 3 and counts.tolist() == [2, 0, 1, 1]
    assert class_coverage(logits, at_least=2)[0] == 1


def test_clusters_are_named_in_the_best_way():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert cluster_accuracy((labels + 1) % 3, labels) == 1.0
    assert cluster_accuracy(torch.tensor([5, 5, 5, 5, 1, 1]), labels) == pytest.approx(4 / 6)


def test_the_nearest_neighbour_names():
    known, labels = torch.tensor([[0.0], [10.0]]), torch.tensor([3, 7])
    asked = torch.tensor([[1.0], [9.0], [4.0]])
    assert nearest_neighbour_accuracy(known, labels, asked, torch.tensor([3, 7, 7])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("name", "modes"), [("ring-8", 8), ("grid-25", 25)])
def test_modes_are_counted(name, modes):
    points = load(name)
    real = count_modes(points.points, points.centres, points.deviation)
    assert real.found == modes
    assert real.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.004)
    one = count_modes(points.centres[:1].expand(10, 2).reshape(10, 2, 1, 1), points.centres, points.deviation)
    assert (one.found, one.high_quality) == (1, 1.0)
    assert count_modes(torch.full((5, 2), 9.0), points.centres, points.deviation).found == 0


def test_psnr_and_ssim_are_closed_for_flat_pictures():
    a, b = torch.zeros(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.2)
    assert psnr(a, b)[0].item() == pytest.approx(20.0, abs=1e-4)
    assert psnr(a, a).isinf().all()
    x, y, c1 = 0.5, 0.2, 0.02**2
    expected = (2 * x * y + c1) / (x * x + y * y + c1)
    assert ssim(a + x, a + y)[1].item() == pytest.approx(expected, rel=1e-5)
    picture = normal(2, 1, 8, 8)  # smaller than the window
    assert torch.allclose(ssim(picture, picture), torch.ones(2, dtype=torch.float64))
    # Opposite structure around one level; around 0 the level would be opposite too, and the product positive.
    assert (ssim(5 + picture, 5 - picture) < 0).all()


def test_iou_counts_each_class_over_all_maps():
    told = torch.tensor([[[0, 0], [1, 1]], [[0, 1], [1, 1]]])
    truth = torch.tensor([[[0, 1], [1, 1]], [[0, 0], [1, 1]]])
    each = iou(told, truth, 3)
    # Of class 0 two places of four are common, of class 1 four of six; nobody has class 2.
    assert each[:2].tolist() == pytest.approx([2 / 4, 4 / 6]) and each[2].isnan()
    assert float(iou(told, told, 3).nanmean()) == 1
    assert float(iou(told, 1 - told, 2).nanmean()) == 0
    with pytest.raises(ValueError, match="differ in shape"):
        iou(told, truth[:1], 3)


@pytest.mark.parametrize("span", [1.0, 2.0])
def test_ssim_is_the_mean_over_every_place_of_a_gaussian_window(span):
    """Wang 2004, eq. 13, written out: 11 x 11, σ = 1.5, K = (0.01, 0.03); pictures so faint that K matters."""
    a, b = 0.05 * normal(2, 2, 13, 14) + 0.03, 0.05 * normal(2, 2, 13, 14, seed=1)
    b = 0.7 * a + 0.3 * b
    offsets = np.arange(11) - 5
    bell = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    bell /= bell.sum()
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    expected = []
    for x, y in zip(a.numpy(), b.numpy(), strict=True):
        each = []
        for channel, row, column in np.ndindex(2, 13 - 10, 14 - 10):
            p, q = (z[channel, row : row + 11, column : column + 11] for z in (x, y))
            m_p, m_q = (bell * p).sum(), (bell * q).sum()
            v_p, v_q = (bell * (p - m_p) ** 2).sum(), (bell * (q - m_q) ** 2).sum()
            v_pq = (bell * (p - m_p) * (q - m_q)).sum()
            level = (2 * m_p * m_q + c1) / (m_p**2 + m_q**2 + c1)
            each.append(level * (2 * v_pq + c2) / (v_p + v_q + c2))
        expected.append(np.mean(each))
    assert ssim(a, b, span).tolist() == pytest.approx(expected, rel=1e-9)
