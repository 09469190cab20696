"""How near generated pictures come to real ones, and what they leave out: plain functions of tensors.

Features and logits come from a judge (`judge.py`); nothing here knows networks or data. All sums are in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Distributions ------------------------------------------------------------------------------------------------


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features ``(N, D)`` and ``(M, D)``.

    |μ₁ − μ₂|² + Tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) (Dowson & Landau 1982; Heusel 2017 with Inception's features). The trace of
    the root comes from the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, which is symmetric: no complex numbers arise, and singular
    covariances do no harm. It is biased upwards for few samples: compare equal numbers only, beside `frechet_floor`.
    """
    (mean_1, cov_1), (mean_2, cov_2) = _moments(real), _moments(fake)
    root_1 = _root(cov_1)
    inner = torch.linalg.eigvalsh(root_1 @ cov_2 @ root_1).clamp_min(0.0)
    distance = (mean_1 - mean_2).square().sum() + cov_1.trace() + cov_2.trace() - 2.0 * inner.sqrt().sum()
    return max(0.0, float(distance))


def frechet_floor(real: Tensor, count: int | None = None, seed: int = 0, repeats: int = 5) -> float:
    """What the Fréchet distance is between real and real: the mean over random pairs of disjoint sets of `count`.

    Half of the features ``(N, D)`` where `count` is left out.
    """
    count = count or len(real) // 2
    if not 2 <= count <= len(real) // 2:
        raise ValueError(f"two sets of {count} cannot be taken from {len(real)} features")
    chooser = np.random.default_rng(seed)
    distances = []
    for _ in range(repeats):
        order = torch.from_numpy(chooser.permutation(len(real)))
        distances.append(frechet_distance(real[order[:count]], real[order[count : 2 * count]]))
    return float(np.mean(distances))


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features should be (N, D) with N of at least 2, not {tuple(features.shape)}")
    features = features.double()
    mean = features.mean(0)
    off = features - mean
    return mean, off.T @ off / (len(features) - 1)


def _root(matrix: Tensor) -> Tensor:
    """Of a symmetric matrix without negative eigenvalues (but for rounding)."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(0.0).sqrt() @ vectors.T


def squared_mmd(a: Tensor, b: Tensor) -> float:
    """Squared maximum mean discrepancy of two sets of vectors ``(N, D)`` and ``(M, D)`` (Gretton 2012, eq. 3).

    With a Gaussian kernel as wide as the median distance. 0 in the mean where both are of one distribution, so that
    it can come out negative.
    """
    both = torch.cat([a.double().flatten(1), b.double().flatten(1)])
    squares = _distances(both, both).square()
    kernel = torch.exp(-squares / squares[squares > 0].median())
    n, m = len(a), len(b)
    within = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kernel[:n, :n], kernel[n:, n:])]
    return float(within[0] + within[1] - 2 * kernel[:n, n:].sum() / (n * m))


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi 2019) of features ``(N, D)`` and ``(M, D)``.

    Precision: the share of fakes within the reach of a real sample; recall: the share of real samples within the
    reach of a fake. A sample's reach is the distance to its `neighbours`-th nearest in its own set.
    """
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(f"{neighbours} neighbours need more than {neighbours} samples of each kind")
    real, fake = real.double(), fake.double()
    return _within(real, fake, neighbours), _within(fake, real, neighbours)


def _within(reference: Tensor, samples: Tensor, neighbours: int) -> float:
    # The nearest of all is the sample itself, at distance 0.
    reach = torch.cat([
        _distances(part, reference).kthvalue(neighbours + 1, dim=1).values for part in reference.split(2048)
    ])  # fmt: skip
    inside = [(_distances(part, reference) <= reach).any(1) for part in samples.split(2048)]
    return float(torch.cat(inside).double().mean())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Through the differences: the quicker way by products leaves equal points at some distance.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


# Labels -------------------------------------------------------------------------------------------------------


