"""Setting torchaudio's CUDA extension aside: only when it must be, reversibly, and once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "mend_torchaudio.py"
SPEC = importlib.util.spec_from_file_location("mend_torchaudio", TOOL)
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)

FILES = ("_torchaudio.abi3.so", "libtorchaudio.so", "torchaudio_prefixctc.pyd")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A torchaudio that imports only while its extension is out of sight, beside a CPU-only torch."""
    folder = tmp_path / "with space" / "torchaudio"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "__init__.py").write_text("")
    for name in FILES:
        (folder / "lib" / name).write_bytes(name.encode())
    monkeypatch.setattr(
        tool, "imports", lambda: "OSError: libcudart.so.13" if tool.extension_files(folder) else ""
    )
    monkeypatch.setattr(tool, "torch_is_cpu_only", lambda: True)
    return folder


def names(package: Path) -> set[str]:
    return {path.name for path in (package / "lib").iterdir()}


def test_sets_aside_once_and_puts_back(package):
    before = names(package)
    good, said = tool.mend(package)
    assert good
    assert "3 files" in said
    assert names(package) == {"__init__.py", *(name + tool.ASIDE for name in FILES)}
    assert tool.mend(package) == (True, "torchaudio imports")
    assert tool.mend(package, undo=True)[0]
    assert names(package) == before
    assert all((package / "lib" / name).read_bytes() == name.encode() for name in FILES)


def test_leaves_a_torchaudio_that_imports_alone(package, monkeypatch):
    monkeypatch.setattr(tool, "imports", lambda: "")
    before = names(package)
    assert tool.mend(package) == (True, "torchaudio imports")
    assert names(package) == before


def test_leaves_a_cuda_build_alone_and_says_so(package, monkeypatch):
    monkeypatch.setattr(tool, "torch_is_cpu_only", lambda: False)
    before = names(package)
    good, said = tool.mend(package)
    assert not good
    assert "CUDA build of torch: OSError: libcudart" in said
    assert names(package) == before


def test_puts_the_extension_back_when_torch_becomes_a_cuda_build(package, monkeypatch):
    tool.mend(package)
    monkeypatch.setattr(tool, "torch_is_cpu_only", lambda: False)
    monkeypatch.setattr(tool, "imports", lambda: "")
    assert tool.mend(package)[0]
    assert set(FILES) <= names(package)


def test_changes_nothing_when_it_would_not_help(package, monkeypatch):
    monkeypatch.setattr(tool, "imports", lambda: "SyntaxError: broken")
    before = names(package)
    good, said = tool.mend(package)
    assert not good
    assert "even without its extension: SyntaxError" in said
    assert names(package) == before


def test_not_installed_is_fine():
    assert tool.mend(None) == (True, "torchaudio is not installed; nothing depends on it")


@pytest.mark.skipif(tool.find_package() is None, reason="torchaudio is not installed")
def test_the_installed_torchaudio_works_after_set_up():
    """Its Python parts, which are all that voicegan uses."""
    assert tool.mend(tool.find_package())[0]
    import torch
    import torchaudio

    wav = torch.sin(torch.arange(16_000) * 0.3)[None]
    assert torchaudio.functional.resample(wav, 16_000, 24_000).shape == (1, 24_000)
    assert torchaudio.transforms.MelSpectrogram(16_000, n_mels=40)(wav).shape[1] == 40
    assert (
        torchaudio.transforms.GriffinLim(400, n_iter=2)(torchaudio.transforms.Spectrogram(400)(wav))
        .isfinite()
        .all()
    )
    assert -10 < float(torchaudio.transforms.Loudness(16_000)(wav)) < 10
