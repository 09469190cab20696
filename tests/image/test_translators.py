"""What the papers say of the systems that translate, couple and fill in, looked for in the systems themselves."""

from pathlib import Path

import pytest
import torch
from image.shapes import SHAPE, a_batch, made, trainer
from torch import nn

from voicegan.core.blocks import InstanceNorm
from voicegan.core.random import Draws
from voicegan.core.system import Progress
from voicegan.errors import VoiceganError
from voicegan.image.nets.context import ChannelwiseLinear, ContextNet
from voicegan.image.nets.coupled import CoupledDiscriminator, CoupledGenerator
from voicegan.image.nets.patch import PatchDiscriminator
from voicegan.image.nets.resnet import ResidualBlock, ResNetGenerator
from voicegan.image.nets.unet import UNet

START = Progress(0, 10)
SHAPES = [(1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 16, 8)]


def what_it_sees(network: nn.Module) -> list[torch.Tensor]:
    """A list that grows by what the network is shown from now on."""
    shown: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].detach().clone()))
    return shown


def played(system):
    """The losses of the phases of a step, each cut from the others as the trainer does."""
    batch, scratch = a_batch(data=system.data)
    terms = []
    for phase in system.phases(START):
        terms.append({name: term.item() for name, term in phase.loss(batch, scratch, START).items()})
        scratch.detach()
    return batch, scratch, terms


# Networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pictures_of_every_size_go_through(shape: tuple[int, int, int]) -> None:
    x = torch.rand(2, *shape) * 2 - 1
    for network in (UNet(shape, shape[0], 2), ResNetGenerator(shape, 2, blocks=1), ContextNet(shape, 2)):
        made_of_it = network(x)
        assert made_of_it.shape == x.shape and made_of_it.abs().max() <= 1
    judged = PatchDiscriminator(shape[0], shape[1:], 2)(x)
    assert judged.scores[0].shape[:2] == (2, 1) and judged.scores[0].shape[2:] >= (2, 1)
    a, b = CoupledGenerator(5, shape, 2)(torch.randn(2, 5))
    assert a.shape == b.shape == x.shape
    assert [logits.scores[0].shape for logits in CoupledDiscriminator(shape, 2)(a, b)] == [(2, 1), (2, 1)]


