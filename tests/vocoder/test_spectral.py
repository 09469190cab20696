"""Magnitudes and Griffin-Lim as one vocoder: pieces give the whole, silence stays silence, only numbers come out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from voicegan import vocoder as vocoders
from voicegan.audio.mel import PRESETS, LogMel, MelSpec
from voicegan.errors import VoiceganError
from voicegan.metrics.copying import stft_distance
from voicegan.vocoder.nets.magnitudes import Magnitudes
from voicegan.vocoder.neural import require_fit
from voicegan.vocoder.pack import as_vocoder, load_vocoder_pack, save_vocoder
from voicegan.vocoder.spectral import SpectralVocoder

SMALL = MelSpec(16000, 128, 128, 32, 20, 0.0, 8000.0)


def net_for(spec: MelSpec, reach: int = 1) -> Magnitudes:
    torch.manual_seed(0)
    net = Magnitudes(**Magnitudes.arguments(spec), dim=8, intermediate=12, layers=2, reach=reach)
    net.begin_at(spec)
    return net.eval().requires_grad_(False)


def make(
    spec: MelSpec = SMALL, block_frames: int = 4, reach: int = 1, iterations: int = 2
) -> SpectralVocoder:
    net = net_for(spec, reach)
    return SpectralVocoder("v", spec, net, iterations=iterations, block_frames=block_frames)


def sound(samples: int, rate_hz: int = 16000) -> Tensor:
    """A gliding buzz with a little noise, (1, T)."""
    time = torch.arange(samples) / rate_hz
    phase = 2 * torch.pi * (140 * time + 30 * time**2)
    buzz = sum(torch.sin(k * phase) / k for k in range(1, 20))
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(0))
    return (0.1 * buzz + 0.003 * noise)[None]


def mel_of(samples: int, spec: MelSpec = SMALL) -> Tensor:
    return LogMel(spec)(sound(samples, spec.sample_rate_hz))


def run(vocoder: SpectralVocoder, mel: Tensor, sizes: list[int], total: int | None = None) -> Tensor:
    stream, at, parts = vocoder.stream(), 0, []
    for size in sizes:
        parts.append(stream.push(mel[:, at : at + size]))
        at += size
    return torch.cat([*parts, stream.push(mel[:, at:]), stream.flush(total)])


@settings(deadline=None, max_examples=15)
@given(
    frames=st.integers(1, 60), sizes=st.lists(st.integers(0, 20), max_size=8), extra=st.integers(0, 40),
    block=st.sampled_from([1, 4, 7]),
)  # fmt: skip
def test_pieces_of_any_size_give_the_whole(frames: int, sizes: list[int], extra: int, block: int) -> None:
    vocoder, mel = make(block_frames=block), mel_of(60 * 32)[0, :, :frames]
    total = SMALL.samples(frames) + extra
    made = run(vocoder, mel, sizes, total)
    assert made.shape == (total,)
    assert torch.equal(made, run(vocoder, mel, [], total))  # bit for bit


def test_whole_sounds_are_what_streams_give() -> None:
    """The blocks are larger there, which changes nothing but the rounding of the magnitudes."""
    vocoder, mel = make(), mel_of(300 * 32)
    whole, streamed = vocoder.synthesize(mel)[0], run(vocoder, mel[0], [7, 0, 100])
    assert len(whole) == SMALL.samples(mel.shape[-1])
    made = vocoder.spectra(mel)
    windows = SpectralVocoder("v", SMALL, vocoder.net, block_frames=5).stream()._windows
    torch.testing.assert_close(
        torch.cat([windows.push(mel), windows.flush()], dim=-1), made, rtol=1e-4, atol=1e-6
    )
    assert float((whole - streamed).norm() / whole.norm()) < 0.05


def test_a_row_of_a_batch_is_the_sound_alone() -> None:
    vocoder = make()
    mel = torch.cat([mel_of(1000), mel_of(1000) - 1.0])
    both = vocoder.synthesize(mel)
    for row in range(2):
        alone = vocoder.synthesize(mel[row : row + 1])[0]
        assert float((both[row] - alone).norm() / alone.norm()) < 0.05


@pytest.mark.parametrize("samples", [1, 31, 32, 33, 63, 64, 500, 511, 512])
@pytest.mark.parametrize("center", [True, False])
def test_any_length_in_is_the_length_out(samples: int, center: bool) -> None:
    spec = MelSpec(16000, 128, 128, 32, 20, 0.0, 8000.0, center=center)
    vocoder, mel = make(spec), mel_of(samples, spec)
    made = run(vocoder, mel[0], [3], samples)
    assert made.shape == (samples,) and made.isfinite().all()
    assert vocoder.synthesize(mel).shape == (1, spec.samples(mel.shape[-1]))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_contract_is_spoken(preset: str) -> None:
    spec = PRESETS[preset]
    mel = mel_of(5000, spec)
    made = make(spec, iterations=1).synthesize(mel)
    assert made.shape == (1, spec.samples(mel.shape[-1])) and made.isfinite().all()
    assert 0.01 < float(made.square().mean().sqrt()) < 1


@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize("block", [1, 4, 50])
def test_samples_come_when_promised_and_what_is_held_is_bounded(block: int, reach: int) -> None:
    vocoder = make(reach=reach, iterations=0).in_blocks(block)
    assert vocoder.lookahead_frames == block - 1 + 3 * reach + vocoder.phases.lookahead_frames
    assert vocoder.context_frames == (3 * (6 - reach), 3 * reach + vocoder.phases.lookahead_frames)
    stream, given, mel = vocoder.stream(), 0, mel_of(200 * 32)[0]
    for frame in range(1, 201):
        given += len(stream.push(mel[:, frame - 1 : frame]))
        assert given >= (frame - vocoder.lookahead_frames) * SMALL.hop
        assert stream._windows._held.shape[-1] <= block + sum(vocoder.net_context_frames)
    assert len(stream.flush()) == SMALL.samples(200) - given


def test_blocks_can_be_chosen_where_the_vocoder_leaves_it() -> None:
    vocoder = make(iterations=3)
    other = vocoders.in_blocks(vocoder, 9)
    assert other.lookahead_frames == vocoder.lookahead_frames + 5 and other.phases.iterations == 3
    assert other.net is vocoder.net and other.name == vocoder.name


def test_silence_stays_silence() -> None:
    vocoder = make()
    silent = torch.full((1, SMALL.mels, 40), SMALL.floor)
    assert (vocoder.net(silent) > 0).any()  # the network itself does not know
    assert vocoder.synthesize(silent).eq(0).all()
    assert run(vocoder, silent[0] - 3, [1] * 40).eq(0).all()  # under the floor is silent too


def test_silence_within_a_sound_is_silent_and_the_sound_comes_back() -> None:
    vocoder, mel = make(), mel_of(120 * 32)
    mel[..., 40:80] = SMALL.floor
    made = vocoder.synthesize(mel)[0]
    reach = SMALL.n_fft // 2
    assert made[40 * 32 + reach : 79 * 32 - reach].eq(0).all()
    before, after = made[: 38 * 32], made[82 * 32 :]
    assert float(before.square().mean()) > 1e-4 and float(after.square().mean()) > 1e-4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_whatever_goes_in_numbers_come_out(value: float) -> None:
    vocoder, mel = make(), mel_of(40 * 32)
    mel[0, :, 10:20] = value
    made = vocoder.synthesize(mel)
    assert made.isfinite().all()
    if not value > 0:
        floor = mel.clone()
        floor[0, :, 10:20] = SMALL.floor
        assert torch.equal(made, vocoder.synthesize(floor))


def test_a_network_that_overflows_is_silent_there() -> None:
    class Overflowing(Magnitudes):
        def forward(self, mel: Tensor) -> Tensor:
            return super().forward(mel) / 0.0

    net = Overflowing(**Magnitudes.arguments(SMALL), dim=8, intermediate=8, layers=1)
    assert SpectralVocoder("o", SMALL, net, iterations=1).synthesize(mel_of(1000)).isfinite().all()


def test_a_sound_without_frames() -> None:
    assert make().stream().flush().shape == (0,)
    assert torch.equal(make().stream().flush(7), torch.zeros(7))


def test_true_magnitudes_give_the_sound_nearly_back() -> None:
    """What is lost is lost by the network: a frame's magnitudes lie at its own place, and are neither lost nor late."""
    spec, wav = PRESETS["16k"], sound(16000)
    window = torch.hann_window(spec.win)
    true = torch.stft(wav, spec.n_fft, spec.hop, spec.win, window, return_complex=True).abs()

    class Knowing(nn.Module):
        makes, context_frames, at = "magnitudes", (0, 0), 0

        def forward(self, mel: Tensor) -> Tensor:
            self.at += mel.shape[-1]
            return true[..., self.at - mel.shape[-1] : self.at]

    near, far = (
        stft_distance(wav[0, :15872].numpy(), vocoder.synthesize(mel_of(16000, spec))[0].numpy())
        for vocoder in (SpectralVocoder("v", spec, Knowing()), make(spec))
    )
    assert near < 0.45 < 0.7 * far


