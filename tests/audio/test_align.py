"""Dynamic time warping against every possible path, librosa, and known warps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import voicegan
from voicegan.audio.align import Alignment, align, alignment_cost, cepstra, warp_index
from voicegan.errors import VoiceganError


def least_sum(distance: np.ndarray, i: int, j: int) -> float:
    """Every path, tried one by one."""
    if i == j == 0:
        return distance[0, 0]
    before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
    return distance[i, j] + min(least_sum(distance, *place) for place in before if min(place) >= 0)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, :, None] - b[:, None, :]) ** 2).sum(0))


def path_sum(alignment: Alignment, a: np.ndarray, b: np.ndarray) -> float:
    return distances(a, b)[alignment.path_a, alignment.path_b].sum()


def walk(frames: int, seed: int, dimensions: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((dimensions, frames)).cumsum(axis=1)


@settings(max_examples=60, deadline=None)
@given(frames_a=st.integers(1, 7), frames_b=st.integers(1, 7), seed=st.integers(0, 1000))
def test_no_path_is_better(frames_a: int, frames_b: int, seed: int) -> None:
    a, b = walk(frames_a, seed), walk(frames_b, seed + 1)
    found = align(a, b)
    assert path_sum(found, a, b) == pytest.approx(least_sum(distances(a, b), frames_a - 1, frames_b - 1))
    assert found.cost * len(found.path_a) == pytest.approx(path_sum(found, a, b))


@settings(max_examples=20, deadline=None)
@given(frames_a=st.integers(1, 60), frames_b=st.integers(1, 60), band=st.none() | st.floats(0.0, 1.0))
def test_paths_lead_from_corner_to_corner(frames_a: int, frames_b: int, band: float | None) -> None:
    found = align(walk(frames_a, 1), walk(frames_b, 2), band=band)
    steps = np.stack([np.diff(found.path_a), np.diff(found.path_b)])
    assert (found.path_a[0], found.path_b[0]) == (0, 0)
    assert (found.path_a[-1], found.path_b[-1]) == (frames_a - 1, frames_b - 1)
    assert set(map(tuple, steps.T)) <= {(1, 1), (1, 0), (0, 1)}
    assert np.isfinite(found.cost)
    index = warp_index(found, frames_a)
    assert index.shape == (frames_a,)
    assert (np.diff(index) >= 0).all()
    assert index.min() >= 0
    assert index.max() < frames_b


@pytest.mark.parametrize("seed", range(5))
def test_librosa_finds_the_same_sum(seed: int) -> None:
    a, b = walk(70 + 9 * seed, seed), walk(90, seed + 50)
    theirs = librosa.sequence.dtw(a, b, metric="euclidean", backtrack=False)[-1, -1]
    assert path_sum(align(a, b), a, b) == pytest.approx(theirs)


def test_a_wide_band_changes_nothing_and_a_narrow_one_stays_near_the_diagonal() -> None:
    a, b = walk(100, 3), walk(150, 4)
    assert align(a, b, band=1.0).cost == align(a, b).cost
    narrow = align(a, b, band=0.05)
    assert np.abs(narrow.path_b - narrow.path_a * 1.5).max() <= 0.05 * 150 + 1
    assert path_sum(narrow, a, b) >= path_sum(align(a, b), a, b)


def test_a_known_warp_is_found() -> None:
    a = walk(200, 5)
    stretched = np.r_[np.arange(50), np.repeat(np.arange(50, 100), 2), np.arange(100, 200, 2)]
    found = align(a, a[:, stretched])
    assert found.cost < 0.5
    index = warp_index(found, 200)
    assert np.abs(stretched[index] - np.arange(200)).max() <= 1


def test_a_frame_with_several_matches_gets_the_middle_one() -> None:
    alignment = Alignment(np.array([0, 1, 1, 1, 2], np.int32), np.array([0, 0, 1, 2, 2], np.int32), 0.0)
    np.testing.assert_array_equal(warp_index(alignment, 3), [0, 1, 2])


def test_cepstra_are_an_orthonormal_cosine_transform() -> None:
    from scipy.fft import dct

    mel = walk(30, 6, dimensions=80)
    np.testing.assert_allclose(cepstra(mel, 24), dct(mel, axis=0, norm="ortho")[1:25], atol=1e-4)


def test_the_same_words_cost_less_than_others() -> None:
    words, others = walk(120, 7, 80), walk(120, 8, 80)
    again = np.repeat(words, 2, axis=1) + np.random.default_rng(0).standard_normal((80, 1))
    assert alignment_cost(words, again) < 0.5 * alignment_cost(words, others)


@pytest.mark.parametrize(("a", "b"), [((8, 0), (8, 5)), ((8, 5), (9, 5)), ((8,), (8, 5))])
def test_what_cannot_be_aligned_is_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(VoiceganError, match="cannot be aligned"):
        align(np.zeros(a), np.zeros(b))


def test_it_works_where_nothing_can_be_written(tmp_path: Path) -> None:
    # Folders would stay writable for the superuser. numba looks for places by making folders, which a file in
    # the way prevents for everyone.
    package = tmp_path / "installed" / "voicegan"
    shutil.copytree(
        Path(voicegan.__file__).parent / "audio",
        package / "audio",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("__init__.py", "errors.py", "storage.py"):
        shutil.copy(Path(voicegan.__file__).parent / name, package / name)
    (package / "audio" / "__pycache__").write_text("in the way")
    blocked = tmp_path / "blocked"
    blocked.write_text("in the way")
    code = (
        "import numpy as np; from voicegan.audio.align import align; print(align(np.eye(3), np.eye(3)).cost)"
    )
    environment = {
        **os.environ, "PYTHONPATH": str(package.parent), "HOME": str(blocked), "XDG_CACHE_HOME": str(blocked),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 0.0
