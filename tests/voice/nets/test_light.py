"""The light networks: small, local in time, and exactly as far-sighted as they say."""

import pytest
import torch

from voicegan.voice.nets import NETS
from voicegan.voice.nets.light import LightDiscriminator, LightGenerator


def awake(**arguments):
    """A generator whose last layer is not zero, as after training."""
    torch.manual_seed(0)
    generator = LightGenerator(**arguments).eval()
    torch.nn.init.normal_(generator.leave.weight, std=0.05)
    return generator


def test_default_generator_has_at_most_four_million_parameters():
    assert sum(p.numel() for p in NETS.get("light")().parameters()) <= 4_000_000


@pytest.mark.parametrize("frames", [1, 2, 7, 64, 129])
def test_any_length_in_same_length_out(frames):
    mel = torch.randn(2, 80, frames)
    assert awake()(mel).shape == mel.shape


def test_untrained_generator_changes_nothing():
    mel = torch.randn(1, 80, 20)
    assert torch.equal(LightGenerator()(mel), mel)


def test_row_of_a_batch_equals_the_row_alone():
    generator, mel = awake(), torch.randn(3, 80, 40)
    torch.testing.assert_close(generator(mel)[1:2], generator(mel[1:2]), rtol=1e-4, atol=1e-5)


def test_stated_context_is_exact():
    generator = awake(channels=16)
    past, future = generator.context_frames
    mel = torch.randn(1, 80, past + future + 41)
    middle = past + 20
    mel.requires_grad_()
    generator(mel)[0, :, middle].sum().backward()
    touched = mel.grad[0].abs().sum(dim=0).nonzero().flatten()
    assert (int(touched.min()), int(touched.max())) == (middle - past, middle + future)


def test_pieces_with_context_join_to_the_whole():
    generator = awake()
    past, future = generator.context_frames
    mel = torch.randn(1, 80, 300)
    whole = generator(mel)
    piece = generator(mel[:, :, 100 - past : 150 + future])[:, :, past : past + 50]
    torch.testing.assert_close(piece, whole[:, :, 100:150], rtol=1e-4, atol=1e-5)


def test_discriminator_scores_patches_and_offers_features():
    judged = LightDiscriminator(channels=8)(torch.randn(2, 80, 128))
    assert len(judged.scores) == 1 and judged.scores[0].shape[:2] == (2, 1)
    assert len(judged.features[0]) == 4
