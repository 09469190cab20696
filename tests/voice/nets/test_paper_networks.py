"""The papers' networks: layers and weights at the papers' sizes, any length, one sample at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voicegan.voice.nets import NETS, Condition
from voicegan.voice.nets.cyclegan_vc import FullDiscriminator, Generator1d
from voicegan.voice.nets.cyclegan_vc2 import Generator212d
from voicegan.voice.nets.gated import PatchDiscriminator, ToOnePlane, Trunk212d, pad_to_multiple
from voicegan.voice.nets.mask_cyclegan_vc import FillingGenerator212d

PAPERS = ("cyclegan-vc", "cyclegan-vc2", "mask-cyclegan-vc")


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(inputs: int, outputs: int, *kernel: int) -> int:
    return inputs * outputs * torch.tensor(kernel).prod().item() + outputs


def norm(channels: int) -> int:
    return 2 * channels


def gated(inputs: int, channels: int, *kernel: int, shuffle: int = 1) -> int:
    """Two convolutions of `channels` each; norms behind the shuffle, where there are fewer channels."""
    return 2 * (conv(inputs, channels, *kernel) + norm(channels // shuffle))


def residual(channels: int, hidden: int) -> int:
    return gated(channels, hidden, 3) + conv(hidden, channels, 3) + norm(channels)


def tiny(name: str, mels: int = 20, **arguments: int) -> nn.Module:
    torch.manual_seed(0)
    return NETS.get(name)(mels, channels=4, blocks=1, **arguments)


# ------------------------------------------------------------------ layers and weights, by the figures


def test_cyclegan_vc_generator_has_the_papers_weights() -> None:
    first = 2 * conv(24, 128, 15)
    down = gated(128, 256, 5) + gated(256, 512, 5)
    up = gated(512, 1024, 5, shuffle=2) + gated(512, 512, 5, shuffle=2)
    last = conv(256, 24, 15)
    assert count(Generator1d(24)) == first + down + 6 * residual(512, 1024) + up + last == 38_055_704


def test_cyclegan_vc_discriminator_has_the_papers_weights() -> None:
    first = 2 * conv(1, 128, 3, 3)
    down = gated(128, 256, 3, 3) + gated(256, 512, 3, 3) + gated(512, 1024, 6, 3)
    full = conv(1024 * 1 * 8, 1)  # one row and 8 positions are left of 24 × 128
    assert count(FullDiscriminator(24, 128)) == first + down + full == 21_844_993


def trunk(mels: int, planes: int) -> int:
    flat = mels // 4 * 256
    first = 2 * conv(planes, 128, 5, 15)
    down = gated(128, 256, 5, 5) + gated(256, 256, 5, 5)
    between = conv(flat, 256, 1) + norm(256) + conv(256, flat, 1) + norm(flat)
    up = gated(256, 1024, 5, 5, shuffle=4) + gated(256, 512, 5, 5, shuffle=4)
    return first + down + between + 6 * residual(256, 512) + up + conv(128, 1, 5, 15)


def test_cyclegan_vc2_generator_has_the_papers_weights() -> None:
    assert count(Generator212d(36)) == trunk(36, 1) == 32_900_993


def test_mask_cyclegan_vc_generator_has_the_papers_weights() -> None:
    assert count(FillingGenerator212d(80)) == trunk(80, 2) == 34_370_433


def test_public_mask_cyclegan_vc_lacks_the_gates_of_the_upsampling_layers() -> None:
    missing = gated(256, 1024, 5, 5, shuffle=4) // 2 + gated(256, 512, 5, 5, shuffle=4) // 2
    assert count(FillingGenerator212d(80)) - missing == 24_537_729  # the 24.5 M that are commonly named


def test_patch_discriminators_have_the_papers_weights() -> None:
    first = 2 * conv(1, 128, 3, 3)
    down = gated(128, 256, 3, 3) + gated(256, 512, 3, 3) + gated(512, 1024, 3, 3)
    last = conv(1024, 1, 1, 3)
    short = count(PatchDiscriminator(wide_layer=False))
    assert short == first + down + last == 12_402_689
    assert (short - last) / 2 + last == pytest.approx(6.2e6, rel=0.01)  # what public code has without gates
    assert count(PatchDiscriminator()) == first + down + gated(1024, 1024, 1, 5) + last == 22_894_593


def shapes(network: nn.Module, *inputs: torch.Tensor) -> list[tuple[int, ...]]:
    """What leaves each gated layer and each residual block."""
    seen: list[tuple[int, ...]] = []
    for module in network.modules():
        if type(module).__name__ in ("ConvGLU", "ResidualGLU", "GLU"):
            module.register_forward_hook(lambda m, i, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(*inputs)
    return seen


def test_layers_of_the_1d_generator_have_the_papers_shapes() -> None:
    seen = shapes(Generator1d(24), torch.zeros(1, 24, 128))
    inside = [(1024, 32), (512, 32)] * 6
    assert seen == [(128, 128), (256, 64), (512, 32), *inside, (512, 64), (256, 128)]


def test_layers_of_the_full_discriminator_have_the_papers_shapes() -> None:
    seen = shapes(FullDiscriminator(24, 128), torch.zeros(1, 24, 128))
    assert seen == [(128, 24, 64), (256, 12, 32), (512, 6, 16), (1024, 1, 8)]


def test_layers_of_the_2_1_2d_generator_have_the_papers_shapes() -> None:
    seen = shapes(Generator212d(36), torch.zeros(1, 36, 128))
    inside = [(512, 1, 32), (256, 1, 32)] * 6
    down, up = [(128, 36, 128), (256, 18, 64), (256, 9, 32)], [(256, 18, 64), (128, 36, 128)]
    assert seen == [*down, *inside, *up]
    assert Generator212d(36).trunk.flatten.in_features == 2304  # 9 rows of 256 channels


def test_layers_of_the_patch_discriminator_have_the_papers_shapes() -> None:
    seen = shapes(PatchDiscriminator(), torch.zeros(1, 36, 128))
    assert seen == [(128, 36, 128), (256, 18, 64), (512, 9, 32), (1024, 5, 16), (1024, 5, 16)]


# ------------------------------------------------------------------ properties


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 63, 64, 130])
def test_any_length_in_same_length_out(name: str, frames: int) -> None:
    out = tiny(name)(torch.randn(2, 20, frames))
    assert out.shape == (2, 20, frames)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("mels", [1, 7, 24, 34, 36, 80])
def test_any_number_of_bins(name: str, mels: int) -> None:
    assert tiny(name, mels)(torch.randn(1, mels, 9)).shape == (1, mels, 9)


@pytest.mark.parametrize("name", PAPERS)
def test_a_batch_of_one_equals_its_row_in_a_batch(name: str) -> None:
    net, mel = tiny(name).double(), torch.randn(3, 20, 21, dtype=torch.float64)
    whole = net(mel)
    for row in range(3):
        torch.testing.assert_close(net(mel[row : row + 1])[0], whole[row])


@pytest.mark.parametrize("judge", [FullDiscriminator(20, 21, 4), PatchDiscriminator(4)])
def test_a_discriminator_judges_each_sample_by_itself(judge: nn.Module) -> None:
    mel = torch.randn(3, 20, 21, dtype=torch.float64)
    judge = judge.double()
    whole = judge(mel).scores[0]
    assert whole.requires_grad
    torch.testing.assert_close(judge(mel[1:2]).scores[0][0], whole[1])


@pytest.mark.parametrize("name", PAPERS)
def test_every_weight_is_used(name: str) -> None:
    net = tiny(name)
    net(torch.randn(1, 20, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("judge", [FullDiscriminator(20, 32, 4), PatchDiscriminator(4)])
def test_every_weight_of_a_discriminator_is_used(judge: nn.Module) -> None:
    judge.float()(torch.randn(1, 20, 32)).scores[0].sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in judge.parameters() if p.ndim > 1)


@pytest.mark.parametrize("name", PAPERS)
def test_networks_that_normalise_over_time_say_so(name: str) -> None:
    assert NETS.get(name).context_frames is None


@pytest.mark.parametrize("name", PAPERS)
def test_bf16_gives_float32_out(name: str) -> None:
    net, mel = tiny(name), torch.randn(1, 20, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(mel)
    assert out.dtype == torch.float32
    assert (out - net(mel)).abs().mean() < 0.1 * net(mel).abs().mean()


def test_channels_last_survives_copies_and_loading() -> None:
    net = tiny("cyclegan-vc2")
    other = tiny("cyclegan-vc2")
    other.load_state_dict(net.state_dict())
    for network in (net, other):
        assert network.trunk.up[0].conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_convolution_to_one_plane_is_a_convolution() -> None:
    layer = ToOnePlane(3, (5, 15)).double()
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    plain = torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=(2, 7))
    torch.testing.assert_close(layer(x), plain)
    inputs = (x, layer.weight, layer.bias)
    ours = torch.autograd.grad(layer(x).square().sum(), inputs)
    torch.testing.assert_close(ours, torch.autograd.grad(plain.square().sum(), inputs))


def test_full_discriminator_gives_one_score_between_0_and_1() -> None:
    judge = FullDiscriminator(24, 128, channels=4)
    scores = judge(100 * torch.randn(5, 24, 128)).scores[0]
    assert scores.shape == (5, 1)
    assert ((scores > 0) & (scores < 1)).all()


def test_full_discriminator_refuses_crops_of_another_length() -> None:
    with pytest.raises(ValueError, match="128 frames, not 64"):
        FullDiscriminator(24, 128, channels=4)(torch.zeros(1, 24, 64))


def test_padding_repeats_the_last_bin_and_frame() -> None:
    x = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(x, 4, 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(x, 2, 3) is x


# ------------------------------------------------------------------ filling in


def test_masked_frames_are_not_seen() -> None:
    net, mel = tiny("mask-cyclegan-vc"), torch.randn(2, 20, 32)
    mask = torch.ones(2, 1, 32)
    mask[:, :, 10:20] = 0
    other = mel.clone()
    other[..., 10:20] += 5.0
    torch.testing.assert_close(net(mel, Condition(mask=mask)), net(other, Condition(mask=mask)))
    assert not torch.allclose(net(mel), net(other))


def test_the_mask_is_a_plane_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    net, mel, mask = tiny("mask-cyclegan-vc"), torch.randn(1, 20, 8), torch.ones(1, 1, 8)
    mask[..., 3:5] = 0
    planes: list[torch.Tensor] = []
    monkeypatch.setattr(Trunk212d, "forward", lambda self, x: planes.append(x) or x[:, 0])
    net(mel, Condition(mask=mask))
    net(mel)
    torch.testing.assert_close(planes[0], torch.stack([mel * mask, mask.expand_as(mel)], dim=1))
    torch.testing.assert_close(planes[1], torch.stack([mel, torch.ones_like(mel)], dim=1))


def test_no_mask_is_a_mask_of_ones() -> None:
    net, mel = tiny("mask-cyclegan-vc"), torch.randn(2, 20, 8)
    torch.testing.assert_close(net(mel), net(mel, Condition(mask=torch.ones(2, 1, 8))))
    torch.testing.assert_close(net(mel), net(mel, Condition()))


def test_networks_without_masks_ignore_the_condition() -> None:
    mel, condition = torch.randn(1, 20, 8), Condition(mask=torch.zeros(1, 1, 8))
    for name in ("cyclegan-vc", "cyclegan-vc2"):
        net = tiny(name)
        torch.testing.assert_close(net(mel), net(mel, condition))
