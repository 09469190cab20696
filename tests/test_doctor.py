"""The doctor: each fault is found, named and comes with its mending."""

from __future__ import annotations

import builtins
import json
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_vocoders import empty_home, make_vocoder  # noqa: F401
from tiny_voices import make_voice, tiny_nets  # noqa: F401

from voicegan import cli, doctor, storage
from voicegan.doctor import Finding
from voicegan.vocoder.library import user_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "not" / "made yet"))
    return tmp_path


def test_every_check_answers_on_this_machine(home):
    findings = {finding.name: finding for finding in doctor.examine()}
    assert len(findings) == len(doctor.CHECKS)
    for name in ("python", "torch", "sound formats", "data folder", "cache folder", "disk"):
        assert findings[name].status == "ok", findings[name]
    assert all(finding.mend for finding in findings.values() if finding.status != "ok")
    assert list(home.iterdir()) == [], "the doctor leaves no trace"


def hide(monkeypatch: pytest.MonkeyPatch, package: str, error: Exception) -> None:
    """Make importing `package` fail."""
    real = builtins.__import__

    def importing(name: str, *arguments: object, **keywords: object) -> object:
        if name == package or name.startswith(package + "."):
            raise error
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_missing_torch_is_a_fault(monkeypatch):
    hide(monkeypatch, "torch", ModuleNotFoundError("No module named 'torch'"))
    finding = doctor.check_torch()
    assert finding.status == "fault"
    assert "pip install" in finding.mend


@pytest.mark.parametrize(
    ("version", "status"), [("2.3.1", "warn"), ("2.4.0+cpu", "ok"), ("2.13.0", "ok"), ("2.14.0", "warn")]
)
def test_torch_outside_the_range_is_a_warning(monkeypatch, version, status):
    monkeypatch.setattr("torch.__version__", version)
    assert doctor.check_torch().status == status


def test_the_range_of_torch_is_that_of_the_package():
    (low, high), text = (
        doctor.TORCH_RANGE,
        Path(__file__).resolve().parents[1].joinpath("pyproject.toml").read_text(),
    )
    assert f'"torch>={low[0]}.{low[1]},<{high[0]}.{high[1]}"' in text


def test_a_torchaudio_that_cannot_be_imported_is_only_a_warning(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    hide(monkeypatch, "torchaudio", OSError("libcudart.so.13: cannot open shared object file"))
    finding = doctor.check_torchaudio()
    assert finding.status == "warn"
    assert "libcudart.so.13" in finding.detail
    assert "mend_torchaudio.py" in finding.mend


def test_no_torchaudio_is_in_order(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert doctor.check_torchaudio().status == "ok"


@pytest.mark.parametrize(("broken", "status"), [("MP3", "warn"), ("FLAC", "fault")])
def test_a_format_is_proved_by_using_it(monkeypatch, broken, status):
    import soundfile

    write = soundfile.write

    def failing(file: object, data: object, rate: int, format: str, subtype: str) -> None:
        if format == broken:
            raise soundfile.LibsndfileError(1, "no encoder: ")
        write(file, data, rate, format=format, subtype=subtype)

    monkeypatch.setattr(soundfile, "write", failing)
    finding = doctor.check_sound_formats()
    assert finding.status == status
    assert finding.detail.endswith(f"cannot do {broken.lower()}")


def test_a_folder_that_cannot_be_written_is_a_fault(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "file" / "below a file"))
    for check in (doctor.check_data_folder, doctor.check_cache_folder):
        finding = check()
        assert finding.status == "fault"
        assert "VOICEGAN_HOME" in finding.mend


def test_a_cache_that_has_grown_is_told_with_its_size(monkeypatch, tmp_path):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path))
    folder = storage.cache_home()
    assert doctor.check_cache_folder().detail == str(folder)
    (folder / "mels").mkdir(parents=True)
    with (folder / "mels" / "one").open("wb") as file:
        file.truncate(1_300_000_000)  # takes no room
    finding = doctor.check_cache_folder()
    assert finding.status == "ok" and finding.detail.startswith(f"{folder}, 1.3 GB that can be deleted")


def test_a_full_disk_is_a_warning(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 5 * 10**8))
    assert doctor.check_disk().status == "warn"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="asks the system otherwise")
def test_one_core_is_a_warning(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert doctor.check_cores().status == "warn"


def test_an_old_python_is_a_fault(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert doctor.check_python().status == "fault"


@pytest.mark.usefixtures("tiny_nets")
def test_a_damaged_voice_is_a_fault(tmp_path):
    folder = tmp_path / "home" / "voices" / "slt"
    make_voice(folder)
    whole = doctor.check_voices()
    assert whole.status == "ok", whole
    assert "slt" in whole.detail
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    damaged = doctor.check_voices()
    assert damaged.status == "fault"
    assert str(weights) in damaged.detail


@pytest.mark.usefixtures("empty_home")
def test_a_damaged_vocoder_is_a_fault():
    assert doctor.check_vocoders().status == "ok"
    make_vocoder(user_folder() / "v1")
    whole = doctor.check_vocoders()
    assert whole.status == "ok" and "v1; checksums hold" in whole.detail
    (user_folder() / "v1" / "weights.safetensors").unlink()
    damaged = doctor.check_vocoders()
    assert damaged.status == "fault" and "weights.safetensors" in damaged.detail


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def check_the_moon() -> Finding:
        raise RuntimeError("eclipse")

    monkeypatch.setattr(doctor, "CHECKS", (check_the_moon,))
    (finding,) = doctor.examine()
    assert (finding.name, finding.status, finding.detail) == ("the moon", "fault", "RuntimeError: eclipse")


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fault", 2)])
def test_the_command_prints_lines_or_json_and_exits(monkeypatch, status, code):
    finding = Finding("torch", status, "2.13.0", "" if status == "ok" else "pip install torch")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: finding,))
    lines = CliRunner().invoke(cli.main, ["doctor"])
    assert lines.exit_code == code
    assert lines.output.startswith(f"{status:<5}  torch  2.13.0\n")
    assert ("-> pip install torch" in lines.output) == (status != "ok")
    as_json = CliRunner().invoke(cli.main, ["doctor", "--json"])
    assert as_json.exit_code == code
    assert json.loads(as_json.output) == {
        "format": 1,
        "usable": status != "fault",
        "checks": [{"name": "torch", "status": status, "detail": "2.13.0", "mend": finding.mend}],
    }