def test_it_is_kept_on_disk_and_found_as_what_it_is(tmp_path) -> None:
    spec, net = PRESETS["16k"], net_for(PRESETS["16k"])
    arguments = Magnitudes.arguments(spec) | {"dim": 8, "intermediate": 12, "layers": 2, "reach": 1}
    pack = save_vocoder(
        tmp_path / "v",
        name="v",
        net="magnitudes",
        network=arguments,
        generator=net,
        mel=spec,
        card="",
        half=False,
    )
    loaded = vocoders.load(str(tmp_path / "v"), spec)
    assert isinstance(loaded, SpectralVocoder)
    assert (
        loaded.lookahead_frames == pack.lookahead_frames == load_vocoder_pack(tmp_path / "v").lookahead_frames
    )
    mel = mel_of(4000, spec)
    assert torch.equal(loaded.synthesize(mel), as_vocoder("v", spec, net).synthesize(mel))
    with pytest.raises(VoiceganError, match="center is False in the voice and True in the vocoder v"):
        vocoders.load(str(tmp_path / "v"), PRESETS["hifigan-22k"])


def test_what_does_not_fit_its_contract_is_refused() -> None:
    with pytest.raises(VoiceganError, match="does not take mels of its contract, 80 bands"):
        require_fit(net_for(SMALL), PRESETS["16k"], "the network")
    other = MelSpec(16000, 256, 256, 32, 20, 0.0, 8000.0)
    with pytest.raises(VoiceganError, match=r"makes \(1, 65, 3\) of 3 frames, where \(1, 129, 3\)"):
        require_fit(net_for(SMALL), other, "the network")
