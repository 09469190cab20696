"""Names of vocoders: the table's, installed ones, paths, and "auto"."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_vocoders import SPEC, TINY, bundled, empty_home, make_vocoder, tiny_net  # noqa: F401

from voicegan import storage
from voicegan import vocoder as vocoders
from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.vocoder.library import find_vocoder, installed, user_folder
from voicegan.vocoder.neural import NeuralVocoder

pytestmark = pytest.mark.usefixtures("empty_home")


def test_the_users_own_hide_the_bundled() -> None:
    assert installed() == ([], {})
    make_vocoder(bundled() / "v1", source="bundled")
    make_vocoder(bundled() / "v2")
    mine = make_vocoder(user_folder() / "v1", source="mine")
    assert user_folder() == storage.home() / "vocoders"
    assert [(pack.name, pack.source) for pack in installed()[0]] == [("v1", "mine"), ("v2", "made in a test")]
    assert (
        find_vocoder("v1")
        == find_vocoder(str(mine.folder))
        == find_vocoder(mine.folder / "vocoder.json")
        == mine
    )


def test_a_damaged_vocoder_hides_no_other() -> None:
    make_vocoder(user_folder() / "v1")
    make_vocoder(user_folder() / "v2")
    (user_folder() / "v1" / "vocoder.json").write_text("{}")
    packs, broken = installed()
    assert [pack.name for pack in packs] == ["v2"] and list(broken) == [user_folder() / "v1"]
    with pytest.raises(VoiceganError, match="states no format"):
        vocoders.load("v1", SPEC)


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from voicegan.vocoder.library import installed, find_vocoder; installed(); "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_net()
    make_vocoder(user_folder() / "v1", generator=net, half=False)
    make_vocoder(tmp_path / "elsewhere" / "v2", generator=net, half=False)
    monkeypatch.chdir(tmp_path)
    mel = torch.rand(1, 80, 9) * 6 - 8
    for name in ("v1", "elsewhere/v2", str(tmp_path / "elsewhere" / "v2")):
        vocoder = vocoders.load(name, SPEC)
        assert isinstance(vocoder, NeuralVocoder) and vocoder.name == name and vocoder.spec == SPEC
        assert torch.allclose(vocoder.synthesize(mel), net(mel)[:, : 8 * 256], atol=1e-4)
        assert vocoders.load(vocoders.resolve(name, SPEC), SPEC).spec == SPEC
    assert [vocoders.resolve(name, SPEC) for name in ("v1", "auto", "griffin-lim")] == [
        "v1",
        "auto",
        "griffin-lim",
    ]
    assert vocoders.resolve("elsewhere/v2", SPEC) == str(tmp_path / "elsewhere" / "v2")


@pytest.mark.parametrize("ask", [vocoders.resolve, vocoders.load])
def test_an_unknown_name_lists_the_table_and_the_installed(ask) -> None:
    make_vocoder(user_folder() / "universal")
    with pytest.raises(VoiceganError, match="did you mean universal") as caught:
        ask("univresal", SPEC)
    assert "griffin-lim-live" in str(caught.value) and "universal" in caught.value.hint
    with pytest.raises(VoiceganError, match="is not a vocoder"):
        ask("nowhere/v1", SPEC)


def test_another_contract_is_refused_by_the_field() -> None:
    make_vocoder(user_folder() / "v1")
    for field, other in {
        "sample_rate_hz": 22050,
        "fmax_hz": 7600.0,
        "log_base": "10",
        "center": False,
        "norm": None,
        "clamp": 1e-7,
    }.items():
        spec = dataclasses.replace(SPEC, **{field: other})
        for ask in (vocoders.load, vocoders.resolve):
            with pytest.raises(VoiceganError, match=f"do not fit together: {field} is ") as caught:
                ask("v1", spec)
            assert "the vocoder v1" in str(caught.value)
    with pytest.raises(VoiceganError, match=r"sample_rate_hz is 24000.*; mels is 100"):
        vocoders.load("v1", PRESETS["vocos-24k"])


def test_auto_is_the_bundled_vocoder_of_the_contract_or_needs_no_training() -> None:
    make_vocoder(user_folder() / "mine")  # one that the user imported is never chosen unasked
    assert vocoders.load("auto", SPEC).name == "griffin-lim"
    make_vocoder(bundled() / "a-22k", mel=PRESETS["hifigan-22k"], network=TINY | {"padding": "same"},
                 generator=tiny_net(**TINY, padding="same"))  # fmt: skip
    make_vocoder(bundled() / "b-16k")
    assert vocoders.load("auto", SPEC).name == "b-16k"
    assert vocoders.load("auto", PRESETS["hifigan-22k"]).name == "a-22k"
    assert vocoders.load("auto", PRESETS["vocos-24k"]).name == "griffin-lim"


@pytest.mark.parametrize("name", vocoders.VOCODERS.names())
def test_the_table_states_what_its_vocoders_look_ahead(name: str) -> None:
    assert vocoders.load(name, SPEC).lookahead_frames == vocoders.LOOKAHEAD_FRAMES[name]
