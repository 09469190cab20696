"""Which recordings are judged, and beside which."""

from __future__ import annotations

from pathlib import Path

import pytest
from gliding_voice import folder

from voicegan.errors import VoiceganError
from voicegan.metrics import plan


class TestPlan:
    def test_matching_and_pools(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", [f"s{i:02d}" for i in range(12)])
        folder(tmp_path / "b", [f"s{i:02d}" for i in range(2, 14)])
        made = plan.make_plan(tmp_path / "a", tmp_path / "b", names=["corpus/a/s01.flac", "s03"], pool=4)
        assert [(trial.name, trial.target_name) for trial in made.trials] == [("s03", "s03")]
        assert made.notes == (f"1 of the 2 listed files are not in {tmp_path / 'a'}",)
        assert [name for name, _ in made.targets] == ["s03"]
        assert len(made.target_pool) == 4
        assert all(name != "s03" for name, _ in made.target_pool)
        assert all(name != "s03" for name, _ in made.source_pools["a"])

    def test_listed_files_with_folders(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", ["s1", "s2", "s3"])
        folder(tmp_path / "b", ["s1", "s2"])
        made = plan.make_plan(tmp_path / "a", tmp_path / "b", names=["a/s2.wav", "b/s1.wav"])
        assert [trial.name for trial in made.trials] == ["s2"]
        with pytest.raises(VoiceganError, match="none of the 1 listed files"):
            plan.make_plan(tmp_path / "a", tmp_path / "b", names=["s9.wav"])

    def test_speakers_in_sub_folders_and_no_names_in_common(self, tmp_path: Path) -> None:
        folder(tmp_path / "pool/p1", ["x1", "x2"])
        folder(tmp_path / "pool/p2", ["y1"])
        folder(tmp_path / "b", [f"s{i}" for i in range(9)])
        made = plan.make_plan(tmp_path / "pool", tmp_path / "b")
        assert [(trial.name, trial.speaker, trial.target) for trial in made.trials] == [
            ("p1/x1", "p1", None), ("p1/x2", "p1", None), ("p2/y1", "p2", None),
        ]  # fmt: skip
        assert [name for name, _ in made.targets] == ["s0", "s3", "s6"]

    def test_conversions_are_found_by_name_and_gaps_are_told(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", ["s1", "s2"])
        folder(tmp_path / "b", ["s1", "s2"])
        folder(tmp_path / "out", ["s2"])
        made = plan.make_plan(tmp_path / "a", tmp_path / "b", converted=tmp_path / "out")
        assert [trial.converted for trial in made.trials] == [tmp_path / "out/s2.wav"]
        assert "1 source recordings have no conversion" in made.notes[0]
        folder(tmp_path / "alien", ["t1"])
        with pytest.raises(VoiceganError, match="named after"):
            plan.make_plan(tmp_path / "a", tmp_path / "b", converted=tmp_path / "alien")

    def test_folders_that_are_none(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", ["s1"])
        (tmp_path / "empty").mkdir()
        with pytest.raises(VoiceganError, match="is not a folder"):
            plan.make_plan(tmp_path / "a", tmp_path / "missing")
        with pytest.raises(VoiceganError, match="holds no audio"):
            plan.make_plan(tmp_path / "a", tmp_path / "empty")

    def test_lists(self, tmp_path: Path) -> None:
        (tmp_path / "list.txt").write_text("# kept aside\n\na1.flac\n  b/a2.flac \n")
        assert plan.read_names(tmp_path / "list.txt") == ["a1.flac", "b/a2.flac"]
        (tmp_path / "none.txt").write_text("# nothing\n")
        with pytest.raises(VoiceganError, match="names no file"):
            plan.read_names(tmp_path / "none.txt")
        with pytest.raises(VoiceganError, match="cannot be read"):
            plan.read_names(tmp_path / "missing.txt")

    def test_lists_that_say_whose_recordings_they_are(self, tmp_path: Path) -> None:
        (tmp_path / "plain.txt").write_text("# kept aside\na/one.wav\nb/two.wav\n")
        assert plan.read_listed(tmp_path / "plain.txt") == {"a/one.wav": "", "b/two.wav": ""}
        (tmp_path / "table.tsv").write_text("file\tspeaker\tsplit\nc/a/one.flac\tbdl\tx\none.flac\tslt\tx\n")
        listed = plan.read_listed(tmp_path / "table.tsv")
        assert listed == {"c/a/one.flac": "bdl", "one.flac": "slt"}
        assert plan.listed_speaker(Path("data/c/a/one.wav"), listed) == "bdl"
        assert plan.listed_speaker(Path("data/d/one.wav"), listed) == "slt"
        assert plan.listed_speaker(Path("data/two.wav"), listed) == ""
