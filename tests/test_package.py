"""The public face: names are there, and importing the package costs nothing."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import voicegan


def test_import_is_free():
    code = "import sys, voicegan; sys.exit(bool({'torch', 'numpy', 'pydantic', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_lead_somewhere():
    assert set(voicegan.__all__) <= set(dir(voicegan))
    for name in ("convert", "list_voices", "load_voice"):
        assert callable(getattr(voicegan, name))
        assert name in vars(voicegan)  # found once, then kept


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'konvert'"):
        voicegan.konvert  # noqa: B018


def test_version_is_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", voicegan.__version__)
