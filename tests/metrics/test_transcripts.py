"""Transcripts in the forms of public corpora."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicegan.errors import VoiceganError
from voicegan.metrics import transcripts


class TestTranscripts:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("MANIFEST.tsv", 'file\tseconds\ttranscript\nbdl/a1.flac\t3\tSay "ah", now.\n'),
            ("metadata.csv", 'file,transcript\nbdl/a1.wav,"Say ""ah"", now."\n'),
            ("metadata.csv", 'a1|say|Say "ah", now.\n'),
            ("txt.done.data", '( a1 "Say "ah", now." )\n'),
            ("84-121.trans.txt", 'a1 Say "ah", now.\n'),
            ("a1.txt", 'Say "ah", now.\n'),
        ],
    )
    def test_forms_of_public_corpora(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / "bdl").mkdir()
        (tmp_path / "bdl" / name).write_text(text)
        found = transcripts.find_transcripts(tmp_path / "bdl")
        assert found is not None
        assert found.of(tmp_path / "bdl/a1.flac") == 'Say "ah", now.'
        assert found.of(tmp_path / "bdl/a2.flac") is None

    def test_a_table_above_the_speakers_and_ambiguous_names(self, tmp_path: Path) -> None:
        (tmp_path / "s1").mkdir()
        (tmp_path / "MANIFEST.tsv").write_text("file\ttranscript\ns1/001.wav\tone\ns2/001.wav\ttwo\n")
        found = transcripts.find_transcripts(tmp_path / "s1")
        assert found is not None
        assert found.of(tmp_path / "s1/001.flac") == "one"
        assert found.of(Path("elsewhere/001.flac")) is None

    def test_nothing_to_find(self, tmp_path: Path) -> None:
        (tmp_path / "speaker").mkdir()
        assert transcripts.find_transcripts(tmp_path / "speaker") is None
        with pytest.raises(VoiceganError, match="no transcript was found"):
            transcripts.read_transcripts(tmp_path / "speaker")
        with pytest.raises(VoiceganError, match="does not exist"):
            transcripts.read_transcripts(tmp_path / "missing.tsv")
