"""A voice on disk: saved whole, read with care."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_voices import MELS, NETS, TinyLocal, make_voice, pictured, tiny_nets  # noqa: F401

from voicegan import storage
from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.voice import pack as packs
from voicegan.voice.pack import check_name, load_pack

pytestmark = pytest.mark.usefixtures("tiny_nets")


def change_settings(folder: Path, **changes: object) -> None:
    path = folder / "voice.json"
    values = json.loads(path.read_text())
    values.update(changes)
    path.write_text(json.dumps(values))


def test_what_is_saved_is_read_again(tmp_path):
    torch.manual_seed(3)
    network = {"width": 8}
    generator = TinyLocal(**network)
    pack = make_voice(
        tmp_path / "slt", generator=generator, network=network, half=False, vocoder="griffin-lim"
    )
    assert (pack.name, pack.sources, pack.net, pack.latency_frames) == ("slt", ("bdl",), "tiny-local", 5)
    assert pack.mel == PRESETS["16k"] and pack.rate_hz == 16000
    assert pack.training == {"minutes": 1.5} and pack.licences == ("CC0",) and pack.consent == "given"
    assert "A voice for tests" in pack.card
    built, statistics = pack.build()
    assert not built.training and not any(p.requires_grad for p in built.parameters())
    for key, value in generator.state_dict().items():
        assert torch.equal(built.state_dict()[key], value)
    assert torch.equal(statistics["source.std"], torch.full((MELS,), 2.0))


def test_a_voice_that_hears_pitch_knows_two_pitches(tmp_path):
    pack = make_voice(tmp_path / "slt", **pictured(120.0, 210.0))
    assert pack.normaliser == "envelope" and pack.speaks_from("whoever")
    _, statistics = pack.build()
    assert torch.equal(statistics["source.pitch"], torch.tensor([120.0]).log())
    assert torch.equal(statistics["target.pitch"], torch.tensor([210.0]).log())
    assert set(make_voice(tmp_path / "other").build()[1]) == set(packs.STATISTICS)


@pytest.mark.parametrize("pitch", [None, torch.zeros(2), torch.tensor([150.0])])
def test_a_pitch_that_is_missing_or_none_is_noticed(tmp_path, pitch):
    import safetensors.torch

    make_voice(tmp_path / "slt", **pictured())
    tensors = safetensors.torch.load((tmp_path / "slt" / "weights.safetensors").read_bytes())
    del tensors["target.pitch"]
    if pitch is not None:
        tensors["target.pitch"] = pitch
    rewrite_weights(tmp_path / "slt", safetensors.torch.save(tensors))
    message = "is 150, not ln Hz" if pitch is not None and len(pitch) == 1 else "lacks target.pitch, 1 values"
    with pytest.raises(VoiceganError, match=message):
        load_pack(tmp_path / "slt").build()


def test_half_precision_halves_the_file_and_spares_the_statistics(tmp_path):
    odd = {
        f"{side}.{what}": torch.full((MELS,), 1.0001)
        for side in ("source", "target")
        for what in ("mean", "std")
    }
    generator = TinyLocal(width=64)
    whole = make_voice(tmp_path / "a", generator=generator, network={"width": 64}, half=False)
    half = make_voice(tmp_path / "b", generator=generator, network={"width": 64}, statistics=odd)
    assert half.weights_bytes < 0.56 * whole.weights_bytes
    built, statistics = half.build()
    assert torch.equal(statistics["source.mean"], odd["source.mean"])
    for key, value in generator.state_dict().items():
        assert built.state_dict()[key].dtype == torch.float32
        assert torch.allclose(built.state_dict()[key], value, atol=1e-3)


def test_a_weight_beyond_half_precision_is_kept_whole(tmp_path):
    generator = NETS["louder"](by=1e6)
    built, _ = make_voice(tmp_path / "a", net="louder", generator=generator).build()
    assert float(built.by) == 1e6


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path):
    make_voice(tmp_path / "slt", card="old")
    (tmp_path / "slt" / "stray.txt").write_text("of the old voice")
    assert make_voice(tmp_path / "slt", card="new").card == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slt"]
    assert {path.name for path in (tmp_path / "slt").iterdir()} == {
        "README.md",
        "voice.json",
        "weights.safetensors",
    }


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_failure_while_saving_keeps_the_old_voice(tmp_path, monkeypatch, failing):
    make_voice(tmp_path / "slt", card="old")
    calls = []
    real = storage.write_atomic

    def write(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(storage, "write_atomic", write)
    with pytest.raises(VoiceganError, match="No space left"):
        make_voice(tmp_path / "slt", card="new")
    assert load_pack(tmp_path / "slt").card == "old"
    load_pack(tmp_path / "slt").build()
    assert [path.name for path in tmp_path.iterdir()] == ["slt"]


def test_an_interruption_between_the_renames_brings_the_old_voice_back(tmp_path, monkeypatch):
    make_voice(tmp_path / "slt", card="old")
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        make_voice(tmp_path / "slt", card="new")
    assert load_pack(tmp_path / "slt").card == "old"


def test_a_folder_that_is_no_voice_is_not_replaced(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(VoiceganError, match="is not a voice"):
        make_voice(tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("where", ["weights", "statistics"])
def test_numbers_that_are_not_finite_are_not_saved(tmp_path, where):
    generator, changes = TinyLocal(), {}
    if where == "weights":
        generator.first.weight.data[0, 0, 0] = float("nan")
    else:
        changes["statistics"] = {name: torch.full((MELS,), float("inf")) for name in packs.STATISTICS}
    with pytest.raises(VoiceganError, match="not finite"):
        make_voice(tmp_path / "slt", generator=generator, **changes)
    assert not (tmp_path / "slt").exists()


def test_a_flipped_byte_in_the_weights_is_noticed(tmp_path):
    pack = make_voice(tmp_path / "slt")
    path = tmp_path / "slt" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(VoiceganError, match="SHA-256"):
        pack.build()


def rewrite_weights(folder: Path, data: bytes) -> None:
    (folder / "weights.safetensors").write_bytes(data)
    change_settings(folder, weights={"sha256": storage.sha256(data), "bytes": len(data)})


def test_weights_that_match_their_checksum_are_still_looked_at(tmp_path):
    import safetensors.torch

    folder = tmp_path / "slt"
    make_voice(folder)
    good = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    poisoned = {name: value.clone() for name, value in good.items()}
    poisoned["generator.second.bias"][0] = float("nan")
    cases = {
        "not finite": poisoned,
        "second.bias is missing": {
            name: value for name, value in good.items() if name != "generator.second.bias"
        },
        "extra is unknown": good | {"generator.extra": torch.zeros(1)},
        r"second.bias is \(3,\) where \(80,\)": good | {"generator.second.bias": torch.zeros(3)},
        "lacks target.std": {name: value for name, value in good.items() if name != "target.std"},
        "not above zero": good | {"source.std": torch.zeros(MELS)},
        "lacks source.mean": good | {"source.mean": torch.zeros(5)},
    }
    for message, tensors in cases.items():
        rewrite_weights(folder, safetensors.torch.save(tensors))
        with pytest.raises(VoiceganError, match=message):
            load_pack(folder).build()
    rewrite_weights(folder, b"\x80\x04pickled, not safetensors")
    with pytest.raises(VoiceganError, match="not a safetensors file"):
        load_pack(folder).build()
    (folder / "weights.safetensors").unlink()
    with pytest.raises(VoiceganError, match="cannot be read"):
        load_pack(folder).build()


def test_a_network_that_refuses_its_settings_is_named(tmp_path):
    make_voice(tmp_path / "slt")
    change_settings(tmp_path / "slt", network={"depth": 99})
    with pytest.raises(VoiceganError, match="tiny-local refuses its settings"):
        load_pack(tmp_path / "slt").build()


def test_damaged_descriptions_are_one_clear_line(tmp_path):
    folder = tmp_path / "slt"
    cases = {
        "made by a newer voicegan": {"format": 2},
        "states no format": {"format": "one"},
        "name is 5": {"name": 5},
        "cannot be the name of a voice": {"name": "../slt"},
        "sources is not a list of names": {"sources": [1]},
        "none of fixed, running, envelope": {"normaliser": "guessed"},
        "level_db is 30": {"level_db": 30},
        "latency_frames is True": {"latency_frames": True},
        "sample_rate_hz": {"mel": {}},
        "sha256 is missing": {"weights": {}},
    }
    for message, changes in cases.items():
        make_voice(folder)
        change_settings(folder, **changes)
        with pytest.raises(VoiceganError, match=message) as caught:
            load_pack(folder)
        assert "\n" not in str(caught.value)
    for text in ("", "{", "[]", "null", '{"format": 1}', "\x00\xff"):
        (folder / "voice.json").write_text(text)
        with pytest.raises(VoiceganError):
            load_pack(folder)
    with pytest.raises(VoiceganError, match="is not a voice"):
        load_pack(tmp_path)


def test_a_mel_contract_with_a_foreign_key_is_refused(tmp_path):
    make_voice(tmp_path / "slt")
    change_settings(tmp_path / "slt", mel=PRESETS["16k"].to_dict() | {"colour": "blue"})
    with pytest.raises(VoiceganError, match="colour"):
        load_pack(tmp_path / "slt").build()


def test_names_that_are_no_file_names_are_refused():
    for name in ("", ".", "..", ".hidden", "a/b", "a\\b", "-x", "a:b", "x.", "x ", "new\nline", "x" * 200):
        with pytest.raises(VoiceganError, match="cannot be the name"):
            check_name(name)
    for name in ("slt", "Zoë", "VCTK p225", "a.b-c_d+e", "東京", "p225 (take 2)"):
        assert check_name(name) == name


def test_saving_states_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VoiceganError, match="cannot be written"):
        make_voice(tmp_path / "file" / "slt")