def test_u_net_of_256_pixels_is_the_papers() -> None:
    with torch.device("meta"):
        net = UNet((3, 256, 256), 3, 64)
    down = [layer for layer in net.down.modules() if isinstance(layer, nn.Conv2d)]
    up = [layer for layer in net.up.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [conv.out_channels for conv in down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [conv.out_channels for conv in up] == [512, 512, 512, 512, 256, 128, 64]
    assert [conv.in_channels for conv in up] == [512, 1024, 1024, 1024, 1024, 512, 256]
    dropped = [any(isinstance(layer, nn.Dropout) for layer in part) for part in net.up]
    assert dropped == [True] * 3 + [False] * 4
    normed = [any(isinstance(layer, InstanceNorm) for layer in part) for part in net.down]
    assert normed == [False] + [True] * 6 + [False]


def test_skips_go_round_the_coarse_sizes() -> None:
    """With nothing coming up from below, a pixel still reaches its own place, and only that."""
    net, x = UNet((1, 16, 16), 1, 8), torch.zeros(1, 1, 16, 16)
    for parameter in net.up.parameters():
        nn.init.zeros_(parameter)
    y = x.clone()
    y[..., 6, 6] = 1.0
    change = (net(y) - net(x)).detach().abs()[0, 0]
    assert change[4:9, 4:9].sum() > 0
    change[2:11, 2:11] = 0
    assert not change.any()


@pytest.mark.parametrize(("strides", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_patches_are_as_wide_as_the_paper_says(strides: int, patch: int) -> None:
    d = PatchDiscriminator(1, (128, 128), 1, strides, norm="none")
    assert d.patch == patch
    x = torch.zeros(1, 1, 128, 128, requires_grad=True)
    scores = d(x).scores[0]
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    touched = x.grad[0, 0].abs().sum(0).nonzero()
    assert int(touched.max() - touched.min()) + 1 == patch


def test_patch_gan_of_70_pixels_is_the_papers() -> None:
    d = PatchDiscriminator(6, (256, 256), 64)
    convs = [layer[0] for layer in d.layers]
    assert [conv.out_channels for conv in convs] == [64, 128, 256, 512]
    assert [conv.stride[0] for conv in convs] == [2, 2, 2, 1]
    assert isinstance(d.layers[0][1], nn.Identity) and isinstance(d.layers[1][1], nn.BatchNorm2d)
    with pytest.raises(VoiceganError, match="no patches"):
        PatchDiscriminator(1, (4, 4), 4)


@pytest.mark.parametrize(("size", "blocks"), [(128, 6), (256, 9)])
def test_residual_generator_is_the_papers(size: int, blocks: int) -> None:
    with torch.device("meta"):
        net = ResNetGenerator((3, size, size), 64)
    assert sum(isinstance(layer, ResidualBlock) for layer in net.layers) == blocks
    outside = [layer for layer in net.layers if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    assert [conv.out_channels for conv in outside] == [64, 128, 256, 128, 64, 3]
    assert [conv.kernel_size[0] for conv in outside] == [7, 3, 3, 3, 3, 7]


def test_channelwise_layer_has_the_papers_weights_and_reaches_every_place() -> None:
    layer = ChannelwiseLinear(3, 16)
    assert layer.weight.numel() == 3 * 16**2
    x = torch.zeros(1, 3, 4, 4, requires_grad=True)
    layer(x)[0, 0, 0, 0].backward()
    assert (x.grad != 0).all()


# pix2pix -----------------------------------------------------------------------------------------------------------


def test_pix2pix_pays_for_every_pixel_that_is_off() -> None:
    """How it plays besides is in test_games.py."""
    batch, scratch, (g, _) = played(made("pix2pix", l1=100.0))
    assert g["l1"] == pytest.approx(100 * (scratch["fake"] - batch["b"]).abs().mean().item(), rel=1e-5)


def test_l1_alone_is_one_phase() -> None:
    system = made("pix2pix", adversarial=0.0)
    assert [phase.name for phase in system.phases(START)] == ["g"]
    assert made("context-encoder", adversarial=0.0).phases(START)[1:] == ()


def test_pix2pix_knows_no_way_back() -> None:
    with pytest.raises(VoiceganError, match="one way"):
        made("pix2pix").translate(torch.zeros(1, *SHAPE), towards="a")
    with pytest.raises(VoiceganError, match="no domain 'c'"):
        made("cyclegan").translate(torch.zeros(1, *SHAPE), towards="c")


# cyclegan and dualgan ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "identity", "samples"), [("cyclegan", 0, 24), ("cyclegan", 5, 36), ("dualgan", 0, 24)]
)
def test_a_step_makes_the_passes_it_needs_and_no_more(name: str, identity: int, samples: int) -> None:
    """Four passes of six samples; with identity, what needs it goes along with the first two."""
    system = made(name, **({"identity": identity} if identity else {}))
    passes: list[int] = []
    for network in (system.g_ab, system.g_ba):
        network.register_forward_hook(lambda _, inputs, made: passes.append(len(inputs[0])))
    played(system)
    assert len(passes) == 4 and sum(passes) == samples


class Plus(nn.Module):
    """A generator that adds a number, so that the cycle's error is known."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.number


@pytest.mark.parametrize(("name", "weight"), [("cyclegan", 10.0), ("dualgan", 500.0)])
def test_the_way_back_is_measured_where_it_started(name: str, weight: float) -> None:
    system = made(name)
    system.g_ab, system.g_ba = Plus(0.5), Plus(-0.2)
    _, _, (g, *_) = played(system)
    assert g["cycle"] == pytest.approx(weight * 2 * 0.3, rel=1e-4)
    system.g_ba = Plus(-0.5)
    assert played(system)[2][0]["cycle"] == pytest.approx(0.0, abs=1e-4)


def test_identity_is_of_the_generators_own_domain() -> None:
    system = made("cyclegan", identity=5.0)
    system.g_ab, system.g_ba = Plus(0.5), Plus(-0.2)
    assert played(system)[2][0]["identity"] == pytest.approx(5.0 * 0.7, rel=1e-4)


def test_discriminators_of_cyclegan_see_earlier_fakes() -> None:
    """The pool holds two pictures here, so the third batch brings back some of the first ones."""
    system = made("cyclegan", pool=2)
    seen = what_it_sees(system.d_b)
    fakes, shown = [], []
    for draw in range(6):
        batch, scratch = a_batch(size=2, draw=draw, data="two-domains")
        system.generator_loss(batch, scratch, START)
        scratch.detach()
        fakes.append(scratch["fake_b"])
        system.discriminator_loss(batch, scratch, START)
        shown.append(seen[-1][2:])
    assert torch.equal(shown[0], fakes[0])
    earlier = torch.cat(fakes[:-1]).flatten(1)
    late = torch.cat(shown[2:]).flatten(1)
    now = torch.cat(fakes[2:]).flatten(1)
    replaced = (late != now).any(1)
    assert replaced.any() and all((row == earlier).all(1).any() for row in late[replaced])


def test_rates_of_cyclegan_fall_in_the_second_half() -> None:
    specs = made("cyclegan").optimizers()
    for spec in specs.values():
        assert [spec.schedule(Progress(step, 100)) for step in (0, 50, 75, 100)] == [1.0, 1.0, 0.5, 0.0]


def test_critics_of_dualgan_are_clipped_and_see_more_batches(tmp_path: Path) -> None:
    system = made("dualgan", clip=0.02, d_repeats=3)
    run = trainer(system, tmp_path)
    assert type(run.optimizers["d"]) is type(run.optimizers["g"]) is torch.optim.RMSprop
    seen = what_it_sees(system.d_b)
    run.train_step()
    real = [x for x in seen if x.flatten(1).amax(1).min() > 0.75]  # only bars are bright in every sample
    assert len(real) == 3 and len({x.sum().item() for x in real}) == 3
    assert all(p.abs().max() <= 0.02 + 1e-9 for d in (system.d_a, system.d_b) for p in d.parameters())


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan", "dualgan", "cogan", "context-encoder"])
def test_a_discriminators_loss_reaches_no_generator(name: str) -> None:
    system = made(name).train()
    batch, scratch = a_batch(data=system.data)
    sum(system.discriminator_loss(batch, scratch, START).values()).backward()
    taught = {
        key.split(".")[0] for key, p in system.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert taught and all(key.startswith("d") for key in taught)


# cogan -------------------------------------------------------------------------------------------------------------


def test_only_the_ends_of_coupled_networks_are_apart() -> None:
    g, d = CoupledGenerator(5, (1, 16, 16), 4), CoupledDiscriminator((1, 16, 16), 4)
    for network, common in ((g, {"project", "shared"}), (d, {"shared", "judgement"})):
        assert {key.split(".")[0] for key, _ in network.named_parameters()} == common | {"a", "b"}
    # At 16 pixels three layers are transposed, of which one is each domain's own; the same of the discriminators.
    assert sum(isinstance(layer, nn.ConvTranspose2d) for layer in g.shared) == 1 and len(g.a) == 2
    assert len(d.shared) == 1
    x = torch.randn(3, 1, 16, 16)
    alike = d.eval()(x, x)
    assert not torch.equal(alike[0].scores[0], alike[1].scores[0])
    d.b = d.a
    torch.testing.assert_close(*(logits.scores[0] for logits in d(x, x)))


def test_pairs_of_cogan_are_of_one_latent_vector() -> None:
    system = made("cogan").train()
    a, b = system.pairs(5, seed=2)
    latents = system.latents(Draws(2, 0, 0, range(5)))
    assert latents.abs().max() <= 1 and a.shape == b.shape == (5, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(system.decode(latents), b)
    torch.testing.assert_close(system.sample(5, seed=2), b)
    passes = []
    system.g.register_forward_hook(lambda *_: passes.append(1))
    played(system)
    assert len(passes) == 1


# context encoder ---------------------------------------------------------------------------------------------------


def test_the_hole_is_a_quarter_and_lies_where_it_should() -> None:
    draws = Draws(0, 0, 0, range(200))
    middle = made("context-encoder").mask(draws)
    assert middle.shape == (200, 1, 8, 8) and middle[:, :, 2:6, 2:6].all() and middle.sum() == 200 * 16
    anywhere = made("context-encoder", place="anywhere").mask(draws)
    assert (anywhere.flatten(1).sum(1) == 16).all() and len(anywhere.flatten(1).unique(dim=0)) == 25
    assert anywhere.any(0).all()


@pytest.mark.parametrize("place", ["centre", "anywhere"])
def test_what_is_in_the_hole_is_not_shown_and_alone_counts(place: str) -> None:
    system = made("context-encoder", place=place)
    torch.manual_seed(0)  # one layer, for the system's own network fills all pictures alike at first
    system.g = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Unflatten(1, SHAPE))
    batch, scratch = a_batch()
    hidden = system.mask(scratch.draws)
    other = torch.where(hidden, torch.rand_like(batch["image"]), batch["image"])
    scratch["one"] = system.filling(batch["image"], scratch)
    del scratch["filling"]
    assert torch.equal(scratch["one"], system.filling(other, scratch))
    whole = system.g(batch["image"].masked_fill(hidden, 0.0))
    expected, a_neighbours = (
        0.999 * (whole - x).square()[hidden].mean() for x in (batch["image"], batch["image"].roll(1, 0))
    )
    assert not torch.isclose(expected, a_neighbours)
    shown = what_it_sees(system.d)
    torch.testing.assert_close(system.generator_loss(batch, scratch, START)["reconstruction"], expected)
    system.discriminator_loss(batch, scratch, START)
    generated, real, fake = shown
    assert torch.equal(generated, fake) and torch.equal(real.flatten(), batch["image"][hidden])
