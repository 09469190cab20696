"""What every network of the table that makes sound promises: lengths, types, context, and independence of the batch."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from voicegan.vocoder.nets import NETS

MELS = 5
TINY = {
    "vocos": [
        {"mels": MELS, "dim": 8, "intermediate": 12, "layers": 2, "n_fft": 16, "hop": 4},
        {"mels": MELS, "dim": 8, "intermediate": 12, "layers": 2, "n_fft": 16, "hop": 4, "padding": "same"},
        {"mels": MELS, "dim": 8, "intermediate": 12, "layers": 1, "n_fft": 24, "hop": 10, "reach": 1},
    ],
    "hifigan": [
        {"mels": MELS, "channels": 8, "up_rates": [4, 2], "up_kernels": [8, 4]},
        {
            "mels": MELS,
            "channels": 8,
            "up_rates": [3, 2],
            "up_kernels": [7, 2],
            "block": 2,
            "kernels": [3, 5],
            "dilations": [[1, 2], [2]],
        },
    ],
    "melgan": [
        {"mels": MELS, "channels": 8, "up_rates": [4, 2]},
        {"mels": MELS, "channels": 8, "up_rates": [3, 4], "layers": 2, "centre": -5.0, "spread": 5.0},
    ],
    "bigvgan": [
        {"mels": MELS, "channels": 8, "up_rates": [8, 2], "up_kernels": [16, 4]},
        {
            "mels": MELS,
            "channels": 8,
            "up_rates": [4, 4],
            "up_kernels": [8, 8],
            "block": 2,
            "activation": "snake",
            "logarithmic": False,
            "tanh": False,
            "bias": False,
        },
    ],
}
CASES = [
    pytest.param(name, arguments, id=f"{name}-{i}") for name in TINY for i, arguments in enumerate(TINY[name])
]
every_net = pytest.mark.parametrize(("name", "arguments"), CASES)


def build(name: str, arguments: dict) -> torch.nn.Module:
    """The network with weights large enough that no path through it is drowned by rounding."""
    torch.manual_seed(0)
    net = NETS.get(name)(**arguments).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5)
    return net


def test_every_net_is_tried() -> None:
    sounding = {name for name in NETS.names() if getattr(NETS.get(name), "makes", "sound") == "sound"}
    assert set(TINY) == sounding


@every_net
def test_arguments_are_plain(name: str, arguments: dict) -> None:
    assert json.loads(json.dumps(arguments)) == arguments
    net = NETS.get(name)(**arguments)
    assert not [key for key in net.state_dict() if "parametrizations" in key or key.endswith("_g")]


@every_net
@pytest.mark.parametrize("frames", [1, 2, 3, 17])
def test_any_number_of_frames_gives_that_many_hops(name: str, arguments: dict, frames: int) -> None:
    net = NETS.get(name)(**arguments).eval()
    wav = net(torch.randn(2, MELS, frames))
    assert wav.shape == (2, frames * net.hop)
    assert wav.dtype == torch.float32
    assert wav.isfinite().all()


@every_net
def test_output_is_single_precision_under_autocast(name: str, arguments: dict) -> None:
    net = NETS.get(name)(**arguments).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.randn(1, MELS, 5)).dtype == torch.float32


@every_net
def test_row_of_a_batch_equals_the_row_alone(name: str, arguments: dict) -> None:
    net = NETS.get(name)(**arguments).eval()
    mel = torch.randn(3, MELS, 11)
    torch.testing.assert_close(net(mel)[1:2], net(mel[1:2]), rtol=1e-4, atol=1e-5)


@every_net
def test_stated_context_is_exact(name: str, arguments: dict) -> None:
    """A hop of samples feels the outermost frames of its context, and none beyond."""
    net = build(name, arguments)
    past, future = net.context_frames
    middle = past + 2
    mel = torch.randn(1, MELS, past + future + 6, dtype=torch.float64, requires_grad=True)
    hop_of_samples = in_double(net, mel)[0, middle * net.hop : (middle + 1) * net.hop]
    weights = torch.randn(net.hop, dtype=torch.float64)
    (hop_of_samples * weights).sum().backward()
    felt = mel.grad[0].abs().amax(dim=0).nonzero().flatten()
    assert (int(felt.min()), int(felt.max())) == (middle - past, middle + future)


@every_net
def test_pieces_with_context_join_to_the_whole(name: str, arguments: dict) -> None:
    net = build(name, arguments)
    past, future = net.context_frames
    mel = torch.randn(1, MELS, past + future + 25, dtype=torch.float64)
    whole = in_double(net, mel)
    cuts = [0, 3, 10, mel.shape[-1] - 4, mel.shape[-1]]
    pieces = []
    for start, stop in pairwise(cuts):
        first = max(0, start - past)
        made = in_double(net, mel[..., first : stop + future])
        pieces.append(made[:, (start - first) * net.hop : (stop - first) * net.hop])
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-7, atol=1e-9)


def in_double(net: torch.nn.Module, mel: torch.Tensor) -> torch.Tensor:
    """The network's output without its last rounding to single precision."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        return net(mel)
