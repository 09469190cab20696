"""HiFi-GAN, MelGAN and BigVGAN: the published sizes, and what they are made of."""

from __future__ import annotations

from typing import Any

import pytest
import scipy.signal
import torch

from voicegan.vocoder.nets import NETS
from voicegan.vocoder.nets.bigvgan import Snake, halfband_lowpass
from voicegan.vocoder.nets.hifigan import VERSIONS
from voicegan.vocoder.nets.upsampling import Upsampling, mirrored

LARGE = {"channels": 1536, "up_rates": [4, 4, 2, 2, 2, 2], "up_kernels": [8, 8, 4, 4, 4, 4]}
FULL_BAND = {"channels": 1536, "up_rates": [8, 4, 2, 2, 2, 2], "up_kernels": [16, 8, 4, 4, 4, 4]}
SECOND = {"tanh": False, "bias": False}


@pytest.mark.parametrize(
    ("name", "arguments", "parameters", "published"),
    [
        ("hifigan", VERSIONS["V1"], 13_926_017, "13.92 M"),
        ("hifigan", VERSIONS["V2"], 925_985, "0.92 M"),
        ("hifigan", VERSIONS["V3"], 1_462_273, "1.46 M"),
        ("melgan", {}, 4_260_257, "4.26 M"),
        ("bigvgan", {}, 14_015_041, "14 M"),
        ("bigvgan", {"mels": 80, **LARGE}, 112_199_473, "112 M"),
        ("bigvgan", {**LARGE, **SECOND}, 112_414_512, "112 M"),
        ("bigvgan", {"mels": 128, **FULL_BAND, **SECOND}, 122_152_752, "122 M"),
    ],
)
def test_parameter_counts_are_the_published_ones(
    name: str, arguments: dict[str, Any], parameters: int, published: str
) -> None:
    with torch.device("meta"):
        net = NETS.get(name)(**arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters
    digits = len(published.split()[0].partition(".")[2])
    assert abs(parameters / 1e6 - float(published.split()[0])) < 10**-digits
    assert net.hop == (512 if arguments.get("mels") == 128 else 256)


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (16, 8), (6, 3), (7, 4), (3, 3), (1, 1)])
def test_upsampling_multiplies_any_length(kernel: int, stride: int) -> None:
    for length in (1, 2, 5):
        assert Upsampling(2, 3, kernel, stride)(torch.randn(1, 2, length)).shape == (1, 3, length * stride)


def test_mirrored_is_torchs_reflection_and_goes_on_for_short_sounds() -> None:
    x = torch.arange(10.0).view(1, 2, 5)
    assert torch.equal(mirrored(x, 4), torch.nn.functional.pad(x, (4, 4), mode="reflect"))
    assert mirrored(x[..., :2], 3)[0, 0].tolist() == [1, 0, 1, 0, 1, 0, 1, 0]
    assert mirrored(x[..., :1], 2)[0, 1].tolist() == [5] * 5


def test_halfband_filter_follows_kaisers_rule() -> None:
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(6, 1.2))
    expected = scipy.signal.firwin(12, 0.5, window=("kaiser", beta))
    torch.testing.assert_close(halfband_lowpass(), torch.tensor(expected, dtype=torch.float32))


def test_snake_keeps_slow_sounds_and_constants() -> None:
    """Far from the ends, doubling and halving the rate leave a slow sound as it is."""
    snake = Snake(2, beta=True, logarithmic=True)
    with torch.no_grad():
        snake.alpha.copy_(torch.tensor([0.3, 1.0]))
        snake.beta.copy_(torch.tensor([-0.2, 0.5]))
    x = torch.sin(torch.arange(200) * 0.05).expand(1, 2, -1)
    a, b = snake.alpha.exp()[:, None], snake.beta.exp()[:, None]
    expected = x + torch.sin(a * x).square() / b
    torch.testing.assert_close(snake(x)[..., 10:-10], expected[..., 10:-10], atol=5e-3, rtol=0)
    level = torch.full((1, 2, 7), 0.7)
    torch.testing.assert_close(snake(level), level + torch.sin(a * level).square() / b)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("hifigan", {"up_kernels": [16, 16, 4]}),
        ("hifigan", {"up_kernels": [15, 16, 4, 4]}),
        ("hifigan", {"up_kernels": [4, 16, 4, 4]}),
        ("hifigan", {"kernels": [3, 7]}),
        ("hifigan", {"kernels": [3, 7, 10]}),
        ("hifigan", {"channels": 24}),
        ("hifigan", {"block": 3}),
        ("hifigan", {"up_rates": [], "up_kernels": []}),
        ("bigvgan", {"activation": "tanh"}),
        ("bigvgan", {"block": 3}),
        ("melgan", {"channels": 40}),
        ("melgan", {"spread": 0.0}),
    ],
)
def test_impossible_arguments_are_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        NETS.get(name)(**({"channels": 16} | wrong))