def label_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of samples whose greatest logit ``(N, K)`` is that of the asked label ``(N,)``."""
    return float((logits.argmax(1) == labels).double().mean())


def class_coverage(logits: Tensor, at_least: int = 1) -> tuple[int, Tensor]:
    """How many classes the judge sees at least so often, and how often it sees each: ``(K,)``."""
    counts = torch.bincount(logits.argmax(1), minlength=logits.shape[1])
    return int((counts >= at_least).sum()), counts


def nearest_neighbour_accuracy(known: Tensor, labels: Tensor, asked: Tensor, truth: Tensor) -> float:
    """Accuracy of naming `asked` ``(M, D)`` after the nearest of `known` ``(N, D)``, which have `labels`."""
    known = known.double().flatten(1)
    # By products, whose rounding orders equal distances at most: tens of thousands of pictures would take minutes.
    nearest = [torch.cdist(part, known).argmin(1) for part in asked.double().flatten(1).split(512)]
    return float((labels[torch.cat(nearest)] == truth).double().mean())


def cluster_accuracy(clusters: Tensor, labels: Tensor) -> float:
    """Accuracy of clusters ``(N,)`` that nobody named, under the best one-to-one naming (Kuhn 1955: Hungarian)."""
    from scipy.optimize import linear_sum_assignment

    size = int(max(clusters.max(), labels.max())) + 1
    table = torch.bincount(clusters * size + labels, minlength=size * size).view(size, size).numpy()
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(labels))


def k_means(known: Tensor, asked: Tensor, clusters: int) -> Tensor:
    """Clusters ``(M,)`` of `asked` by the nearest mean of `known` ``(N, ...)`` (Lloyd 1957): found without learning."""
    from sklearn.cluster import KMeans

    means = KMeans(clusters, n_init=10, random_state=0).fit(known.flatten(1).numpy())
    return torch.from_numpy(means.predict(asked.flatten(1).numpy())).long()


# Toy densities ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Modes:
    """What samples of a toy density reach: how many modes, and which share of them is good."""

    found: int
    high_quality: float


def count_modes(samples: Tensor, centres: Tensor, deviation: float, reach: float = 3.0) -> Modes:
    """Modes with a high-quality sample, and the share of these (Srivastava 2017, VEEGAN; Lin 2018, PacGAN).

    A sample ``(N, 2)`` is of high quality within `reach` standard deviations of a centre ``(K, 2)``. Of perfect
    samples, 98.9 % are: 1 − exp(−9/2).
    """
    distance, nearest = _distances(samples.flatten(1).double(), centres.double()).min(1)
    good = distance <= reach * deviation
    return Modes(len(nearest[good].unique()), float(good.double().mean()))


# Pictures beside pictures -------------------------------------------------------------------------------------


def iou(told: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Intersection over union of each class (Jaccard 1912) of maps of labels: int64, shaped alike, to ``(K,)``.

    Over all places of all maps together, as benchmarks of segmentation count (Everingham 2010); NaN for a class that is
    in neither, so that ``nanmean`` is the usual mean.
    """
    if told.shape != truth.shape:
        raise ValueError(f"maps of labels differ in shape: {tuple(told.shape)}, {tuple(truth.shape)}")
    both = (
        torch.bincount((told * classes + truth).flatten(), minlength=classes**2)
        .view(classes, classes)
        .double()
    )
    common = both.diagonal()
    return common / (both.sum(0) + both.sum(1) - common)


def psnr(a: Tensor, b: Tensor, span: float = 2.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, of each pair of pictures: ``(N, C, H, W)`` twice to ``(N,)``.

    `span` is the distance between black and white, 2 for [-1, 1]. Equal pictures give infinity.
    """
    error = (a.double() - b.double()).square().flatten(1).mean(1)
    return 10.0 * torch.log10(span**2 / error)


def ssim(a: Tensor, b: Tensor, span: float = 2.0, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity (Wang 2004) of each pair of pictures: ``(N, C, H, W)`` twice to ``(N,)``.

    The paper's Gaussian window, or the largest odd one that fits into the picture; the mean over its whole places.
    """
    size = min(window, *a.shape[-2:])
    size -= 1 - size % 2
    along = torch.arange(size, dtype=torch.float64) - size // 2
    bell = torch.exp(-(along**2) / (2 * sigma**2))
    bell = (bell / bell.sum()).to(a.device)
    channels = a.shape[1]

    def local(x: Tensor) -> Tensor:
        rows = functional.conv2d(x, bell.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return functional.conv2d(rows, bell.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    a, b = a.double(), b.double()
    mean_a, mean_b = local(a), local(b)
    var_a, var_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return (above / below).flatten(1).mean(1)
