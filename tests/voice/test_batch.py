"""Which file becomes which, and what is refused before any work starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicegan.errors import VoiceganError
from voicegan.voice.batch import plan


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = (
        "a.wav",
        "my talk [1].mp3",
        "in/x.wav",
        "in/sub/y.flac",
        "in/sub/.hidden.wav",
        "in/notes.txt",
        "more/x.wav",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"sound")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets(*inputs: str, **options) -> dict[str, str]:
    return {str(job.source): str(job.target) for job in plan(inputs, "slt", **options)}


def test_by_default_the_output_lies_beside_the_input(folder):
    assert targets("a.wav") == {"a.wav": "a_slt.wav"}
    assert targets("my talk [1].mp3", format="flac") == {"my talk [1].mp3": "my talk [1]_slt.flac"}
    assert targets("a.wav", "in/x.wav") == {"a.wav": "a_slt.wav", "in/x.wav": "in/x_slt.wav"}
    mirrored = folder / "in_slt"
    assert targets("in") == {
        "in/sub/y.flac": str(mirrored / "sub/y.wav"),
        "in/x.wav": str(mirrored / "x.wav"),
    }
    assert targets("in/") == targets("in") and targets(".")["a.wav"] == f"{folder}_slt/a.wav"


def test_out_names_a_file_or_a_folder():
    assert targets("a.wav", out="b.flac") == {"a.wav": "b.flac"}
    assert plan(["a.wav"], "slt", out="b.FLAC")[0].format == "flac"
    assert plan(["a.wav"], "slt", out="b.take2", format="ogg")[0].format == "ogg"
    assert targets("a.wav", out="in") == {"a.wav": "in/a.wav"}
    assert targets("a.wav", out="new/") == targets("a.wav", out="new") == {"a.wav": "new/a.wav"}
    assert targets("in", out="new", format="mp3") == {
        "in/sub/y.flac": "new/sub/y.mp3",
        "in/x.wav": "new/x.mp3",
    }
    assert targets("in", "more", "a.wav", out="new") == {
        "in/sub/y.flac": "new/in/sub/y.wav",
        "in/x.wav": "new/in/x.wav",
        "more/x.wav": "new/more/x.wav",
        "a.wav": "new/a.wav",
    }


def test_pipes():
    [job] = plan(["-"], "slt")
    assert (job.source, job.target, job.format) == (None, None, "wav")
    [job] = plan(["-"], "slt", out="x.ogg")
    assert (job.source, str(job.target), job.format) == (None, "x.ogg", "ogg")
    [job] = plan(["a.wav"], "slt", out="-", format="flac")
    assert (str(job.source), job.target, job.format) == ("a.wav", None, "flac")


def test_the_same_file_twice_is_converted_once():
    assert targets("in", "in/x.wav", "./a.wav", "a.wav", out="new").keys() == {
        "in/x.wav",
        "in/sub/y.flac",
        "a.wav",
    }


def test_a_missing_file_among_others_is_left_to_fail_alone():
    assert "nothere.wav" in targets("a.wav", "nothere.wav")


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([], {}, "nothing to convert"),
        (["-", "a.wav"], {}, "standard input cannot be converted together"),
        (["-"], {"out": "folder/"}, "no file name"),
        (["a.wav"], {"format": "m4a"}, 'format "m4a" is not known'),
        (["a.wav"], {"out": "b.m4a"}, r"kind \.m4a cannot be written"),
        (["a.wav"], {"out": "b.wav", "format": "mp3"}, "named .wav and the format asked for is mp3"),
        (["in"], {"out": "-"}, "cannot go to standard output"),
        (["in"], {"out": "a.wav"}, "a.wav is a file"),
        (["in"], {"out": "new.WAV"}, "new.WAV names a file"),
        (["a.wav", "in/x.wav"], {"out": "new.mp3"}, "new.mp3 names a file"),
        (["empty"], {}, "holds no recordings"),
        ([""], {}, "a name is empty"),
        (["a.wav"], {"out": ""}, "a name is empty"),
        (["a.wav"], {"out": "a.wav"}, "would overwrite the input"),
        (["a.wav"], {"out": "in/../a.wav", "force": True}, "would overwrite the input"),
        (["in"], {"out": "in", "force": True}, "would overwrite the input: in/x.wav"),
        (["a.wav", "more/x.wav"], {"out": "more", "force": True}, "would overwrite the input"),
        (
            ["in/x.wav", "more/x.wav"],
            {"out": "new"},
            "outputs would overwrite each other: in/x.wav and more/x.wav",
        ),
    ],
)
def test_what_cannot_end_well_is_refused(inputs, options, message):
    with pytest.raises(VoiceganError, match=message):
        plan(inputs, "slt", **options)


def test_names_that_differ_in_suffix_or_case_collide(folder):
    (folder / "in/x.flac").write_bytes(b"")
    with pytest.raises(VoiceganError, match="in/x.flac and in/x.wav"):
        plan(["in"], "slt")
    (folder / "in/x.flac").rename(folder / "in/X.wav")
    with pytest.raises(VoiceganError, match="overwrite each other"):
        plan(["in"], "slt")


def test_what_exists_is_replaced_only_by_force(folder):
    (folder / "out").mkdir()
    many = [f"{number}.wav" for number in range(8)]
    for name in many:
        (folder / "more" / name).write_bytes(b"")
        (folder / "out" / name).write_bytes(b"")
    with pytest.raises(
        VoiceganError, match=r"out/0.wav; .*out/4.wav; and 3 more exist already. Replace with --force"
    ):
        plan(["more"], "slt", out="out")
    assert len(plan(["more"], "slt", out="out", force=True)) == 9
    (folder / "a_slt.wav").write_bytes(b"")
    with pytest.raises(VoiceganError, match="a_slt.wav exists already"):
        plan(["a.wav"], "slt")


def test_what_an_earlier_run_left_inside_the_folder_is_no_input(folder):
    (folder / "in" / "done").mkdir()
    (folder / "in" / "done" / "old.wav").touch()
    assert [str(job.target) for job in plan(["in"], "slt", out="in/done")] == [
        "in/done/sub/y.wav",
        "in/done/x.wav",
    ]
    assert len(plan(["in"], "slt", out="elsewhere")) == 3


def test_an_input_that_is_named_twice_is_converted_once(folder):
    assert len(plan(["a.wav", "./in/../a.wav", "more/x.wav", str(folder / "a.wav")], "slt")) == 2
