"""The table of vocoders, and the protocol that each of them keeps."""

from __future__ import annotations

import inspect

import pytest
import torch

from voicegan import vocoder as vocoders
from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError


@pytest.mark.parametrize("name", vocoders.VOCODERS.names())
def test_every_vocoder_keeps_the_protocol(name: str) -> None:
    spec = PRESETS["16k"]
    vocoder = vocoders.load(name, spec, "cpu")
    assert vocoder.name == name
    assert vocoder.spec == spec
    assert vocoder.lookahead_frames > 0
    assert not any(parameter.requires_grad for parameter in getattr(vocoder, "parameters", list)())
    mel = torch.randn(2, spec.mels, 9) - 4
    assert vocoder.synthesize(mel).shape == (2, spec.samples(9))
    stream = vocoder.stream()
    wav = torch.cat([stream.push(mel[0]), stream.flush(spec.samples(9) + 100)])
    assert wav.shape == (spec.samples(9) + 100,)
    assert wav.isfinite().all()
    assert list(inspect.signature(stream.flush).parameters) == ["total_samples"]


def test_an_unknown_vocoder_names_those_there_are() -> None:
    with pytest.raises(VoiceganError) as error:
        vocoders.load("grifin-lim", PRESETS["16k"])
    assert "griffin-lim" in str(error.value)
