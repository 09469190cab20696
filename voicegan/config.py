"""Configuration: frozen pydantic models, and one loader for TOML files and ``a.b=c`` overrides.

Defaults live in the classes and nowhere else; a file states only what differs. An unknown key is an error that
names the nearest known one, since a misspelt key that is ignored costs a training run.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from .errors import VoiceganError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Config(pydantic.BaseModel):
    """Base of every configuration: frozen, closed to unknown keys, its defaults validated too.

    Use tuples rather than lists for sequences, so that a frozen config is frozen all the way down.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )


C = TypeVar("C", bound=Config)


def load(cls: type[C], file: Path | None = None, overrides: Sequence[str] = ()) -> C:
    """Build a config from its defaults, then a TOML file, then ``a.b=c`` overrides.

    Raises
    ------
    VoiceganError
        The file is missing or no TOML, an override has no ``=``, a key is unknown (the nearest known key is
        named), or a value is wrong (key, value and expectation are named).
    """
    return build(cls, merge(read_toml(file) if file else {}, overrides), str(file) if file else "")


def build(cls: type[C], values: Mapping[str, Any], source: str = "") -> C:
    """Validate plain values as `cls`; `source` (a file name) is named in the error. Raises VoiceganError."""
    try:
        return cls.model_validate(values)
    except pydantic.ValidationError as error:
        raise _explain(cls, error, source) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises VoiceganError with the line number where it is broken."""
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise VoiceganError(f"{path} does not exist", "Check the path of the configuration file.") from None
    except OSError as error:
        raise VoiceganError(
            f"{path} cannot be read ({error.strerror})", "Give a readable TOML file."
        ) from None
    except UnicodeDecodeError:
        raise VoiceganError(f"{path} is not UTF-8 text", "Save the configuration as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's message ends in "(at line 3, column 7)".
        raise VoiceganError(
            f"{path} is not valid TOML: {error}", 'Strings need quotes: name = "slt".'
        ) from None


def merge(base: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Lay ``a.b=c`` overrides over nested values; `base` stays as it is.

    ``c`` is read as a TOML value (``5e-4``, ``true``, ``[1, 2]``, ``"text"``) and, failing that, as a string.
    Raises VoiceganError for an override without ``=`` or a path that runs through a value.
    """
    merged = _copy(base)
    for override in overrides:
        key, equals, text = override.partition("=")
        names = [name.strip() for name in key.split(".")]
        if not equals or not all(names):
            raise VoiceganError(
                f"override {override!r} is not of the form key=value", "Write for example: steps=1000"
            )
        inner = merged
        for depth, name in enumerate(names[:-1], start=1):
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise VoiceganError(
                    f"override {override!r}: {'.'.join(names[:depth])} is a value, not a section",
                    f"Set it with {'.'.join(names[:depth])}=...",
                )
        inner[names[-1]] = _toml_value(text.strip())
    return merged


def known_keys(cls: type[Config], prefix: str = "") -> Iterator[str]:
    """Every key that `cls` knows, dotted: ``steps``, ``corpus.trim``, ..."""
    for name, field in cls.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            yield from known_keys(field.annotation, f"{prefix}{name}.")


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # "1\nother = 2" would smuggle in a second key: then it is a string as it stands.
    return parsed["value"] if len(parsed) == 1 else text


def _explain(cls: type[Config], error: pydantic.ValidationError, source: str) -> VoiceganError:
    """The first of pydantic's faults as one line that names the key, the value and what is expected."""
    fault = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in fault["loc"])
    place = f"{source}: " if source else ""
    if fault["type"] == "extra_forbidden":
        known = list(known_keys(cls))
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        # A key whose last part is right but whose section is wrong or missing: "lr" for "optimizer.lr".
        near = near or [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]][:1]
        hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(cls.model_fields)}."
        return VoiceganError(f"{place}unknown key {key!r}", hint)
    expected = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if fault["type"] == "missing" and isinstance(fault["loc"][-1], int):  # a place in a tuple
        return VoiceganError(
            f"{place}{key.rpartition('.')[0]} = {fault['input']!r} is wrong", "Expected: more values."
        )
    if fault["type"] == "missing":
        return VoiceganError(f"{place}key {key!r} is missing", "It has no default: set it.")
    if not key:  # a rule between several keys, raised by a validator of the whole model
        return VoiceganError(f"{place}{expected}", "Change the values so that they agree.")
    return VoiceganError(f"{place}{key} = {fault['input']!r} is wrong", f"Expected: {expected}.")
