"""The vocoder that the package ships: whole, licensed, small, the default, and near to what it copies."""

from pathlib import Path

import pytest
import torch

from voicegan import vocoder
from voicegan.audio import files
from voicegan.audio.mel import PRESETS, LogMel
from voicegan.metrics.copying import mel_distance, stft_distance
from voicegan.vocoder.pack import load_vocoder_pack
from voicegan.voice.library import find_pack

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "voicegan" / "vocoders" / "speech-16k"
RECORDING = ROOT / "voicegan" / "voices" / "demo" / "bdl_a0361.flac"
SPEC = PRESETS["16k"]


def test_it_is_whole_small_and_licensed():
    pack = load_vocoder_pack(FOLDER)
    pack.build()  # checks checksum, shapes and numbers
    assert pack.mel == SPEC
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8_000_000
    for corpus in ("CMU ARCTIC", "kathleen", "LibriSpeech"):
        assert any(corpus in licence for licence in pack.licences)
    assert "## Measured" in pack.card and "PESQ" in pack.card
    assert "/tmp" not in pack.card and "/home" not in pack.card and "/work" not in pack.card


@pytest.mark.parametrize("voice", ["slt", "bdl", "kathleen"])
def test_the_bundled_voices_speak_through_it(voice):
    pack = find_pack(ROOT / "voicegan" / "voices" / voice)
    assert pack.vocoder == "auto"
    assert vocoder.choose(pack.vocoder, pack.mel_contract)[0] == "speech-16k"


def test_a_copy_is_nearer_than_one_whose_bins_are_only_guessed():
    wav, rate = files.read(RECORDING)
    assert rate == SPEC.sample_rate_hz
    mel = LogMel(SPEC)(torch.from_numpy(wav)[None])
    figures = {}
    for name in ("speech-16k", "griffin-lim"):
        copy = vocoder.load(name, SPEC).synthesize(mel)[0].numpy()
        copy = copy[: len(wav)]
        figures[name] = stft_distance(wav[: len(copy)], copy), mel_distance(wav[: len(copy)], copy)
    assert figures["speech-16k"][0] < 0.95 * figures["griffin-lim"][0]
    assert figures["speech-16k"][1] < 0.15


def test_a_stream_in_small_pieces_gives_the_same_samples():
    wav, _ = files.read(RECORDING)
    mel = LogMel(SPEC)(torch.from_numpy(wav[:24_000])[None])[0]
    made = vocoder.load("speech-16k", SPEC)
    whole = made.synthesize(mel[None])[0]
    outputs = []
    for cuts in (1, 7):
        stream = made.stream()
        pieces = [stream.push(mel[:, at : at + cuts]) for at in range(0, mel.shape[1], cuts)]
        outputs.append(torch.cat([*pieces, stream.flush()]))
    assert torch.equal(*outputs)
    assert (outputs[0] - whole).abs().max() < 0.01 * whole.abs().max()


def test_silence_stays_silence():
    mel = LogMel(SPEC)(torch.zeros(1, 16_000))
    assert vocoder.load("speech-16k", SPEC).synthesize(mel).abs().max() == 0
