"""A network as a vocoder: pieces give what the whole gives, silence stays silence, only numbers come out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_vocoders import SPEC, TINY, tiny_net
from torch import Tensor, nn

from voicegan import vocoder as vocoders
from voicegan.audio.mel import PRESETS, LogMel, MelSpec
from voicegan.errors import VoiceganError
from voicegan.vocoder.neural import NeuralVocoder, require_fit

SMALL = MelSpec(8000, 64, 64, 16, 5, 0.0, 4000.0)


class Hum(nn.Module):
    """A wide context, and a hum of its own that does not stop when the mel is silent."""

    hop = 16

    def __init__(self, past: int = 4, future: int = 6) -> None:
        super().__init__()
        self.context_frames = (past, future)
        self.weights = nn.Conv1d(5, self.hop, past + future + 1)
        nn.init.normal_(self.weights.weight, 0.0, 0.1)

    def forward(self, mel: Tensor) -> Tensor:
        past, future = self.context_frames
        return self.weights(nn.functional.pad(mel, (past, future))).transpose(1, 2).flatten(1) + 0.3


@pytest.fixture(scope="module")
def hum() -> NeuralVocoder:
    torch.manual_seed(0)
    return NeuralVocoder("hum", SMALL, Hum().eval(), block_frames=4)


def mel_of(frames: int, seed: int = 0, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 5, frames, generator=generator) * 8 - 8


def run(vocoder: NeuralVocoder, mel: Tensor, sizes: list[int], total: int | None = None) -> Tensor:
    stream, at, parts = vocoder.stream(), 0, []
    for size in sizes:
        parts.append(stream.push(mel[:, at : at + size]))
        at += size
    return torch.cat([*parts, stream.push(mel[:, at:]), stream.flush(total)])


@settings(deadline=None, max_examples=40)
@given(frames=st.integers(1, 60), sizes=st.lists(st.integers(0, 20), max_size=12), extra=st.integers(0, 40))
def test_pieces_of_any_size_give_the_whole(
    hum: NeuralVocoder, frames: int, sizes: list[int], extra: int
) -> None:
    mel = mel_of(frames)
    total = SMALL.samples(frames) + extra
    made = run(hum, mel[0], sizes, total)
    assert torch.equal(made, run(hum, mel[0], [], total))  # bit for bit
    whole = nn.functional.pad(hum.net(mel)[0].detach(), (0, total))[:total]
    assert torch.allclose(made, whole, atol=1e-5)
    assert torch.allclose(hum.synthesize(mel)[0], whole[: SMALL.samples(frames)], atol=1e-5)


STAGES = {"mels": 80, "channels": 8, "up_rates": [16, 16]}
BLOCKS = {"up_kernels": [32, 32], "kernels": [3], "dilations": [[1, 2]]}


@pytest.mark.parametrize("frames", [1, 2, 300])
@pytest.mark.parametrize(
    ("preset", "net", "network"),
    [
        ("16k", "vocos", TINY),
        ("hifigan-22k", "vocos", TINY | {"padding": "same"}),
        ("hifigan-22k", "hifigan", STAGES | BLOCKS),
        ("melgan-22k", "melgan", STAGES | {"layers": 2}),
        ("hifigan-22k", "bigvgan", STAGES | BLOCKS),
    ],
)
def test_every_network_streams_exactly(preset: str, net: str, network: dict, frames: int) -> None:
    spec = PRESETS[preset]
    vocoder = NeuralVocoder("v", spec, tiny_net(net, **network))
    mel = torch.rand(2, 80, frames, generator=torch.Generator().manual_seed(1)) * 4 - 4
    with torch.no_grad():
        whole = vocoder.net(mel)[:, : spec.samples(frames)]
    loudest = float(whole.abs().max()) if whole.numel() else 1.0
    for made in (vocoder.synthesize(mel), torch.stack([run(vocoder, row, [7, 0, 1, 30]) for row in mel])):
        assert made.shape == whole.shape
        assert torch.allclose(made, whole, atol=1e-5 * loudest)
    assert torch.equal(run(vocoder, mel[0], [1] * frames), run(vocoder, mel[0], [frames]))


@pytest.mark.parametrize("samples", [1, 15, 16, 17, 31, 32, 33, 500, 511, 512])
@pytest.mark.parametrize("center", [True, False])
def test_any_length_in_is_the_length_out(hum: NeuralVocoder, samples: int, center: bool) -> None:
    spec = MelSpec(8000, 64, 64, 16, 5, 0.0, 4000.0, center=center)
    vocoder = NeuralVocoder("hum", spec, hum.net)
    mel = LogMel(spec)(torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * 0.1)
    made = run(vocoder, mel[0], [3], samples)
    assert made.shape == (samples,) and made.isfinite().all()


def test_samples_come_when_promised_and_what_is_held_is_bounded(hum: NeuralVocoder) -> None:
    for vocoder in (hum, hum.in_blocks(1), hum.in_blocks(50)):
        stream, given = vocoder.stream(), 0
        for frame in range(1, 300):
            given += len(stream.push(mel_of(1)[0]))
            assert given >= (frame - vocoder.lookahead_frames) * SMALL.hop
            assert stream._windows._held.shape[-1] <= vocoder.block_frames + sum(vocoder.context_frames)
        assert len(stream.flush()) == SMALL.samples(299) - given
    assert hum.in_blocks(1).lookahead_frames < hum.lookahead_frames < hum.in_blocks(50).lookahead_frames


def test_silence_stays_silence(hum: NeuralVocoder) -> None:
    silent = torch.full((1, 5, 40), SMALL.floor)
    assert (hum.net(silent).abs() > 0.01).all()  # the network itself hums
    assert hum.synthesize(silent).eq(0).all()
    assert run(hum, silent[0] - 3, [1] * 40).eq(0).all()  # under the floor is silent too


def test_between_sound_and_silence_lies_a_fade_and_the_sound_is_untouched(hum: NeuralVocoder) -> None:
    mel = torch.full((1, 5, 60), SMALL.floor)
    mel[:, 2, 20:31] = -1.0
    made, whole = hum.synthesize(mel)[0], hum.net(mel)[0].detach()
    # A window of 64 samples, 16 apart: a frame is heard up to 2 hops to both sides, the outermost of which fade.
    first, last = 18 * 16, 33 * 16
    assert made[:first].eq(0).all() and made[last:].eq(0).all()
    assert torch.allclose(made[first + 16 : last - 16], whole[first + 16 : last - 16], atol=1e-5)
    gain = made[first : first + 16] / whole[first : first + 16]
    assert (gain.diff() > 0).all() and 0 < gain[0] < 0.05 and 0.95 < gain[-1] < 1
    assert torch.equal(run(hum, mel[0], [1] * 60), run(hum, mel[0], [60]))


def test_a_fade_lies_outside_of_what_a_frame_sees() -> None:
    """A click at any place: the hops that are faded or silent held nothing of it."""
    spec = PRESETS["16k"]
    vocoder = NeuralVocoder("v", spec, tiny_net())
    for place in range(8000, 8256, 37):
        wav = torch.zeros(1, 16000)
        wav[0, place] = 0.5
        gain = vocoder._gain(LogMel(spec)(wav)).transpose(1, 2).flatten()[:16000]
        assert gain[place - 128 : place + 128].eq(1).all() and float(gain.mean()) < 0.15


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_whatever_goes_in_numbers_come_out(hum: NeuralVocoder, value: float) -> None:
    mel = mel_of(40)
    mel[0, :, 10:20] = value
    assert hum.synthesize(mel).isfinite().all()
    if not value > 0:
        floor = mel.clone()
        floor[0, :, 10:20] = SMALL.floor
        assert torch.equal(hum.synthesize(mel), hum.synthesize(floor))


def test_a_network_that_overflows_is_silent_there(hum: NeuralVocoder) -> None:
    class Overflowing(Hum):
        def forward(self, mel: Tensor) -> Tensor:
            return super().forward(mel) / 0.0

    assert NeuralVocoder("o", SMALL, Overflowing()).synthesize(mel_of(30)).isfinite().all()


def test_a_sound_without_frames(hum: NeuralVocoder) -> None:
    assert hum.stream().flush().shape == (0,)
    assert torch.equal(hum.stream().flush(7), torch.zeros(7))


def test_blocks_can_be_chosen_where_the_vocoder_leaves_it(hum: NeuralVocoder) -> None:
    assert vocoders.in_blocks(hum, 9).lookahead_frames == 9 - 1 + 6
    lim = vocoders.load("griffin-lim", SPEC)
    assert vocoders.in_blocks(lim, 9) is lim


def test_what_does_not_fit_its_contract_is_refused(hum: NeuralVocoder) -> None:
    with pytest.raises(VoiceganError, match="hop of 256"):
        NeuralVocoder("hum", SPEC, hum.net)
    with pytest.raises(VoiceganError, match="does not take mels of its contract, 80 bands"):
        require_fit(hum.net, SPEC, "the network")
    six = MelSpec(8000, 64, 64, 32, 5, 0.0, 4000.0)
    with pytest.raises(VoiceganError, match=r"makes \(1, 48\) of 3 frames, where \(1, 96\)"):
        require_fit(hum.net, six, "the network")
