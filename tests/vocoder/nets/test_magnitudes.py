"""Magnitudes from log-mels: any length, an exact context, and a first guess that is the bands themselves."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from voicegan.audio.mel import PRESETS, MelSpec, filterbank
from voicegan.vocoder.nets.magnitudes import Magnitudes
from voicegan.vocoder.neural import require_fit

MELS, BINS = 5, 9
TINY = {"mels": MELS, "bins": BINS, "dim": 8, "intermediate": 12, "layers": 2}
ENERGIES = dataclasses.replace(PRESETS["16k"], power=2.0)
DECIBELS = dataclasses.replace(ENERGIES, log_base="10")


def build(**changes: int) -> Magnitudes:
    """In double precision, with weights large enough that no path through it is drowned by rounding."""
    torch.manual_seed(0)
    net = Magnitudes(**(TINY | changes)).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5)
    return net


def logarithms(net: Magnitudes, mel: Tensor) -> Tensor:
    """What it says before rounding to single precision and clamping, (B, bins, F)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        return net.log_magnitudes(mel).transpose(1, 2)


@pytest.mark.parametrize("frames", [1, 2, 3, 17])
def test_any_number_of_frames_gives_as_many_spectra(frames: int) -> None:
    made = Magnitudes(**TINY)(torch.randn(2, MELS, frames) * 3 - 5)
    assert made.shape == (2, BINS, frames) and made.dtype == torch.float32
    assert made.isfinite().all() and made.min() >= 0


def test_output_is_single_precision_under_autocast() -> None:
    net, mel = Magnitudes(**TINY), torch.randn(1, MELS, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert net(mel).dtype == net.log_magnitudes(mel).dtype == torch.float32


def test_row_of_a_batch_equals_the_row_alone() -> None:
    net, mel = Magnitudes(**TINY), torch.randn(3, MELS, 11)
    torch.testing.assert_close(net(mel)[1:2], net(mel[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reach", range(7))
def test_stated_context_is_exact(reach: int) -> None:
    net = build(reach=reach)
    past, future = net.context_frames
    assert (past, future) == (3 * (6 - reach), 3 * reach)  # the first layer and two blocks
    middle = past + 2
    mel = torch.randn(1, MELS, past + future + 6, dtype=torch.float64, requires_grad=True)
    spectrum = logarithms(net, mel)[0, :, middle]
    (spectrum * torch.randn(BINS, dtype=torch.float64)).sum().backward()
    felt = mel.grad[0].abs().amax(dim=0).nonzero().flatten()
    assert (int(felt.min()), int(felt.max())) == (middle - past, middle + future)


def test_pieces_with_context_join_to_the_whole() -> None:
    net = build(reach=1)
    past, future = net.context_frames
    mel = torch.randn(1, MELS, past + future + 25, dtype=torch.float64)
    pieces = []
    for start, stop in pairwise([0, 3, 10, mel.shape[-1] - 4, mel.shape[-1]]):
        first = max(0, start - past)
        made = logarithms(net, mel[..., first : stop + future])
        pieces.append(made[..., start - first : stop - first])
    torch.testing.assert_close(torch.cat(pieces, dim=-1), logarithms(net, mel), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("spec", [*PRESETS.values(), ENERGIES, DECIBELS])
def test_arguments_are_plain_and_fit_their_contract(spec: MelSpec) -> None:
    arguments = Magnitudes.arguments(spec)
    assert json.loads(json.dumps(arguments)) == arguments
    require_fit(Magnitudes(**arguments, dim=8, intermediate=8, layers=1), spec, "the network")


@pytest.mark.parametrize("spec", [*PRESETS.values(), ENERGIES, DECIBELS])
@pytest.mark.parametrize("magnitude", [0.1, 1.0, 30.0])
def test_it_begins_with_the_bands_spread_over_the_bins(spec: MelSpec, magnitude: float) -> None:
    net = Magnitudes(**Magnitudes.arguments(spec), dim=8, intermediate=8, layers=1)
    net.begin_at(spec)
    torch.nn.init.zeros_(net.head.weight)  # what is to be learnt is left out
    filters = filterbank(spec)
    flat = torch.full((1, spec.bins, 2), magnitude)
    made = net(spec.compress(filters @ flat**spec.power))
    heard = filters.sum(0) > 1e-9  # the first bin, and the last, are in no band
    torch.testing.assert_close(made[:, heard], flat[:, heard], rtol=0.02, atol=1e-3)


def test_a_published_size_fits_into_the_package() -> None:
    with torch.device("meta"):
        net = Magnitudes()
    assert sum(parameter.numel() for parameter in net.parameters()) * 2 < 8e6  # bytes in float16
