"""The settings files of public vocoders: JSON or YAML, read as plain values, with errors that name file and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...audio.mel import MelSpec
from ...errors import VoiceganError
from ...storage import read_json
from .plain_yaml import read_yaml

_NAMES = ("config.json", "config.yaml", "config.yml")
_CORRECT = "Correct the settings, or give the right ones: --config."
_MISSING: Any = object()


def beside(file: Path) -> Path | None:
    """The settings that lie beside a checkpoint."""
    return next((path for name in _NAMES if (path := file.parent / name).is_file()), None)


def read_settings(path: Path, text: str | None = None) -> Settings:
    """Read a file by its suffix (JSON unless it is that of YAML), or `text`, which is YAML.

    Raises VoiceganError when it is missing, cannot be read, or is no mapping.
    """
    if text is None and path.suffix.lower() not in (".yaml", ".yml"):
        try:
            values = read_json(path)
        except (RecursionError, ValueError):  # thousands of brackets, or of digits in a number
            values = None
        if not isinstance(values, dict):
            raise VoiceganError(f"{path} holds no settings: they are names and values", _CORRECT)
        return Settings(path, values)
    try:
        text = path.read_text(encoding="utf-8") if text is None else text
    except OSError as error:
        raise VoiceganError(f"{path} cannot be read ({error.strerror})", "Check the path.") from None
    except UnicodeDecodeError:
        raise VoiceganError(f"{path} is not UTF-8 text, so it holds no settings", _CORRECT) from None
    return Settings(path, read_yaml(text, path))


@dataclass(frozen=True)
class Settings:
    """Typed access to values; every method raises VoiceganError where one is missing or of another kind."""

    path: Path
    values: Mapping[str, Any]

    def value(self, name: str, default: Any = _MISSING) -> Any:
        found = self.values.get(name, default)
        if found is _MISSING:
            raise VoiceganError(f"{self.path} does not say {name}", _CORRECT)
        return found

    def inside(self, name: str) -> Settings:
        """The settings under `name`."""
        values = self.value(name)
        if not isinstance(values, dict):
            raise self._wrong(name, "holds no settings")
        return Settings(self.path, values)

    def whole(self, name: str) -> int:
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise self._wrong(name, "is no whole number above 0")
        return value

    def number(self, name: str, default: float | None) -> float | None:
        """A number; null and nothing are `default`."""
        value = self.value(name, None)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
            raise self._wrong(name, "is no number")
        return float(value)

    def switch(self, name: str, default: Any = _MISSING) -> bool:
        value = self.value(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "is neither true nor false")
        return value

    def text(self, name: str, default: Any = _MISSING) -> str:
        value = self.value(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "is no text")
        return value

    def wholes(self, name: str) -> list[int]:
        return self._wholes(name, self.value(name))

    def lists_of_wholes(self, name: str) -> list[list[int]]:
        values = self.value(name)
        if not isinstance(values, list):
            raise self._wrong(name, "is no list of lists")
        return [self._wholes(name, each) for each in values]

    def mel(self, base: MelSpec, **fields: Any) -> MelSpec:
        """`base` with other fields."""
        try:
            return replace(base, **fields)
        except VoiceganError as error:
            raise VoiceganError(f"{self.path}: {error.message}", _CORRECT) from None

    def require_known(self, *names: str) -> None:
        """Raise VoiceganError for a setting that would change the network or the mel in a way not known here."""
        unknown = [name for name, value in self.values.items() if name not in names and value is not None]
        if unknown:
            raise VoiceganError(
                f"{self.path} sets {', '.join(unknown)}, which is not known here",
                f"Known are {', '.join(names)}.",
            )

    def _wholes(self, name: str, values: Any) -> list[int]:
        if not isinstance(values, list) or not all(
            isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 for value in values
        ):
            raise self._wrong(name, "is no list of whole numbers above 0")
        return list(values)

    def _wrong(self, name: str, why: str) -> VoiceganError:
        return VoiceganError(f"{self.path}: {name} {why}: {self.values.get(name)!r}", _CORRECT)
