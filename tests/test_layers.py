"""The rooms keep apart: who may import whom, read from the source of every module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "voicegan"
LEAVES = {"errors", "config", "storage", "packs", "pictures", "downloads"}
# Room -> rooms that it may import, besides itself and the leaves.
ROOMS = {
    "core": set(),
    "audio": set(),
    "metrics": {"audio"},
    "vocoder": {"metrics", "audio", "core"},
    "voice": {"vocoder", "metrics", "audio", "core"},
    "image": {"core"},
    "datasets": set(),
    "picture_sets": set(),
    "doctor": {"voice", "vocoder", "audio", "core"},
    "cli": {"voice", "vocoder", "metrics", "audio", "image", "core", "datasets", "picture_sets", "doctor"},
}
SOUND = {"librosa", "soundfile", "soxr", "torchaudio"}
HEAVY = {
    "torch",
    "numpy",
    "scipy",
    "numba",
    "librosa",
    "soundfile",
    "torchaudio",
    "pydantic",
    "lightning_fabric",
    "PIL",
    "rich",
    "tqdm",
}
# Third-party packages that a room must not know. core: no sound and no pixels. image: no sound.
FORBIDDEN = {"core": SOUND | {"PIL", "scipy"}, "image": SOUND, "errors": HEAVY, "storage": HEAVY}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path, top_only: bool = False) -> Iterator[tuple[str, int]]:
    """Absolute names of what a module imports, also inside functions; type-checking blocks count as imports too."""
    package = ["voicegan", *path.relative_to(PACKAGE).parent.parts]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_the_walk_sees_relative_and_inner_imports():
    found = {name for name, _ in imports(PACKAGE / "doctor.py")}
    assert {"voicegan.storage", "voicegan.voice.library.installed", "torch"} <= found
    inside = {name for name, _ in imports(PACKAGE / "cli" / "doctor.py")}
    assert "voicegan.doctor" in inside


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):  # the faces: they name what is behind them
        return
    assert room in ROOMS or room in LEAVES, (
        f"{room} is a room that this test does not know; see the plan of the house"
    )
    allowed = LEAVES | ROOMS.get(room, set()) | {room, "__version__"}
    wrong = []
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] == "voicegan" and parts[1] not in allowed:
            wrong.append(f"line {line}: {name}")
        if parts[0] in FORBIDDEN.get(room, set()):
            wrong.append(f"line {line}: {name} is not for {room}")
    assert not wrong, f"{path.relative_to(PACKAGE)} reaches into another room: {'; '.join(wrong)}"


LIGHT = [
    path
    for path in MODULES
    if room_of(path) in ("cli", "__init__", "__main__", "errors", "storage", "packs", "doctor")
]


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_help_imports_is_light(path):
    heavy = [
        f"line {line}: {name}" for name, line in imports(path, top_only=True) if name.split(".")[0] in HEAVY
    ]
    assert not heavy, f"import these inside the function that needs them: {heavy}"


def test_torchaudio_stays_inside_functions():
    """It cannot be imported beside every torch, so nothing may fail for lack of it when a module is imported."""
    found = [
        path
        for path in MODULES
        if any(name.split(".")[0] == "torchaudio" for name, _ in imports(path, top_only=True))
    ]
    assert not found


NAMED = re.compile(r"(?<!voice)(?<!be)(?<!or)gan\b|pix2pix", re.IGNORECASE)


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_names_no_system(path):
    """What is special to one of them is not the core's. "A GAN" is all that it knows, and titles of papers."""
    told = re.sub(r"\b(a|A|new|no|Geometric) GAN\b", "", path.read_text(encoding="utf-8"))
    assert [match.group() for match in NAMED.finditer(told)] == []
