"""The encoder of content: what it cannot hear, and that it learns to find the same words in another voice."""

import pytest
import torch

from voicegan.voice.nets.content import ContentEncoder
from voicegan.voice.systems.terms import contrast


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return ContentEncoder(20, 16, 8)


def test_shapes_and_lengths(encoder):
    made = encoder(torch.randn(2, 20, 7))
    assert made.shape == (2, 7, 8)
    torch.testing.assert_close(made.norm(dim=2), torch.ones(2, 7))


def test_a_microphone_and_a_level_make_no_difference(encoder):
    said, colour, level = torch.randn(1, 20, 30), torch.randn(1, 20, 1), torch.randn(1, 1, 30)
    once = encoder(said)
    torch.testing.assert_close(encoder(said + level), once, atol=1e-4, rtol=0)
    torch.testing.assert_close(encoder(3.0 * said), once, atol=1e-4, rtol=0)
    torch.testing.assert_close(encoder(said + colour), once, atol=1e-4, rtol=0)


def test_silence_has_a_direction_too(encoder):
    assert encoder(torch.zeros(1, 20, 5)).isfinite().all()


def test_it_learns_to_find_what_two_speakers_say(encoder):
    """Two fixed mouths say the same hidden things; new ones are found again after a few steps."""
    torch.manual_seed(1)
    mouths = torch.randn(2, 20, 6)
    said = torch.randn(9, 6, 40)
    optimizer = torch.optim.Adam(encoder.parameters(), 1e-2)
    counted = torch.ones(8, 40) > 0
    first, held = mouths[0] @ said[8:], mouths[1] @ said[8:]
    before = contrast(encoder(first), encoder(held), counted[:1])
    for _ in range(60):
        loss = contrast(encoder(mouths[0] @ said[:8]), encoder(mouths[1] @ said[:8]), counted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert contrast(encoder(first), encoder(held), counted[:1]) < 0.5 * before
