"""A voice on disk: a folder with voice.json, weights.safetensors and README.md.

A voice is one target. Reading what it is imports no torch; only `build` does. Nothing in the folder can run code.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import storage
from ..errors import VoiceganError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..audio.mel import MelSpec

FORMAT = 1
SETTINGS, WEIGHTS, CARD = "voice.json", "weights.safetensors", "README.md"
STATISTICS = ("source.mean", "source.std", "target.mean", "target.std")
ANY_SOURCE = "any"
_HALF_MAX = 65504.0


@dataclass(frozen=True)
class Pack:
    """What voice.json says. The weights stay on disk until `build`."""

    folder: Path
    name: str  # the target speaker
    system: str  # what trained it
    net: str  # the generator's name in the table of networks
    network: Mapping[str, Any]  # its plain arguments
    sources: tuple[str, ...]  # speakers it was trained to convert, or ("any",)
    mel_contract: Mapping[str, Any]
    normaliser: str  # "fixed": the sources' statistics; "running": they follow the speaker who is heard
    vocoder: str
    level_db: float  # active level at which the generator expects its input
    latency_frames: int  # what the generator looks ahead
    sha256: str  # of the weights
    weights_bytes: int
    training: Mapping[str, Any] = field(default_factory=dict)
    licences: tuple[str, ...] = ()
    consent: str = ""

    @property
    def mel(self) -> MelSpec:
        from ..audio.mel import MelSpec

        return MelSpec.from_dict(self.mel_contract)

    @property
    def rate_hz(self) -> int:
        return int(self.mel_contract["sample_rate_hz"])

    @property
    def card(self) -> str:
        """The text of README.md; empty when there is none."""
        try:
            return (self.folder / CARD).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def speaks_from(self, source: str) -> bool:
        return source in self.sources or ANY_SOURCE in self.sources

    def build(self, device: torch.device | str = "cpu") -> tuple[nn.Module, dict[str, Tensor]]:
        """The generator, in evaluation mode and fp32, and its statistics (M,).

        Raises VoiceganError when the weights are missing, are not those that voice.json describes (SHA-256), do not
        fit the network, or hold a number that is not finite. Nothing in the file can run code.
        """
        tensors = self._read_weights()
        statistics = {name: tensors.pop(name).float() for name in STATISTICS if name in tensors}
        self._check_statistics(statistics)
        try:
            generator = network_class(self.net)(**self.network)
        except (TypeError, ValueError) as error:
            raise VoiceganError(f"{self.folder}: {self.net} refuses its settings: {error}", _AGAIN) from None
        weights = {name.removeprefix("generator."): value for name, value in tensors.items()}
        expected = generator.state_dict()
        if differing := _differences(expected, weights):
            raise VoiceganError(
                f"{self.folder / WEIGHTS} does not fit the network {self.net}: {differing}", _AGAIN
            )
        generator.load_state_dict({name: value.to(expected[name].dtype) for name, value in weights.items()})
        generator.eval().requires_grad_(False)
        return generator.to(device), {name: value.to(device) for name, value in statistics.items()}

    def _read_weights(self) -> dict[str, Tensor]:
        import safetensors.torch
        from safetensors import SafetensorError

        path = self.folder / WEIGHTS
        try:
            data = path.read_bytes()
        except OSError as error:
            raise VoiceganError(f"{path} cannot be read ({error.strerror})", _AGAIN) from None
        if storage.sha256(data) != self.sha256:
            raise VoiceganError(
                f"{path} is damaged: its SHA-256 is not the one that {SETTINGS} records", _AGAIN
            )
        try:
            tensors = safetensors.torch.load(data)
        except (SafetensorError, KeyError, ValueError) as error:
            raise VoiceganError(f"{path} is not a safetensors file: {error}", _AGAIN) from None
        for name, value in tensors.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise VoiceganError(
                    f"{path} holds numbers that are not finite, in {name}", "Train the voice again."
                )
        return tensors

    def _check_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        bands = self.mel.mels
        for name in STATISTICS:
            if name not in statistics or tuple(statistics[name].shape) != (bands,):
                raise VoiceganError(f"{self.folder / WEIGHTS} lacks {name}, {bands} values", _AGAIN)
            if name.endswith("std") and not bool((statistics[name] > 0).all()):
                raise VoiceganError(
                    f"{self.folder / WEIGHTS}: {name} has values that are not above zero", _AGAIN
                )


_AGAIN = "Install the voice again, or train it again."


def network_class(name: str) -> Any:
    """The generator class that the table of networks knows as `name`."""
    from .nets import NETS

    return NETS.get(name)


def save_pack(
    folder: Path,
    *,
    name: str,
    system: str,
    generator: nn.Module,
    network: Mapping[str, Any],
    sources: Sequence[str],
    mel: MelSpec,
    statistics: Mapping[str, Tensor],
    card: str,
    net: str | None = None,
    normaliser: str = "fixed",
    vocoder: str = "griffin-lim",
    level_db: float = -26.0,
    training: Mapping[str, Any] | None = None,
    licences: Sequence[str] = (),
    consent: str = "",
    half: bool = True,
) -> Pack:
    """Write a voice: whole or not at all. A voice that was in `folder` stays there until the new one is complete.

    Parameters
    ----------
    net
        The generator's name in the table of networks; by default that of the system.
    network
        The plain arguments with which the table's class builds `generator` again.
    statistics
        "source.mean", "source.std", "target.mean", "target.std", each (M,): stored in fp32.
    half
        Store the weights in float16 (a tensor that does not fit into it stays in fp32).

    Raises VoiceganError for a name that is no file name, weights that are not finite, or a `folder` that exists
    and is not a voice.
    """
    import safetensors.torch

    folder = Path(folder)
    check_name(name)
    if (
        folder.exists()
        and not (folder / SETTINGS).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise VoiceganError(
            f"{folder} exists and is not a voice, so it is not replaced", "Choose another folder."
        )
    tensors = {f"generator.{key}": _stored(value, half) for key, value in generator.state_dict().items()}
    tensors |= {key: statistics[key].detach().float().cpu().contiguous() for key in STATISTICS}
    for key, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise VoiceganError(
                f"{name} is not saved: {key} holds numbers that are not finite", "Train again."
            )
    data = safetensors.torch.save(tensors)
    context = getattr(generator, "context_frames", None)
    settings = {
        "format": FORMAT,
        "name": name,
        "system": system,
        "net": net or system,
        "network": dict(network),
        "sources": list(sources) or [ANY_SOURCE],
        "mel": mel.to_dict(),
        "normaliser": normaliser,
        "vocoder": vocoder,
        "level_db": level_db,
        "latency_frames": int(context[1]) if context else 0,
        "weights": {"file": WEIGHTS, "sha256": storage.sha256(data), "bytes": len(data)},
        "training": dict(training or {}),
        "licences": list(licences),
        "consent": consent,
    }
    _replace_folder(folder, {SETTINGS: _as_json(settings), WEIGHTS: data, CARD: card.encode()})
    return load_pack(folder)


def load_pack(folder: Path) -> Pack:
    """Read voice.json of a voice. Raises VoiceganError when it is missing, damaged, or of a newer format."""
    folder = Path(folder)
    path = folder / SETTINGS
    if not path.is_file():
        raise VoiceganError(f"{folder} is not a voice: it holds no {SETTINGS}", "Give the folder of a voice.")
    values = storage.read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("format"), int):
        raise VoiceganError(f"{path} is not the description of a voice: it states no format", _AGAIN)
    if values["format"] > FORMAT:
        raise VoiceganError(
            f"{path} was made by a newer voicegan (format {values['format']}; this one reads up to {FORMAT})",
            "Update voicegan.",
        )
    read = _Fields(path, values)
    weights = _Fields(path, read.take("weights", dict))
    normaliser = read.take("normaliser", str)
    if normaliser not in ("fixed", "running"):
        raise VoiceganError(f'{path}: normaliser is "{normaliser}", neither "fixed" nor "running"', _AGAIN)
    mel = read.take("mel", dict)
    if not isinstance(mel.get("sample_rate_hz"), int):
        raise VoiceganError(f"{path}: mel.sample_rate_hz is not a whole number", _AGAIN)
    level_db = read.take("level_db", (int, float))
    if not math.isfinite(level_db) or not -80 <= level_db <= 0:
        raise VoiceganError(f"{path}: level_db is {level_db}, not between -80 and 0", _AGAIN)
    return Pack(
        folder=folder,
        name=check_name(read.take("name", str), path),
        system=read.take("system", str),
        net=read.take("net", str),
        network=read.take("network", dict),
        sources=read.strings("sources"),
        mel_contract=mel,
        normaliser=normaliser,
        vocoder=read.take("vocoder", str),
        level_db=float(level_db),
        latency_frames=read.take("latency_frames", int),
        sha256=weights.take("sha256", str),
        weights_bytes=weights.take("bytes", int),
        training=read.take("training", dict),
        licences=read.strings("licences"),
        consent=read.take("consent", str),
    )


def check_name(name: str, path: Path | None = None) -> str:
    """`name` itself, when it can be part of a file name on every system; otherwise VoiceganError."""
    if (
        not re.fullmatch(r"[^\s.\-/\\:*?\"<>|][^/\\:*?\"<>|]{0,98}", name)
        or name.endswith((".", " "))
        or not name.isprintable()
    ):
        where = f"{path}: " if path else ""
        raise VoiceganError(f'{where}"{name}" cannot be the name of a voice', "Use letters, digits, - and _.")
    return name


def _stored(value: Tensor, half: bool) -> Tensor:
    import torch

    value = value.detach().cpu().contiguous()
    if half and value.is_floating_point() and (not value.numel() or float(value.abs().max()) <= _HALF_MAX):
        return value.to(torch.float16)
    return value.clone()


def _differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps `found` from being loaded, in words; empty when it fits. At most three names are given."""
    notes = [f"{name} is missing" for name in expected if name not in found]
    notes += [f"{name} is unknown" for name in found if name not in expected]
    for name, value in expected.items():
        if name in found and found[name].shape != value.shape:
            notes.append(f"{name} is {tuple(found[name].shape)} where {tuple(value.shape)} is expected")
    return "; ".join(notes[:3]) + (f" and {len(notes) - 3} more" if len(notes) > 3 else "")


def _replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    folder = folder.absolute()
    mark = secrets.token_hex(6)
    new, old = (folder.with_name(f".{folder.name}.{mark}.{part}") for part in ("new", "old"))
    try:
        new.mkdir(parents=True)
        for name, data in files.items():
            storage.write_atomic(new / name, data)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        message = f"the voice cannot be written to {folder} ({error.strerror})"
        raise VoiceganError(message, "Check space and rights.") from None
    finally:
        if old.exists() and not folder.exists():  # stopped between the two renames: the old voice comes back
            old.rename(folder)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


class _Fields:
    """Typed access to a JSON object, with errors that name the file and the field."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path = path
        self.values = values

    def take(self, name: str, kind: Any) -> Any:
        if name not in self.values:
            raise VoiceganError(f"{self.path} is damaged: {name} is missing", _AGAIN)
        value = self.values[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise VoiceganError(f"{self.path} is damaged: {name} is {value!r}", _AGAIN)
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        values = self.take(name, list)
        if not all(isinstance(value, str) for value in values):
            raise VoiceganError(f"{self.path} is damaged: {name} is not a list of names", _AGAIN)
        return tuple(values)
