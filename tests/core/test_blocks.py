"""Shared network blocks: shapes, equations, second derivatives."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from voicegan.core import blocks


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 5, 4, 3)])
def test_instance_norm_agrees_with_torch(shape: tuple[int, ...]):
    x = torch.randn(shape) * 3 + 1
    norm = blocks.InstanceNorm(5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    torch.testing.assert_close(norm(x), F.instance_norm(x, weight=norm.weight, bias=norm.bias))


@pytest.mark.parametrize("shape", [(2, 5, 1), (2, 5, 1, 1)])
def test_instance_norm_takes_a_single_position(shape: tuple[int, ...]):
    norm = blocks.InstanceNorm(5)
    nn.init.normal_(norm.bias)
    out = norm(torch.randn(shape))
    torch.testing.assert_close(out.flatten(1), norm.bias.expand(2, 5))


def test_instance_norm_keeps_half_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert blocks.InstanceNorm(5)(torch.randn(2, 5, 9).bfloat16()).isfinite().all()


def test_pixel_norm_makes_unit_mean_square():
    x = torch.randn(2, 16, 5, dtype=torch.float64) * 10
    out = blocks.PixelNorm()(x)
    torch.testing.assert_close(out.square().mean(1), torch.ones(2, 5, dtype=torch.float64))
    torch.testing.assert_close(out * x.square().mean(1, keepdim=True).sqrt(), x)
    assert blocks.PixelNorm()(torch.zeros(1, 4)).eq(0).all()


def test_pixel_shuffle_moves_channels_to_positions():
    x = torch.arange(2 * 6 * 4).view(2, 6, 4)
    out = blocks.PixelShuffle1d(3)(x)
    assert out.shape == (2, 2, 12)
    for c in range(2):
        for i in range(3):
            assert torch.equal(out[:, c, i::3], x[:, c * 3 + i])


def test_pixel_shuffle_is_the_one_of_pictures():
    x = torch.randn(2, 8, 5)
    rows = F.pixel_shuffle(x.unflatten(1, (4, 2)).repeat_interleave(2, 1).flatten(1, 2)[..., None, :], 2)
    assert torch.equal(blocks.PixelShuffle1d(2)(x), rows[:, :, 0])


def test_gate_equals_two_convolutions():
    block = blocks.ConvGLU(1, 4, 6, 5)
    x = torch.randn(3, 4, 9)
    value, gate = block.conv.weight.chunk(2), block.conv.bias.chunk(2)
    a = F.instance_norm(F.conv1d(x, value[0], gate[0], padding=2))
    b = F.instance_norm(F.conv1d(x, value[1], gate[1], padding=2))
    torch.testing.assert_close(block(x), a * torch.sigmoid(b))


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("frames", [1, 2, 7, 16])
def test_gated_blocks_keep_divide_and_multiply_lengths(dims: int, frames: int):
    x = torch.randn(2, 4, *[frames] * dims)
    assert blocks.ConvGLU(dims, 4, 6, 5)(x).shape == (2, 6, *[frames] * dims)
    assert blocks.ConvGLU(dims, 4, 6, 5, stride=2)(x).shape == (2, 6, *[math.ceil(frames / 2)] * dims)
    assert blocks.ConvGLU(dims, 4, 6, 5, upscale=2)(x).shape == (2, 6, *[2 * frames] * dims)
    assert blocks.ResidualGLU(dims, 4, 8)(x).shape == x.shape


def test_oblong_kernels():
    assert blocks.ConvGLU(2, 1, 8, (5, 15), stride=(2, 1))(torch.randn(1, 1, 80, 13)).shape == (1, 8, 40, 13)
    with pytest.raises(ValueError, match="odd"):
        blocks.ConvGLU(1, 1, 8, 4)
    with pytest.raises(ValueError, match="each of 2 axes"):
        blocks.ConvGLU(2, 1, 8, (3,))
    with pytest.raises(ValueError, match="1 or 2"):
        blocks.ConvGLU(3, 1, 8, 3)


def test_parameter_count_of_the_papers_residual_block():
    """256 → 512 gated → 256, kernel 3, with instance norms."""
    count = sum(p.numel() for p in blocks.ResidualGLU(1, 256, 512).parameters())
    gated = 256 * 1024 * 3 + 1024 + 2 * 1024
    assert count == gated + 512 * 256 * 3 + 256 + 2 * 256


@pytest.mark.parametrize("shape", [(2, 16, 7), (2, 16, 3, 4)])
def test_attention_starts_as_the_identity_and_attends(shape: tuple[int, ...]):
    layer = blocks.SelfAttention(16)
    x = torch.randn(shape)
    assert torch.equal(layer(x), x)
    nn.init.ones_(layer.gamma)
    flat = x.flatten(2)
    match = torch.einsum("bcn,bcm->bnm", layer.query(flat), layer.key(flat)).softmax(-1)
    attended = torch.einsum("bnm,bcm->bcn", match, layer.value(flat))
    torch.testing.assert_close(layer(x), x + layer.out(attended).view(shape))


def test_blocks_can_be_differentiated_twice():
    net = nn.Sequential(
        blocks.ConvGLU(1, 3, 8, 3),
        blocks.SelfAttention(8),
        blocks.ConvGLU(1, 8, 8, 3, upscale=2),
        blocks.ResidualGLU(1, 8, 4),
        blocks.PixelNorm(),
    ).double()
    nn.init.ones_(net[1].gamma)
    x = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: net(x).square().sum(), (x,), atol=1e-4)


def test_spectral_norms_are_one():
    net = blocks.spectral_norm(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 4, 3), nn.Linear(4, 2))
    )
    for _ in range(50):
        for layer in (net[0], net[2], net[3]):
            layer.weight  # noqa: B018 -- reading it in training mode is one power iteration
    for layer in (net[0], net[2], net[3]):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="left"):
        blocks.spectral_norm(net)


def test_spectral_norm_survives_a_reload():
    net = blocks.spectral_norm(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 1)))
    x = torch.randn(3, 5)
    net(x)
    other = blocks.spectral_norm(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 1)))
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(x), other(x))


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (nn.Linear(50, 40), 50),
        (nn.Conv2d(8, 40, 3), 72),
        (nn.ConvTranspose2d(8, 40, 3), 72),
        (nn.Conv1d(16, 60, 3), 48),
    ],
)
def test_equalised_layers_store_unit_variance(layer: nn.Module, fan_in: int):
    blocks.equalise(layer, gain=1.0)
    stored = layer.parametrizations.weight.original
    assert stored.std().item() == pytest.approx(1, abs=0.06)
    torch.testing.assert_close(layer.weight, stored / math.sqrt(fan_in))
    assert layer.bias.eq(0).all()


def test_learning_rate_factor_slows_a_layer_but_not_its_start():
    layer = blocks.equalise(nn.Linear(200, 200), gain=1.0, lr_factor=0.01)
    assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(200), rel=0.05)
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    layer(torch.randn(4, 200)).square().sum().backward()
    optimizer.step()
    moved = (layer.weight - before[0]).abs().max().item()
    assert moved == pytest.approx(0.1 * 0.01 / math.sqrt(200), rel=1e-3)
    assert (layer.bias - before[1]).abs().max().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_equalised_layers_can_be_copied_and_averaged():
    layer = blocks.equalise(nn.Linear(4, 3))
    assert torch.equal(copy.deepcopy(layer).weight, layer.weight)
    assert set(layer.state_dict()) == {"parametrizations.weight.original", "parametrizations.bias.original"}


def test_initial_weights():
    net = nn.Sequential(nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64), nn.Linear(64, 256))
    blocks.initialise(net)
    assert net[0].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert net[1].weight.mean().item() == pytest.approx(1, abs=0.01)
    assert net[1].weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert all(layer.bias.eq(0).all() for layer in net)
    blocks.initialise(net, "orthogonal", gain=1.0)
    torch.testing.assert_close(net[2].weight.T @ net[2].weight, torch.eye(64), atol=1e-5, rtol=0)
    blocks.initialise(net, "xavier", gain=1.0)
    assert net[2].weight.abs().max().item() <= math.sqrt(6 / (64 + 256))
    with pytest.raises(ValueError, match="orthogonal"):
        blocks.initialise(net, "unknown")
