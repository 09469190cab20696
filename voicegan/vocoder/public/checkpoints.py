"""Tensors from files that others have written, without running anything that such a file may hold."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import VoiceganError

_WRAPPERS = ("generator", "model_g", "state_dict", "model")
_NORMED = {  # endings of the two parts of a weight under weight norm: its length and its direction
    "weight_g": "weight_v",
    "parametrizations.weight.original0": "parametrizations.weight.original1",
}
_ELSEWHERE = "Give the file that holds the generator's weights."


def read_checkpoint(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The generator's tensors in fp32 under the names that they have in the file, and what else the file says.

    Reads what torch.save wrote (with weights_only) and safetensors. Raises VoiceganError for what cannot be read, for
    Python objects in it, and where there are no tensors.
    """
    payload = _read(file)
    if not isinstance(payload, Mapping):
        raise VoiceganError(f"{file} holds no weights but a {type(payload).__name__}", _ELSEWHERE)
    for wrapper in _WRAPPERS:
        if isinstance(payload.get(wrapper), Mapping):
            beside = {key: value for key, value in payload.items() if key != wrapper}
            return _tensors(payload[wrapper], file), beside
    return _tensors(payload, file), {}


def _read(file: Path) -> Any:
    if file.is_dir():
        raise VoiceganError(f"{file} is a folder, not the file of a checkpoint", _ELSEWHERE)
    try:
        with open(file, "rb") as opened:
            start = opened.read(64)
    except OSError as error:
        raise VoiceganError(f"{file} cannot be read ({error.strerror})", "Check the path.") from None
    if start.startswith(b"version https://git-lfs"):
        raise VoiceganError(f"{file} only points to the weights (Git LFS)", "Download the file itself.")
    try:
        if file.suffix == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unusual ways of pickling, which are read all the same
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise VoiceganError(
                f"{file} holds Python objects ({found[1]}), which could run code, so it is not read",
                "Save the generator's state_dict alone, in the program that made the file.",
            ) from None
        raise _damaged(file, error) from None
    except Exception as error:  # noqa: BLE001 - torch and safetensors raise many kinds, by what the bytes look like
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> VoiceganError:
    return VoiceganError(
        f"{file} is no checkpoint that can be read ({type(error).__name__})",
        "It should be a file of torch.save or safetensors; download it again.",
    )


def _tensors(values: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, value in values.items():
        if isinstance(key, str) and isinstance(value, Tensor) and value.is_floating_point():
            tensors[key] = value.detach().float()
    if not tensors:
        shown = ", ".join(str(key) for key in list(values)[:5]) or "nothing"
        raise VoiceganError(f"{file} holds no generator's weights (it holds: {shown})", _ELSEWHERE)
    prefix = "module."  # left by training on several devices
    if all(key.startswith(prefix) for key in tensors):
        return {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def plain_weights(tensors: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The same weights without weight norm (Salimans and Kingma 2016), whichever way it was written.

    w = g · v / |v|, the length taken over all axes but the first. Raises VoiceganError where one of the two parts is
    missing or their shapes do not go together.
    """
    plain = dict(tensors)
    for length, direction in _NORMED.items():
        for key in [key for key in plain if key.endswith(("." + length, "." + direction))]:
            if key not in plain:  # done already, with its other part
                continue
            layer = key.removesuffix(length).removesuffix(direction)
            if layer + length not in plain or layer + direction not in plain:
                raise VoiceganError(
                    f"{file}: {key} lacks the other part of weight norm", "Download it again."
                )
            g, v = plain.pop(layer + length), plain.pop(layer + direction)
            if v.ndim < 2 or g.shape != (v.shape[0], *[1] * (v.ndim - 1)):
                raise VoiceganError(
                    f"{file}: {layer}weight has lengths {tuple(g.shape)} for directions {tuple(v.shape)}",
                    "It was normalised in another way than over all axes but the first, which is not read.",
                )
            plain[layer + "weight"] = g * (v / v.flatten(1).norm(dim=1).view_as(g))
    return plain
