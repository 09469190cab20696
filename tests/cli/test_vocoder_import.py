"""`voicegan vocoder import`: a checkpoint as HiFi-GAN's authors publish them becomes a vocoder that is used by name."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tiny_vocoders import SPEC, empty_home  # noqa: F401
from tiny_voices import make_voice, speech_like, tiny_nets  # noqa: F401
from torch import Tensor

from voicegan import storage
from voicegan import vocoder as vocoders
from voicegan.audio.mel import PRESETS
from voicegan.cli import main
from voicegan.errors import VoiceganError
from voicegan.vocoder.library import find_vocoder
from voicegan.vocoder.public import read_public
from voicegan.voice.converter import Converter

pytestmark = pytest.mark.usefixtures("tiny_nets", "empty_home")

SETTINGS = {
    "resblock": "2",
    "upsample_rates": [16, 16],
    "upsample_kernel_sizes": [32, 32],
    "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 2]],
    "num_mels": 80,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": 8000,
}


def checkpoint(folder: Path, **settings: object) -> Path:
    """A generator with weight norm, and config.json beside it."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def layer(name: str, *shape: int, bias: int) -> None:
        state[f"{name}.weight_v"] = torch.randn(shape, generator=generator)
        state[f"{name}.weight_g"] = torch.rand(shape[0], 1, 1, generator=generator) + 0.5
        state[f"{name}.bias"] = torch.randn(bias, generator=generator) * 0.1

    layer("conv_pre", 8, 80, 7, bias=8)
    for stage, channels in enumerate((8, 4)):
        layer(f"ups.{stage}", channels, channels // 2, 32, bias=channels // 2)
        for i in range(2):
            layer(f"resblocks.{stage}.convs.{i}", channels // 2, channels // 2, 3, bias=channels // 2)
    layer("conv_post", 1, 2, 7, bias=1)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"generator": state}, folder / "g_02500000")
    (folder / "config.json").write_text(json.dumps(SETTINGS | settings))
    return folder / "g_02500000"


def run(*arguments: object):
    return CliRunner().invoke(main, ["vocoder", *map(str, arguments)])


def test_a_checkpoint_becomes_a_vocoder_that_sounds_the_same(tmp_path):
    file = checkpoint(tmp_path / "UNIVERSAL V1")
    result = run("import", file, "--name", "universal", "--licence", "MIT")
    assert result.exit_code == 0, result.output
    for fact in (
        "HiFi-GAN",
        "sample_rate_hz 22050",
        "fmax_hz 8000.0",
        "center False",
        "No installed voice has this",
    ):
        assert fact in result.stdout
    assert str(storage.home() / "vocoders" / "universal") in result.stdout
    pack = find_vocoder("universal")
    assert (pack.mel, pack.licences) == (PRESETS["hifigan-22k"], ("MIT",))
    assert pack.training["file"] == "g_02500000" and pack.training["sha256"] == storage.sha256(file)
    assert "g_02500000" in pack.card and "- MIT" in pack.card and "- hop: 256" in pack.card
    public = read_public(file, None)
    assert all(torch.equal(pack.build().state_dict()[key], value) for key, value in public.state.items())
    mel = torch.rand(1, 80, 40) * 6 - 8
    made = vocoders.load("universal", PRESETS["hifigan-22k"]).synthesize(mel)
    whole = pack.build()(mel)
    assert made.shape == whole.shape and torch.allclose(made, whole, atol=1e-5)
    assert float(made.abs().max()) > 0.01
    listed = json.loads(run("list", "--json").stdout)["vocoders"]
    assert listed[-1]["name"] == "universal" and listed[-1]["kind"] == "hifigan"


def test_the_name_works_wherever_a_vocoder_is_named(tmp_path):
    voice = make_voice(storage.home() / "voices" / "slt")
    other = run("import", checkpoint(tmp_path / "22k"), "--name", "other")
    result = run(
        "import", checkpoint(tmp_path / "16k", sampling_rate=16000), "--name", "mine", "--half"
    )  # HiFi-GAN's frames are not centred, those of the bundled voices are
    assert other.exit_code == result.exit_code == 0, result.output
    with pytest.raises(VoiceganError, match="center is True in the voice and False in the vocoder mine"):
        Converter(voice, device="cpu", vocoder="mine")
    not_centred = make_voice(
        storage.home() / "voices" / "bdl", name="bdl", mel=find_vocoder("mine").mel, vocoder="mine"
    )
    result = run("import", tmp_path / "16k" / "g_02500000", "--name", "mine", "--force")
    assert "It fits the voices bdl: voicegan convert RECORDING --to VOICE --vocoder mine" in result.stdout
    wav, _ = Converter(not_centred, device="cpu").convert(speech_like(0.5), 16000)
    assert len(wav) == 8000
    with pytest.raises(
        VoiceganError, match="sample_rate_hz is 16000 in the voice and 22050 in the vocoder other"
    ):
        Converter(not_centred, device="cpu", vocoder="other")


def test_a_config_elsewhere_can_be_named(tmp_path):
    file = checkpoint(tmp_path / "a")
    os.rename(tmp_path / "a" / "config.json", tmp_path / "settings.json")
    assert run("import", file, "--name", "v1").exit_code == 2
    assert run("import", file, "--name", "v1", "--config", tmp_path / "settings.json").exit_code == 0


def test_a_name_that_is_taken_is_replaced_only_with_force(tmp_path):
    file = checkpoint(tmp_path / "a")
    assert run("import", file, "--name", "v1").exit_code == 0
    whole = find_vocoder("v1").weights_bytes
    again = run("import", file, "--name", "v1")
    assert again.exit_code == 2 and "--force" in again.stderr
    assert run("import", file, "--name", "v1", "--half", "--force").exit_code == 0
    assert find_vocoder("v1").weights_bytes < 0.6 * whole


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("auto", "is the name of a built-in vocoder"),
        ("griffin-lim", "is the name of a built-in vocoder"),
        ("a/b", "cannot be the name of a vocoder"),
        ("", "cannot be the name of a vocoder"),
    ],
)
def test_names_that_would_hide_others_are_refused(tmp_path, name, said):
    result = run("import", checkpoint(tmp_path / "a"), "--name", name)
    assert result.exit_code == 2 and said in result.stderr


def test_what_is_no_checkpoint_leaves_nothing(tmp_path):
    file = checkpoint(tmp_path / "a", upsample_initial_channel=16)
    sound = tmp_path / "a.wav"
    sound.write_bytes(b"RIFF")
    for wrong in (file, sound, tmp_path / "missing"):
        result = run("import", wrong, "--name", "v1")
        assert result.exit_code == 2 and result.stderr.startswith("error: ")
        assert len(result.stderr.splitlines()) == 1 and "fault in voicegan" not in result.stderr
    state = torch.load(checkpoint(tmp_path / "b"), weights_only=True)
    state["generator"]["conv_pre.bias"][0] = math.nan
    torch.save(state, tmp_path / "b" / "g_02500000")
    assert "not finite" in run("import", tmp_path / "b" / "g_02500000", "--name", "v1").stderr
    assert not (storage.home() / "vocoders").exists()
