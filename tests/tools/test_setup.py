"""tools/setup.sh: quick when nothing is missing, one clear line when something is, from anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a bash script")

# Stands for pip: writes down what it was asked for, and fails as the test wants.
FAKE_PIP = """
import os, sys
from pathlib import Path
with open(os.environ["ASKED"], "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
print("Collecting torch<2.14,>=2.4 (from voicegan==0.1.0)")
if os.environ.get("FAILING"):
    print(os.environ["FAILING"], file=sys.stderr)
    sys.exit(1)
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone in a folder with spaces whose environment has a pretended pip."""
    root = tmp_path / "a clone (1)"
    (root / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "tools/setup.sh"):
        shutil.copy(ROOT / name, root / name)
    (root / "tools" / "mend_torchaudio.py").write_text("")
    pretended = tmp_path / "pretended"
    (pretended / "pip").mkdir(parents=True)
    (pretended / "pip" / "__init__.py").write_text("")
    (pretended / "pip" / "__main__.py").write_text(FAKE_PIP)
    (pretended / "venv").mkdir()  # making an environment takes seconds; a link to this Python will do
    (pretended / "venv" / "__main__.py").write_text(
        "import os, sys; os.makedirs('.venv/bin', exist_ok=True); os.symlink(sys.executable, '.venv/bin/python')"
    )
    (pretended / "venv" / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(pretended))
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return root


def set_up(root: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(root / "tools" / "setup.sh"), *arguments]
    return subprocess.run(command, cwd=cwd or root.parent, capture_output=True, text=True, check=False)


def asked(root: Path) -> list[str]:
    log = root.parent / "asked"
    return log.read_text().splitlines() if log.exists() else []


def test_installs_once_then_only_after_a_change(clone):
    first = set_up(clone, "dev")
    assert first.returncode == 0, first.stderr
    assert "voicegan:   torch\n" in first.stderr
    assert len(asked(clone)) == 2
    assert "-c constraints.txt -e .[dev,tensorboard]" in asked(clone)[0]
    assert "--no-deps torchaudio" in asked(clone)[1]
    again = set_up(clone, "dev", cwd=Path("/"))
    assert (again.returncode, again.stderr) == (0, "")
    assert set_up(clone).returncode == 0  # what the tests need includes what a run needs
    assert len(asked(clone)) == 2
    with (clone / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert set_up(clone).returncode == 0
    assert len(asked(clone)) == 4
    assert "-e . " in asked(clone)[2] + " "


def test_a_run_does_not_stand_for_the_tests(clone):
    set_up(clone)
    set_up(clone, "dev")
    assert [line.split("-e ")[1] for line in asked(clone) if "-e " in line] == [".", ".[dev,tensorboard]"]


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (
            "WARNING: NewConnectionError('Failed to establish a new connection')",
            "no connection to the package index",
        ),
        ("ERROR: No space left on device", "could not be installed; see"),
    ],
)
def test_a_failed_installation_says_so_and_is_tried_again(clone, monkeypatch, failing, said):
    monkeypatch.setenv("FAILING", failing)
    failed = set_up(clone)
    assert failed.returncode == 2
    assert said in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    monkeypatch.delenv("FAILING")
    assert set_up(clone).returncode == 0


def test_without_a_python_that_is_new_enough(clone, monkeypatch, tmp_path):
    tools = tmp_path / "only these tools"
    tools.mkdir()
    for name in ("bash", "dirname", "mkdir", "cat", "flock"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    old = tools / "python3"  # a Python that is too old fails the question for its version
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("PYTHON")
    failed = set_up(clone)
    assert failed.returncode == 2
    assert failed.stderr.startswith("voicegan: Python 3.10 or newer was not found.")


def test_scripts_are_executable_and_parse():
    for script in (
        ROOT / "tools" / "setup.sh",
        ROOT / "tools" / "test",
        ROOT / "tools" / "demo",
        ROOT / ".ci" / "run",
    ):
        assert script.stat().st_mode & 0o111, script
        assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
