"""A generator over windows: the same as over the whole, whatever comes in which pieces."""

from __future__ import annotations

import pytest
import torch
from tiny_voices import MELS, TinyLocal, TinyNormed

from voicegan.voice.normaliser import FixedNormaliser, RunningNormaliser
from voicegan.voice.windows import OverlapWindows, windows_for


def run(windows, mel, step):
    with torch.inference_mode():
        parts = [windows.push(mel[:, at : at + step]) for at in range(0, mel.shape[1], step)]
        return torch.cat([*parts, windows.flush()], dim=1)


@pytest.fixture
def mel():
    return torch.randn(MELS, 700, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("frames", [1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 700])
@pytest.mark.parametrize("window", [1, 4, 16, 200])
def test_local_windows_equal_the_whole(mel, frames, window):
    torch.manual_seed(0)
    net = TinyLocal().eval()
    mel = mel[:, :frames]
    with torch.inference_mode():
        whole = net(mel[None])[0]
    assert torch.allclose(run(windows_for(net, (3, 5), window), mel, 13), whole, atol=1e-5)


@pytest.mark.parametrize("net", [TinyLocal(), TinyNormed()], ids=["local", "normed"])
@pytest.mark.parametrize("frames", [1, 63, 255, 256, 257, 319, 320, 321, 448, 449, 700])
def test_pieces_do_not_matter(mel, net, frames):
    mel = mel[:, :frames]
    outputs = [run(windows_for(net, net.context_frames, 16), mel, step) for step in (1, 16, 100, 1000)]
    assert outputs[0].shape == mel.shape
    assert all(torch.equal(output, outputs[0]) for output in outputs[1:])


@pytest.mark.parametrize("frames", [1, 40, 256, 257, 320, 500, 700])
def test_overlapping_windows_of_a_local_net_equal_the_whole_away_from_the_edges_of_windows(mel, frames):
    # With the identity, cross-fading what agrees must change nothing, anywhere.
    mel = mel[:, :frames]
    assert torch.allclose(run(OverlapWindows(lambda x: x), mel, 50), mel, atol=1e-5)


def test_the_cross_fade_is_smooth(mel):
    # Each window answers with its own number: the output must walk from one to the next over the overlap.
    answers = iter(range(10))
    windows = OverlapWindows(lambda x: torch.full_like(x, float(next(answers))), window=256, hop=192)
    made = run(windows, mel[:, :640], 640)[0]
    assert made[:192].eq(0).all() and made[256:384].eq(1).all() and made[448:576].eq(2).all()
    assert (made.diff() >= 0).all() and made.diff().max() < 0.02


@pytest.mark.parametrize("net", [TinyLocal(), TinyNormed()], ids=["local", "normed"])
def test_what_is_held_is_bounded_and_frames_come_when_promised(net):
    windows = windows_for(net, net.context_frames, 16)
    fed = made = number = 0
    with torch.inference_mode():
        for _ in range(3000):
            made += windows.push(torch.zeros(MELS, 1)).shape[1]
            fed += 1
            if fed == windows.frames_for(number):
                number += 1
            assert windows._held.shape[1] <= 600
            assert fed - made <= windows.lookahead_frames
    assert number > 10


def test_a_fixed_normaliser_inverts(mel):
    mean, std = torch.randn(MELS), torch.rand(MELS) + 0.5
    assert torch.allclose(FixedNormaliser(mean, std)(mel) * std[:, None] + mean[:, None], mel, atol=1e-5)


def test_a_running_normaliser_starts_as_trained_and_learns_the_speaker(mel):
    normaliser = RunningNormaliser(torch.zeros(MELS), torch.ones(MELS), 62.5)
    speaker = (mel.repeat(1, 8) * 1.5 + 0.7)[:, :5000]
    first = normaliser(speaker[:, :1])
    assert torch.allclose(first, speaker[:, :1], rtol=0.1, atol=0.05)
    last = normaliser(speaker[:, 1:])[:, -1000:]
    assert last.mean().abs() < 0.05 and abs(last.std().item() - 1) < 0.05


def test_a_running_normaliser_does_not_learn_pauses_nor_blow_up_a_held_tone(mel):
    normaliser = RunningNormaliser(torch.zeros(MELS), torch.ones(MELS), 62.5)
    normaliser(torch.full((MELS, 3000), -6.0))
    assert (normaliser.mean == 0).all()
    assert normaliser(torch.full((MELS, 20000), 1.0)).isfinite().all() and (normaliser.std >= 0.0999).all()


def test_a_running_normaliser_does_not_see_the_pieces(mel):
    outputs = []
    for step in (1, 37, 700):
        normaliser = RunningNormaliser(torch.zeros(MELS), torch.ones(MELS), 62.5)
        outputs.append(torch.cat([normaliser(mel[:, at : at + step]) for at in range(0, 700, step)], dim=1))
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])
