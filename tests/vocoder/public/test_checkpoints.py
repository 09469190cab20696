"""Tensors from foreign files: nothing in them is run, and what is wrong is one clear line."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from public_checkpoints import hifigan

from voicegan.errors import VoiceganError
from voicegan.vocoder.public import read_public
from voicegan.vocoder.public.checkpoints import plain_weights, read_checkpoint


def refusal(file: Path) -> str:
    with pytest.raises(VoiceganError) as caught:
        read_checkpoint(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrapper", ["generator", "model_g", "state_dict", "model", ""])
def test_tensors_are_found_in_their_wrappers(wrapper: str, tmp_path: Path) -> None:
    state = {"a.weight": torch.ones(2, dtype=torch.float16), "steps": torch.tensor(3)}
    torch.save({wrapper: state, "step": 4} if wrapper else state, tmp_path / "g")
    tensors, others = read_checkpoint(tmp_path / "g")
    assert list(tensors) == ["a.weight"]
    assert tensors["a.weight"].dtype == torch.float32
    assert others == ({"step": 4} if wrapper else {})


def test_safetensors(tmp_path: Path) -> None:
    published = hifigan()
    published.write(tmp_path)
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(published.weights, file)
    assert read_public(file).net == "hifigan"
    file.write_bytes(file.read_bytes()[:100])
    assert "no checkpoint that can be read" in refusal(file)


class Trap:
    """Unpickling it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(zipped: bool, tmp_path: Path) -> None:
    trap = {"generator": {"w": torch.zeros(1)}, "more": Trap(tmp_path / "sprung")}
    torch.save(trap, tmp_path / "g", _use_new_zipfile_serialization=zipped)
    message = refusal(tmp_path / "g")
    assert "could run code" in message
    assert not (tmp_path / "sprung").exists()
    (tmp_path / "plain").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    refusal(tmp_path / "plain")
    assert not (tmp_path / "sprung").exists()


def test_broken_files_are_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere")
    assert "folder" in refusal(tmp_path)
    buffer = io.BytesIO()
    torch.save({"generator": {"w": torch.zeros(99)}}, buffer)
    for content in (
        b"",
        b"<html>not found</html>",
        buffer.getvalue()[:200],
        buffer.getvalue()[:-50],
        b"PK\x03\x04",
    ):
        (tmp_path / "g").write_bytes(content)
        assert "no checkpoint that can be read" in refusal(tmp_path / "g")
    (tmp_path / "g").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    assert "Git LFS" in refusal(tmp_path / "g")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (torch.zeros(3), "Tensor"),
        ([torch.zeros(3)], "list"),
        ({"mpd": {"w": torch.zeros(1)}, "msd": {}, "optim_g": {}, "steps": 4}, "mpd, msd, optim_g"),
        ({"generator": {}}, "nothing"),
        ({}, "nothing"),
    ],
)
def test_files_without_a_generator_are_named(content: object, named: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "do_02500000")
    assert named in refusal(tmp_path / "do_02500000")


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
def test_plain_weights_are_what_torchs_weight_norm_gives() -> None:
    for make in (torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm):
        for kind in (torch.nn.Conv1d, torch.nn.ConvTranspose1d):
            layer = torch.nn.Sequential(make(kind(3, 5, 4)))
            with torch.no_grad():
                next(p for n, p in layer.named_parameters() if n.endswith(("_g", "original0"))).mul_(1.7)
                layer(torch.zeros(1, 3, 9))  # the old form computes its weight when it is used
            plain = plain_weights(layer.state_dict(), Path("g"))
            assert set(plain) == {"0.weight", "0.bias"}
            torch.testing.assert_close(plain["0.weight"], layer[0].weight.detach())


@pytest.mark.parametrize(
    "state",
    [
        {"a.weight_g": torch.ones(2, 1, 1)},
        {"a.weight_v": torch.ones(2, 1, 1)},
        {"a.parametrizations.weight.original1": torch.ones(2, 1, 1)},
        {"a.weight_g": torch.ones(1, 3, 1), "a.weight_v": torch.ones(2, 3, 1)},
        {"a.weight_g": torch.ones(()), "a.weight_v": torch.ones(2)},
    ],
)
def test_halves_of_weight_norm_are_named(state: dict) -> None:
    with pytest.raises(VoiceganError, match="a.weight|a.param"):
        plain_weights(state, Path("g"))


def test_weights_of_no_direction_are_not_finite(tmp_path: Path) -> None:
    published = hifigan()
    file = published.write(tmp_path, "old")
    state = torch.load(file, weights_only=True)["generator"]
    state["conv_pre.weight_v"].zero_()
    published.save(file, state)
    with pytest.raises(VoiceganError, match="not finite, in conv_pre.weight"):
        read_public(file)


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", '"x"', "[" * 99999, "9" * 9999])
def test_settings_that_are_no_settings_are_named(content: str, tmp_path: Path) -> None:
    file = hifigan().write(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(VoiceganError, match="config.json"):
        read_public(file)
    with pytest.raises(VoiceganError, match="does not exist"):
        read_public(file, tmp_path / "missing.json")
    with pytest.raises(VoiceganError, match="missing.yaml"):
        read_public(file, tmp_path / "missing.yaml")
