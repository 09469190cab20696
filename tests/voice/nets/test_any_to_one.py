"""The networks of any-to-one voices: untrained they are the classical conversion, and they see what they state."""

import pytest
import torch

from voicegan.voice.nets import NETS
from voicegan.voice.nets.any_to_one import AnyGenerator, PoolGenerator

M = 12
SMALL = {"mels": M, "channels": 16, "dilations": (1, 2)}


def pictures(frames, rows=2):
    torch.manual_seed(1)
    made = torch.randn(rows, 2 * M + 2, frames)
    made[:, 2 * M] = (made[:, 2 * M] > 0).float()
    return made


def informed(**arguments):
    """A generator that knows how its target's bands lie."""
    generator = AnyGenerator(**(SMALL | arguments)).eval()
    torch.manual_seed(0)
    for buffer in (generator.scale, generator.offset, generator.harmonics):
        buffer.copy_(torch.rand(M) + 0.5)
    return generator


def awake(**arguments):
    """As after training: the last layer is not zero."""
    generator = informed(**arguments)
    torch.nn.init.normal_(generator.leave.weight, std=0.2)
    return generator


def test_untrained_it_is_the_classical_conversion():
    generator, picture = informed(), pictures(20)
    envelope, ripple, voiced = picture[:, :M], picture[:, M : 2 * M], picture[:, 2 * M :][:, :1]
    by_hand = envelope * generator.scale[:, None] + generator.offset[:, None]
    by_hand = by_hand + generator.harmonics[:, None] * ripple * voiced
    assert torch.equal(generator(picture), generator.classical(picture))
    torch.testing.assert_close(generator.classical(picture), by_hand)
    trained = awake()
    torch.testing.assert_close(trained.classical(picture), by_hand)  # whatever was learnt
    assert (trained(picture) - by_hand).abs().max() > 0.1


def test_no_harmonics_where_there_is_no_voice():
    generator, picture = informed(), pictures(10)
    picture[:, 2 * M] = 0
    other = picture.clone()
    other[:, M : 2 * M] = torch.randn(2, M, 10)
    assert torch.equal(generator.classical(picture), generator.classical(other))


@pytest.mark.parametrize("frames", [1, 2, 7, 130])
def test_any_length_in_same_length_out(frames):
    assert awake()(pictures(frames)).shape == (2, M, frames)
    style = torch.randn(2, 5)
    assert PoolGenerator(M, 5, 8)(torch.randn(2, M, frames), style).shape == (2, M, frames)


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_stated_context_is_exact(reach):
    generator = awake(reach=reach)
    past, future = generator.context_frames
    picture = pictures(past + future + 21, rows=1).requires_grad_()
    middle = past + 10
    generator(picture)[0, :, middle].sum().backward()
    touched = picture.grad[0].abs().sum(dim=0).nonzero().flatten()
    assert (int(touched.min()), int(touched.max())) == (middle - past, middle + future)


def test_less_reach_is_less_look_ahead_of_the_same_window():
    sizes = [sum(awake(reach=reach).context_frames) for reach in (0, 1, 2)]
    assert len(set(sizes)) == 1
    ahead = [awake(reach=reach).context_frames[1] for reach in (0, 1, 2)]
    assert ahead == sorted(set(ahead))


def test_pieces_with_context_join_to_the_whole():
    generator, picture = awake(), pictures(90)
    past, future = generator.context_frames
    whole = generator(picture)
    piece = generator(picture[:, :, 40 - past : 60 + future])[:, :, past : past + 20]
    torch.testing.assert_close(piece, whole[:, :, 40:60], rtol=1e-4, atol=1e-5)


def test_row_of_a_batch_equals_the_row_alone():
    generator, picture = awake(), pictures(20, rows=3)
    torch.testing.assert_close(generator(picture)[1:2], generator(picture[1:2]), rtol=1e-4, atol=1e-5)


def test_what_it_knows_of_the_target_is_saved_with_it():
    generator = informed()
    other = AnyGenerator(**SMALL)
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other(pictures(9)), generator(pictures(9)))


def test_the_table_knows_it_and_it_fits_a_small_computer():
    generator = NETS.get("any-to-one")()
    assert isinstance(generator, AnyGenerator)
    assert sum(p.numel() for p in generator.parameters()) <= 4_000_000
    assert generator.context_frames[1] <= 20  # a third of a second


def test_untrained_the_way_back_changes_nothing_and_trained_it_hears_the_style():
    generator, envelope = PoolGenerator(M, 5, 8, dilations=(1,)).eval(), torch.randn(2, M, 15)
    styles = torch.randn(2, 5), torch.randn(2, 5)
    assert torch.equal(generator(envelope, styles[0]), envelope)
    torch.nn.init.normal_(generator.leave.weight, std=0.2)
    one, other = (generator(envelope, style) for style in styles)
    assert (one - other).abs().mean() > 1e-3
    # Each row has its own style.
    mixed = generator(envelope, torch.stack([styles[0][0], styles[1][1]]))
    torch.testing.assert_close(mixed, torch.stack([one[0], other[1]]), rtol=1e-4, atol=1e-5)
