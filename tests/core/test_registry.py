"""The registry: names without imports, near names in errors."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict

import pytest

from voicegan.core.registry import Registry
from voicegan.errors import VoiceganError


def family() -> Registry:
    return Registry(
        "system",
        {
            "cyclegan-vc": ("collections:OrderedDict", "the 2017 system"),
            "cyclegan-vc2": ("collections:deque", "the 2019 system"),
            "broken": ("no.such.module:Thing", "an entry whose module is missing"),
        },
    )


def test_lists_in_the_tables_order_without_importing():
    registry = family()
    assert registry.names() == tuple(registry) == ("cyclegan-vc", "cyclegan-vc2", "broken")
    assert registry.describe("broken") == "an entry whose module is missing"
    assert len(registry) == 3
    assert "broken" in registry
    assert "light" not in registry


def test_get_imports_the_class():
    assert family().get("cyclegan-vc") is OrderedDict
    with pytest.raises(ModuleNotFoundError):
        family().get("broken")


@pytest.mark.parametrize("name", ["cyclegan-cv", "CycleGAN-VC", "cyclegan"])
def test_unknown_name_lists_the_near_ones_and_all(name):
    with pytest.raises(VoiceganError) as caught:
        family().get(name)
    assert repr(name) in caught.value.message
    assert "Did you mean cyclegan-vc" in caught.value.hint
    assert "broken" in caught.value.hint


def test_nothing_near_still_lists_what_exists():
    with pytest.raises(VoiceganError, match=r"There are: cyclegan-vc, cyclegan-vc2, broken\.") as caught:
        family().describe("zzzz")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("entry", [("collections", "no class"), (":OrderedDict", "no module"), ("a:B", "")])
def test_a_malformed_table_is_refused_at_once(entry):
    with pytest.raises(ValueError, match="'bad'"):
        Registry("system", {"bad": entry})


def test_importing_it_brings_no_torch():
    code = "import sys, voicegan.core.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
