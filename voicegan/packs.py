"""What voices and vocoders on disk have in common: a folder of settings (JSON), weights (safetensors) and a card.

Such a folder is written whole or not at all, and read with care: nothing in it can run code. Reading what it says of
itself imports no torch; only its weights do.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from . import storage
from .errors import VoiceganError

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, CARD = "weights.safetensors", "README.md"
_HALF_MAX = 65504.0
_THROUGH = " (through the "  # after a licence that was inherited


@dataclass(frozen=True)
class Kind:
    """One kind of pack: how messages call it, and how it is written."""

    noun: str
    settings: str  # the file that describes it
    format: int  # the newest format of that file
    again: str  # what to do about a damaged one

    # Names and folders ---------------------------------------------------------------------------------------

    def check_name(self, name: str, path: Path | None = None) -> str:
        """`name` itself, when it can be part of a file name on every system; otherwise VoiceganError."""
        if (
            not re.fullmatch(r"[^\s.\-/\\:*?\"<>|][^/\\:*?\"<>|]{0,98}", name)
            or name.endswith((".", " "))
            or not name.isprintable()
        ):
            where = f"{path}: " if path else ""
            raise VoiceganError(
                f'{where}"{name}" cannot be the name of a {self.noun}', "Use letters, digits, - and _."
            )
        return name

    def is_in(self, folder: Path) -> bool:
        return (folder / self.settings).is_file()

    def folder_at(self, name: str | Path) -> Path | None:
        """The folder that `name` means where it is a path rather than a name; its settings may be named too."""
        if isinstance(name, Path) or os.sep in name or "/" in name or self.is_in(Path(name)):
            path = Path(name).expanduser()
            return path.parent if path.name == self.settings else path
        return None

    def find(self, roots: Iterable[Path]) -> dict[str, Path]:
        """Folder name to folder, of all packs in `roots`, sorted; an earlier root hides a later one's names."""
        found: dict[str, Path] = {}
        for root in roots:
            if root.is_dir():
                for folder in sorted(root.iterdir()):
                    if not folder.name.startswith(".") and self.is_in(folder):
                        found.setdefault(folder.name, folder)
        return dict(sorted(found.items()))

    def unknown(self, name: str, names: Iterable[str], none: str) -> VoiceganError:
        """The error about a name that is none of `names`: the near ones, or all. `none`: the hint without any."""
        known = sorted(set(names))
        if not known:
            return VoiceganError(f"there is no {self.noun} {name}; none is installed", none)
        near = difflib.get_close_matches(name.lower(), [each.lower() for each in known], n=3, cutoff=0.5)
        meant = [each for each in known if each.lower() in near]
        message = f"there is no {self.noun} {name}" + (
            f"; did you mean {' or '.join(meant)}?" if meant else ""
        )
        return VoiceganError(message, f"Installed: {', '.join(known)}.")

    # Writing -------------------------------------------------------------------------------------------------

    def save(
        self, folder: Path, name: str, settings: Mapping[str, Any], tensors: Mapping[str, Tensor], card: str
    ) -> None:
        """Write a pack: whole or not at all. One that was in `folder` stays there until the new one is complete.

        Raises VoiceganError for a name that is no file name, tensors that are not finite, or a `folder` that exists
        and holds something else.
        """
        import safetensors.torch

        folder = Path(folder)
        self.check_name(name)
        if folder.exists() and not self.is_in(folder) and (not folder.is_dir() or any(folder.iterdir())):
            raise VoiceganError(
                f"{folder} exists and is not a {self.noun}, so it is not replaced", "Choose another folder."
            )
        for key, value in tensors.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise VoiceganError(
                    f"{name} is not saved: {key} holds numbers that are not finite",
                    "Look at where they come from.",
                )
        data = safetensors.torch.save(dict(tensors))
        weights = {"file": WEIGHTS, "sha256": storage.sha256(data), "bytes": len(data)}
        described = {"format": self.format, "name": name, **settings, "weights": weights}
        text = json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self._replace(folder, {self.settings: text.encode(), WEIGHTS: data, CARD: card.encode()})

    def _replace(self, folder: Path, files: Mapping[str, bytes]) -> None:
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
            message = f"the {self.noun} cannot be written to {folder} ({error.strerror})"
            raise VoiceganError(message, "Check space and rights.") from None
        finally:
            if (
                old.exists() and not folder.exists()
            ):  # stopped between the two renames: the old one comes back
                old.rename(folder)
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    # Reading -------------------------------------------------------------------------------------------------

    def read(self, folder: Path) -> Fields:
        """The settings of a pack. Raises VoiceganError when they are missing, damaged, or of a newer format."""
        path = folder / self.settings
        if not path.is_file():
            raise VoiceganError(
                f"{folder} is not a {self.noun}: it holds no {self.settings}",
                f"Give the folder of a {self.noun}.",
            )
        values = storage.read_json(path)
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise VoiceganError(
                f"{path} is not the description of a {self.noun}: it states no format", self.again
            )
        if values["format"] > self.format:
            raise VoiceganError(
                f"{path} was made by a newer voicegan (format {values['format']}; this one reads up to {self.format})",
                "Update voicegan.",
            )
        return Fields(path, values, self.again)

    def read_weights(self, folder: Path, sha256: str) -> dict[str, Tensor]:
        """The tensors of a pack, which have to be those with this checksum, and finite."""
        import safetensors.torch
        from safetensors import SafetensorError

        path = folder / WEIGHTS
        try:
            data = path.read_bytes()
        except OSError as error:
            raise VoiceganError(f"{path} cannot be read ({error.strerror})", self.again) from None
        if storage.sha256(data) != sha256:
            raise VoiceganError(
                f"{path} is damaged: its SHA-256 is not the one that {self.settings} records", self.again
            )
        try:
            tensors = safetensors.torch.load(data)
        except (SafetensorError, KeyError, ValueError) as error:
            raise VoiceganError(f"{path} is not a safetensors file: {error}", self.again) from None
        for name, value in tensors.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise VoiceganError(f"{path} holds numbers that are not finite, in {name}", self.again)
        return tensors

    def build(
        self,
        folder: Path,
        net: str,
        make: Callable[..., nn.Module],
        arguments: Mapping[str, Any],
        weights: Mapping[str, Tensor],
    ) -> nn.Module:
        """The network `net`, made of its plain arguments and filled: in evaluation mode, fp32, without gradients."""
        try:
            network = make(**arguments)
        except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
            raise VoiceganError(f"{folder}: {net} refuses its settings: {error}", self.again) from None
        expected = network.state_dict()
        if differing := differences(expected, weights):
            raise VoiceganError(f"{folder / WEIGHTS} does not fit the network {net}: {differing}", self.again)
        network.load_state_dict({name: value.to(expected[name].dtype) for name, value in weights.items()})
        return network.eval().requires_grad_(False)


