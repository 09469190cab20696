"""A vocoder on disk: saved whole, read with care. What it shares with voices is tested with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_vocoders import SPEC, TINY, make_vocoder, tiny_net

from voicegan import storage
from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.vocoder.neural import NeuralVocoder
from voicegan.vocoder.pack import load_vocoder_pack


def change_settings(folder: Path, **changes: object) -> None:
    path = folder / "vocoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_saved_is_read_again(tmp_path):
    net = tiny_net()
    pack = make_vocoder(tmp_path / "v1", generator=net, half=False)
    assert {path.name for path in pack.folder.iterdir()} == {
        "vocoder.json",
        "weights.safetensors",
        "README.md",
    }
    assert (pack.name, pack.net, pack.network, pack.mel, pack.rate_hz) == ("v1", "vocos", TINY, SPEC, 16000)
    assert (pack.training, pack.licences, pack.source) == ({"steps": 3}, ("CC0",), "made in a test")
    assert "for tests" in pack.card
    built = pack.build()
    assert not built.training and not any(p.requires_grad for p in built.parameters())
    mel = torch.randn(1, 80, 5) - 5
    assert torch.equal(built(mel), net(mel))


def test_the_stated_lookahead_is_that_of_the_stream(tmp_path):
    pack = make_vocoder(tmp_path / "v1")
    assert pack.lookahead_frames == NeuralVocoder("v1", SPEC, pack.build()).lookahead_frames


def test_half_precision_halves_the_file_and_sounds_the_same(tmp_path):
    network = TINY | {"dim": 64, "intermediate": 64}
    net = tiny_net(**network)
    whole = make_vocoder(tmp_path / "a", generator=net, network=network, half=False)
    half = make_vocoder(tmp_path / "b", generator=net, network=network)
    assert half.weights_bytes < 0.52 * whole.weights_bytes
    mel = torch.rand(1, 80, 20) * 6 - 8
    expected, made = whole.build()(mel), half.build()(mel)
    assert made.dtype == torch.float32
    assert float((made - expected).norm() / expected.norm()) < 0.01


def test_saving_again_replaces_and_other_folders_are_spared(tmp_path):
    make_vocoder(tmp_path / "v1", card="old")
    assert make_vocoder(tmp_path / "v1", card="new").card == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years of work")
    with pytest.raises(VoiceganError, match="is not a vocoder, so it is not replaced"):
        make_vocoder(tmp_path / "thesis")


def test_what_could_not_be_built_again_is_not_saved(tmp_path):
    bad = tiny_net()
    next(bad.parameters()).data.view(-1)[0] = float("nan")
    cases = {
        "holds numbers that are not finite": {"generator": bad},
        "not those of the network vocos": {"network": TINY | {"dim": 16}},
        "does not take mels of its contract, 100": {"mel": PRESETS["vocos-24k"]},
        "where \\(1, 1536\\) is expected": {"mel": PRESETS["44k"], "network": TINY | {"mels": 128},
                                            "generator": tiny_net(**(TINY | {"mels": 128}))},
        "cannot be the name of a vocoder": {"name": "../v1"},
    }  # fmt: skip
    for message, changes in cases.items():
        with pytest.raises(VoiceganError, match=message):
            make_vocoder(tmp_path / "v1", **changes)
        assert not (tmp_path / "v1").exists()
    normed = tiny_net()
    torch.nn.utils.parametrizations.weight_norm(normed.get_submodule(_a_convolution(normed)))
    with pytest.raises(VoiceganError, match="Remove weight norm"):
        make_vocoder(tmp_path / "v1", generator=normed)


def _a_convolution(net: torch.nn.Module) -> str:
    return next(name for name, module in net.named_modules() if isinstance(module, torch.nn.Conv1d))


def test_damaged_weights_are_noticed(tmp_path):
    folder = tmp_path / "v1"
    pack = make_vocoder(folder)
    path = folder / "weights.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(VoiceganError, match="SHA-256"):
        pack.build()
    tensors = safetensors.torch.load(good)
    first = next(iter(tensors))
    for message, changed in {
        "not finite": tensors | {first: torch.full_like(tensors[first], float("inf"))},
        "more is unknown": tensors | {"more": torch.zeros(1)},
        f"{first} is missing": {name: value for name, value in tensors.items() if name != first},
    }.items():
        data = safetensors.torch.save(changed)
        path.write_bytes(data)
        change_settings(folder, weights={"sha256": storage.sha256(data), "bytes": len(data)})
        with pytest.raises(VoiceganError, match=message):
            load_vocoder_pack(folder).build()
    path.write_bytes(b"\x80\x04pickled, not safetensors")
    change_settings(folder, weights={"sha256": storage.sha256(path), "bytes": 1})
    with pytest.raises(VoiceganError, match="not a safetensors file"):
        load_vocoder_pack(folder).build()


def test_damaged_descriptions_are_one_clear_line(tmp_path):
    folder = tmp_path / "v1"
    cases = {
        "made by a newer voicegan": {"format": 2},
        "states no format": {"format": "one"},
        "name is 5": {"name": 5},
        "cannot be the name of a vocoder": {"name": "../v1"},
        "context_frames is": {"context_frames": [1, -2]},
        "sample_rate_hz": {"mel": {}},
        "sha256 is missing": {"weights": {}},
        "licences is not a list": {"licences": [1]},
    }
    for message, changes in cases.items():
        make_vocoder(folder)
        change_settings(folder, **changes)
        with pytest.raises(VoiceganError, match=message) as caught:
            load_vocoder_pack(folder)
        assert "\n" not in str(caught.value) and "voice.json" not in str(caught.value)
    with pytest.raises(VoiceganError, match="is not a vocoder"):
        load_vocoder_pack(tmp_path)


def test_a_description_that_does_not_fit_its_network_is_refused(tmp_path):
    folder = tmp_path / "v1"
    make_vocoder(folder)
    for message, changes in {
        "vocos refuses its settings": {"network": {"depth": 3}},
        "vocos refuses its settings: mels 80, dim -3": {"network": TINY | {"dim": -3}},
        "no vocoder network named 'wavenet'": {"net": "wavenet"},
        "colour": {"mel": SPEC.to_dict() | {"colour": "blue"}},
        "100 bands": {"mel": SPEC.to_dict() | {"mels": 100}},
    }.items():
        make_vocoder(folder)
        change_settings(folder, **changes)
        with pytest.raises(VoiceganError, match=message):
            load_vocoder_pack(folder).build()
