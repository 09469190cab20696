"""Networks of the image family: shapes, conditions, sizes, and the paper's own layers."""

import pytest
import torch

from voicegan.errors import VoiceganError
from voicegan.image.nets import DISCRIMINATORS, GENERATORS
from voicegan.image.nets.dcgan import ConvDiscriminator, ConvGenerator
from voicegan.image.nets.halving import double, halve, sides
from voicegan.image.nets.mlp import DeepMLPDiscriminator

SHAPES = [(1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 16, 8), (1, 9, 14)]


@pytest.mark.parametrize("name", GENERATORS.names())
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pictures_of_every_size_are_made_and_judged(name: str, shape: tuple[int, int, int]) -> None:
    fake = GENERATORS.get(name)(5, shape, 4)(torch.randn(3, 5))
    assert fake.shape == (3, *shape) and fake.abs().max() <= 1
    judged = DISCRIMINATORS.get(name)(shape, 4, conditions=2, heads={"class": 6})(fake, torch.ones(3, 2))
    assert [scores.shape for scores in judged.scores] == [(3, 1)]
    assert judged.heads["class"].shape == (3, 6)
    assert all(len(layer) == 3 for layer in judged.features[0])


@pytest.mark.parametrize("name", DISCRIMINATORS.names())
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_samples_are_judged_one_by_one_unless_batch_norm_mixes_them(name: str, norm: str) -> None:
    torch.manual_seed(0)
    d = DISCRIMINATORS.get(name)((1, 8, 8), 4, norm).train()
    x = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(d(x).scores[0][:1], d(x[:1]).scores[0])
    mixing = DISCRIMINATORS.get(name)((1, 8, 8), 16, "batch").train()
    assert not torch.allclose(mixing(x).scores[0][:2], mixing(x[:2]).scores[0])


@pytest.mark.parametrize("name", DISCRIMINATORS.names())
def test_conditions_count_and_must_fit(name: str) -> None:
    torch.manual_seed(0)
    d = DISCRIMINATORS.get(name)((1, 8, 8), 16, "none", conditions=2)  # of few rectifiers all may be at rest
    x = torch.randn(1, 1, 8, 8)
    first, second = torch.eye(2)[:1], torch.eye(2)[1:]
    assert not torch.allclose(d(x, first).scores[0], d(x, second).scores[0], atol=1e-7, rtol=0)
    with pytest.raises(ValueError, match="conditions of size 2, not 0"):
        d(x)
    with pytest.raises(ValueError, match="conditions of size 2, not 3"):
        d(x, torch.ones(1, 3))


def test_unbounded_generators_pass_one() -> None:
    for name in GENERATORS:
        g = GENERATORS.get(name)(5, (1, 8, 8), 8, bounded=False)
        for parameter in g.parameters():
            torch.nn.init.normal_(parameter, 0.0, 1.0)
        assert g(torch.randn(16, 5)).abs().max() > 1


def test_64_pixels_are_the_papers_four_steps() -> None:
    g, d = ConvGenerator(100, (3, 64, 64), 128), ConvDiscriminator((3, 64, 64), 128)
    assert g.coarse == (1024, 4, 4)
    convs = [layer for layer in g.layers if isinstance(layer, torch.nn.ConvTranspose2d)]
    assert [conv.out_channels for conv in convs] == [512, 256, 128, 3]
    assert [layer[0].out_channels for layer in d.layers] == [128, 256, 512, 1024]
    first, second = d.layers[0][1], d.layers[1][1]
    assert isinstance(first, torch.nn.Identity) and isinstance(second, torch.nn.BatchNorm2d)
    assert convs[0].weight.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(("shape", "hint"), [((1, 3, 6), "mlp"), ((1, 8, 1), "at least 4"), ((2,), "points")])
def test_what_cannot_be_halved_is_refused(shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(VoiceganError) as error:
        sides(shape)
    assert hint in error.value.hint


def test_how_often_sizes_are_halved() -> None:
    assert [len(sides((1, n, n))) - 1 for n in (4, 7, 8, 12, 16, 20, 32, 64)] == [2, 2, 2, 2, 2, 2, 3, 4]
    assert sides((1, 28, 28)) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert sides((3, 28, 16)) == [(28, 16), (14, 8), (7, 4)]


def test_odd_sides_are_halved_and_doubled() -> None:
    of = (7, 12)
    halved = halve(of, 2, 3)(torch.randn(1, 2, *of))
    assert halved.shape == (1, 3, 4, 6) and double(of, 3, 2)(halved).shape == (1, 2, *of)


def test_the_deep_discriminator_is_the_papers_and_gives_features_whole() -> None:
    d = DeepMLPDiscriminator((1, 28, 28), 500, "layer", heads={"class": 10}, dropout=0.5, score=False)
    sizes = [(layer[1].in_features, layer[1].out_features) for layer in d.layers]
    assert sizes == [(784, 1000), (1000, 500), (500, 250), (250, 250), (250, 250)]
    first = d.train()(torch.ones(2, 1, 28, 28)).features[0][0]
    assert torch.equal(first[0], first[1])  # dropout takes from what the next layer is given