P = TypeVar("P")


def read_all(folders: Iterable[Path], load: Callable[[Path], P]) -> tuple[list[P], dict[Path, VoiceganError]]:
    """The packs that can be read, and what is wrong with the others."""
    readable, broken = [], {}
    for folder in folders:
        try:
            readable.append(load(folder))
        except VoiceganError as error:
            broken[folder] = error
    return readable, broken


class Fields:
    """Typed access to a JSON object, with errors that name the file and the field."""

    def __init__(self, path: Path, values: Mapping[str, Any], again: str) -> None:
        self.path = path
        self.values = values
        self.again = again

    def inside(self, name: str) -> Fields:
        """The fields of the object `name`."""
        return Fields(self.path, self.take(name, dict), self.again)

    def take(self, name: str, kind: Any) -> Any:
        if name not in self.values:
            raise VoiceganError(f"{self.path} is damaged: {name} is missing", self.again)
        value = self.values[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise VoiceganError(f"{self.path} is damaged: {name} is {value!r}", self.again)
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        values = self.take(name, list)
        if not all(isinstance(value, str) for value in values):
            raise VoiceganError(f"{self.path} is damaged: {name} is not a list of names", self.again)
        return tuple(values)

    def mel_contract(self, name: str = "mel") -> Mapping[str, Any]:
        """The contract as it stands there: it is understood where it is used, which needs torch."""
        mel: Mapping[str, Any] = self.take(name, dict)
        if not isinstance(mel.get("sample_rate_hz"), int):
            raise VoiceganError(f"{self.path}: {name}.sample_rate_hz is not a whole number", self.again)
        return mel


def card_of(folder: Path) -> str:
    """The text of README.md; empty when there is none."""
    try:
        return (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def stored(value: Tensor, half: bool) -> Tensor:
    """A tensor as it is saved: in float16 where `half` is wished and every value fits into it."""
    import torch

    value = value.detach().cpu().contiguous()
    if half and value.is_floating_point() and (not value.numel() or float(value.abs().max()) <= _HALF_MAX):
        return value.to(torch.float16)
    return value.clone()


def differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps `found` from being loaded, in words; empty when it fits. At most three names are given."""
    notes = [f"{name} is missing" for name in expected if name not in found]
    notes += [f"{name} is unknown" for name in found if name not in expected]
    for name, value in expected.items():
        if name in found and found[name].shape != value.shape:
            notes.append(f"{name} is {tuple(found[name].shape)} where {tuple(value.shape)} is expected")
    return "; ".join(notes[:3]) + (f" and {len(notes) - 3} more" if len(notes) > 3 else "")


class Licensed(Protocol):
    """A voice or a vocoder, as far as its licences go."""

    @property
    def name(self) -> str: ...

    @property
    def licences(self) -> tuple[str, ...]: ...


def licences_in(kind: Kind, packs: Iterable[Licensed]) -> tuple[tuple[str, str], ...]:
    """Each licence in these packs, and in what it came ("voice anna"): see `inherited`."""
    return tuple((line, f"{kind.noun} {pack.name}") for pack in packs for line in pack.licences)


def inherited(licences: Sequence[str], further: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The licences of a pack's own recordings, and those of the recordings that earlier packs were made of.

    What is in a voice is in every voice that sets out from it, or learns from it. further: what `licences_in` gives
    of them.
    """
    if not further:
        return tuple(licences)
    lines = list(licences) or ["the recordings that were given: not stated"]
    for line, came_in in further:
        licence, through, _ = line.partition(_THROUGH)
        if licence not in (known.partition(_THROUGH)[0] for known in lines):
            lines.append(line if through else f"{line}{_THROUGH}{came_in})")
    return tuple(lines)
