"""Systems by name: those of the table, and one's own, named by where their class is."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import VoiceganError, is_out_of_memory
from .systems import SYSTEMS

if TYPE_CHECKING:
    from .systems.base import ImageSystem


def is_own(name: object) -> bool:
    """Whether a name means a class of one's own: ``my_gan.py:MyGAN`` or ``my_package.gan:MyGAN``."""
    return isinstance(name, str) and (":" in name or name.endswith(".py"))


def parts(name: str) -> tuple[str, str]:
    """Where a class of one's own is, and what it is called; nothing where that was forgotten."""
    if name.endswith(".py"):
        return name, ""
    place, _, attribute = name.rpartition(":")
    return place, attribute


def option(name: str) -> str:
    """What a command needs after a model's name: its code, where that is one's own."""
    return f" --system {shlex.quote(name)}" if is_own(name) else ""


def spelled(name: str) -> str:
    """A name as it holds from any folder: a file by its whole path."""
    place, attribute = parts(name)
    return (
        f"{Path(place).expanduser().absolute()}:{attribute}"
        if is_own(name) and place.endswith(".py")
        else name
    )


class Systems:
    """The table's systems and everybody's own, as `core.runs.resolve` asks for them.

    Code of one's own is imported, which runs it: only names that the user has given may come here.
    """

    def __contains__(self, name: object) -> bool:
        return is_own(name) or name in SYSTEMS

    def get(self, name: str) -> type[ImageSystem]:
        """The class. Raises VoiceganError for an unknown name, and for code that holds no such system."""
        kind: type[ImageSystem] = _import(name) if is_own(name) else SYSTEMS.get(name)
        return kind


ALL = Systems()


@contextmanager
def blamed(name: str) -> Iterator[None]:
    """Tell what goes wrong within as the fault of a system of one's own, where `name` means one.

    Raises VoiceganError with the line of the user's file that was reached last.
    """
    try:
        yield
    except VoiceganError:
        raise
    except Exception as error:  # it is the user's code, which may raise anything
        if not is_own(name) or is_out_of_memory(error):
            raise
        place, attribute = parts(name)
        own = sys.modules[ALL.get(name).__module__].__file__
        lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == own]
        if isinstance(error, OSError) and not lines:
            raise
        where = f"{own}, line {lines[-1]}" if lines else place
        raise VoiceganError(
            f"{attribute} cannot be trained: {where} ({type(error).__name__}: {error})",
            "Mend it; --debug shows the whole way there.",
        ) from error


def _import(name: str) -> type[ImageSystem]:
    from .systems.base import ImageSystem

    place, attribute = parts(name)
    if not attribute:
        raise VoiceganError(f"{place} is named without its class", _classes_in(place))
    module = _module(place)
    kind = getattr(module, attribute, None)
    if kind is None:
        raise VoiceganError(f"{place} holds no {attribute}", "Name its class: my_gan.py:MyGAN.")
    if not (isinstance(kind, type) and issubclass(kind, ImageSystem)):
        raise VoiceganError(f"{attribute} of {place} is no image system",
                            "Derive it from voicegan.image.systems.base.ImageSystem.")  # fmt: skip
    for wanted in ("Config", "trainer_defaults"):
        if not hasattr(kind, wanted):
            raise VoiceganError(
                f"{attribute} of {place} has no {wanted}", "Every image system states its own."
            )
    return kind


def _classes_in(place: str) -> str:
    """The hint that names the classes of a file, which is not run for that."""
    found: list[str] = []
    if place.endswith(".py"):
        path = Path(place).expanduser()
        if not path.is_file():
            return "There is no such file either: name one, and its class: my_gan.py:MyGAN."
        with suppress(OSError, SyntaxError, ValueError):
            classes = [node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ClassDef)]
            found = [node.name for node in classes if node.bases and not node.name.endswith("Config")]
    return f"Name it: {' or '.join(f'{place}:{name}' for name in found or ['MyGAN'])}."


def _module(place: str) -> ModuleType:
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        path = Path(place).expanduser().absolute()
        if not path.is_file():
            raise VoiceganError(f"{path} does not exist", "Name the file that holds the system's class.")
        # Under a name of its own, so that it hides no installed module; registered, as pickle and pydantic expect.
        called = f"voicegan_own_{path.stem}"
        if called in sys.modules and getattr(sys.modules[called], "__file__", None) == str(path):
            return sys.modules[called]
        spec = importlib.util.spec_from_file_location(called, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[called] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[called]
            raise
        return module
    except VoiceganError:
        raise
    except Exception as error:  # it is the user's code, which may raise anything
        what = f"{type(error).__name__}: {error}"
        raise VoiceganError(
            f"{place} cannot be imported ({what})", "Mend it; --debug shows where."
        ) from error
