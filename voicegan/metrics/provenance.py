"""What a result was made with, so that its figures can be had again."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__


def stamp(packages: Iterable[str]) -> dict[str, Any]:
    """Program, time, machine, and the versions of packages (None where one is not installed)."""
    return {
        "voicegan": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "versions": {package: _version(package) for package in packages},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
