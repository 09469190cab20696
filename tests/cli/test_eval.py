"""voicegan eval: options, the table, the JSON, and its faults in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
import tiny_voices
import torch
from click.testing import CliRunner
from tiny_vocoders import TINY, empty_home, make_vocoder, tiny_net  # noqa: F401
from tiny_voices import tiny_nets  # noqa: F401

from voicegan.audio.mel import PRESETS
from voicegan.cli.eval import _of_vocoder as settings_of
from voicegan.cli.eval import evaluate as command
from voicegan.errors import VoiceganError
from voicegan.metrics import judges
from voicegan.metrics.world import WORLD
from voicegan.vocoder.library import user_folder

RATE = 16_000


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two speakers who hum the same three tunes, two semitones apart; no optional judge is installed."""
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))

    def missing(self: object, *given: object) -> None:
        raise ModuleNotFoundError("No module named 'resemblyzer'")

    for judge in (judges.SpeakerJudge, judges.WordsJudge, judges.NaturalnessJudge):
        monkeypatch.setattr(judge, "__init__", missing)
    made = []
    for name, pitch_hz in (("low voice", 120.0), ("high", 135.0)):
        folder = tmp_path / name
        folder.mkdir()
        for tune in range(3):
            soundfile.write(folder / f"tune [{tune}].wav", hum(pitch_hz, tune), RATE)
        made.append(folder)
    return made[0], made[1]


def hum(pitch_hz: float, tune: int) -> np.ndarray:
    rng = np.random.default_rng(tune)
    shape = np.repeat(rng.uniform(0.2, 1.0, (6, 12)), RATE // 8, axis=0)
    steps = np.repeat(rng.uniform(0.9, 1.2, 6), RATE // 8) * pitch_hz
    phase = 2 * np.pi * np.cumsum(steps) / RATE
    wav = sum(shape[:, k % 12] * np.sin((k + 1) * phase) / (k + 1) for k in range(14))
    return np.asarray(0.2 * wav + rng.normal(0, 1e-3, len(phase)), np.float32)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_finished_conversions_are_judged(folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, high = folders
    out = run("--converted", high, "--source", low, "--target", high, "--json", tmp_path / "out/figures.json")
    assert "no conversion" in out
    assert "MCD, dB" in out
    assert "speaker cosine: not measured (No module named 'resemblyzer'); pip install 'voicegan[eval]'" in out
    figures = json.loads((tmp_path / "out/figures.json").read_text())
    assert figures["format"] == 1
    # The target's own recordings, given as conversions, are perfect ones.
    assert figures["rows"]["converted"]["summary"]["mcd_db"]["mean"] == pytest.approx(0.0, abs=1e-3)
    assert figures["rows"]["source"]["summary"]["mcd_db"]["mean"] > 1.0


def test_everything_can_be_judged_at_one_level(folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, high = folders
    given = ("--converted", high, "--source", low, "--target", high, "--json", tmp_path / "figures.json")
    assert "every recording judged at -23 dBFS" in run(*given, "--level", "-23")
    assert json.loads((tmp_path / "figures.json").read_text())["settings"]["level_db"] == -23.0
    result = CliRunner().invoke(command, [*map(str, given), "--level", "3"])
    assert isinstance(result.exception, VoiceganError) and "level 3 dBFS" in str(result.exception)


def test_a_page_to_listen_to(folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, high = folders
    options = ("--converted", high, "--source", low, "--target", high)
    run(*options, "--report", tmp_path / "out/r.html", "--report-limit", 2)
    text = (tmp_path / "out/r.html").read_text()
    assert (
        text.count("<article") == 2 and text.count("<audio") == 8
    )  # source, converted, target, through vocoder
    assert text.count("<tr data-card") == 2 and "tune [1]" in text and "MCD, dB" in text
    assert not list(tmp_path.glob("out/*/")) and str(tmp_path) not in text
    with pytest.raises(VoiceganError, match="is a folder"):
        run(*options, "--report", tmp_path)


def test_a_page_of_other_sentences_shows_the_target_too(folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, high = folders
    for path in high.iterdir():
        path.rename(path.with_name(f"other {path.name}"))
    run("--converted", low, "--source", low, "--target", high, "--limit", 1, "--report", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "How the target sounds" in text and text.count("<article") == 2 and text.count("<audio") == 4


def test_the_distortion_that_others_publish_is_named_where_it_cannot_be_measured(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    low, high = folders
    options = ("--converted", high, "--source", low, "--target", high, "--limit", 1, "--mcd", "s3prl")
    monkeypatch.setitem(sys.modules, "pyworld", None)  # as where it is not installed
    out = run(*options)
    assert "MCD as s3prl: not measured" in out and "pip install 'voicegan[world]'" in out


def test_the_distortion_that_others_publish(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("pyworld")
    low, high = folders
    options = ("--converted", high, "--source", low, "--target", high, "--limit", 1)
    run(*options, "--mcd", "s3prl", "--json", tmp_path / "f.json")
    figures = json.loads((tmp_path / "f.json").read_text())
    means = {row: entry["summary"].get("mcd_s3prl_db") for row, entry in figures["rows"].items()}
    assert means["converted"]["mean"] == 0.0 and means["target"] is None
    assert means["source"]["mean"] > 1.0 and means["copy-synthesis"]["mean"] > 0.0
    assert (
        figures["settings"]["mcd_s3prl"]["order"] == 39 and figures["settings"]["mcd_s3prl"]["alpha"] == 0.42
    )
    assert "mcd_db" in figures["rows"]["source"]["summary"]  # beside it, under a name of its own


def test_every_distortion_can_be_chosen() -> None:
    (option,) = (one for one in command.params if one.name == "distortion")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == ["log-mel", *WORLD]


def test_a_recogniser_of_ones_own(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jiwer")
    low, high = folders
    monkeypatch.undo()  # the words are judged this time
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_ears.py").write_text(
        "class Ears:\n    settings = {'recogniser': 'mine'}\n    def transcribe(self, wav): return 'Yes, well'\n"
    )
    options = ("--converted", high, "--source", low, "--target", high, "--limit", 1)
    run(*options, "--recogniser", "my_ears:Ears", "--json", "f.json")
    figures = json.loads(Path("f.json").read_text())
    assert figures["settings"]["words"]["recogniser"] == "mine"
    assert figures["rows"]["converted"]["utterances"][0]["understood"] == "yes well"
    for name, words in (("ears", "names no recogniser"), ("no_ears:Ears", "No module"), ("json:dumps", "dumps"),
                        ("io:StringIO", "no transcribe")):  # fmt: skip
        with pytest.raises(VoiceganError, match=words):
            run(*options, "--recogniser", name)


def test_files_by_list_and_limit(folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, high = folders
    (tmp_path / "kept aside.txt").write_text("# validation\ntune [1].wav\ntune [2].wav\n")
    options = ("--converted", high, "--source", low, "--target", high, "--json", tmp_path / "f.json")
    run(*options, "--files", tmp_path / "kept aside.txt", "--limit", "1", "--keep", tmp_path / "kept")
    figures = json.loads((tmp_path / "f.json").read_text())
    assert [one["name"] for one in figures["rows"]["converted"]["utterances"]] == ["tune [1]"]
    assert (tmp_path / "kept/copy-synthesis/tune [1].wav").is_file()


def test_a_voice_is_converted_with_and_named(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from voicegan.audio.mel import PRESETS
    from voicegan.voice import api

    low, high = folders
    asked: list[tuple[str, dict[str, object]]] = []

    def load(name: str, **options: object) -> SimpleNamespace:
        asked.append((name, options))
        return SimpleNamespace(
            spec=PRESETS["16k"],
            vocoder=SimpleNamespace(name="griffin-lim"),
            pack=SimpleNamespace(name="high", folder=tmp_path / "voice", sha256="ab" * 32),
            convert=lambda wav, rate: (wav, rate),
        )

    monkeypatch.setattr(api, "load_voice", load)
    out = run("high", "--source", low, "--target", high, "--from", "low", "--json", tmp_path / "f.json")
    assert asked == [("high", {"source": "low", "device": "auto", "vocoder": None})]
    assert "Converted " in out
    assert json.loads((tmp_path / "f.json").read_text())["voice"]["weights_sha256"] == "ab" * 32


@pytest.mark.usefixtures("tiny_nets")
def test_what_a_voice_adds_to_is_judged_beside_it(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegan.voice import pack as packs
    from voicegan.voice.nets.any_to_one import AnyGenerator

    monkeypatch.setattr(packs, "network_class", {"any-to-one": AnyGenerator, **tiny_voices.NETS}.__getitem__)
    network = {"channels": 8, "dilations": [1]}
    generator = AnyGenerator(**network)
    torch.nn.init.normal_(generator.leave.weight, std=0.3)
    any_voice = tiny_voices.pictured() | {"net": "any-to-one", "network": network, "generator": generator}
    tiny_voices.make_voice(tmp_path / "any", **any_voice)
    low, high = folders
    options = ("--source", low, "--target", high, "--limit", 1, "--device", "cpu")
    out = run(
        tmp_path / "any", *options, "--classical", "--json", tmp_path / "f.json", "--keep", tmp_path / "kept"
    )
    assert "means and pitch" in out and "(classical)" in out
    rows = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert rows["classical"]["summary"]["mcd_db"] != rows["converted"]["summary"]["mcd_db"]
    assert "means and pitch" not in run(tmp_path / "any", *options)
    # Untrained there is nothing that the voice adds.
    plain = AnyGenerator(**network)
    tiny_voices.make_voice(tmp_path / "plain", **(any_voice | {"generator": plain}))
    run(tmp_path / "plain", *options, "--classical", "--json", tmp_path / "g.json")
    rows = json.loads((tmp_path / "g.json").read_text())["rows"]
    for figure, value in rows["converted"]["summary"].items():
        assert rows["classical"]["summary"][figure] == value, figure
    tiny_voices.make_voice(tmp_path / "local")
    with pytest.raises(VoiceganError, match="has no classical conversion within it") as caught:
        run(tmp_path / "local", *options, "--classical")
    assert "any-to-one voice" in caught.value.hint
    with pytest.raises(VoiceganError, match="--classical asks for what a voice adds to"):
        run("--converted", high, *options, "--classical")


def test_every_speaker_is_listed_when_asked_for(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    low, high = folders
    other = low.parent / "sources"
    for name in ("ann", "bob"):
        (other / name).mkdir(parents=True)
    for name, path in zip(("ann", "bob", "bob"), sorted(low.iterdir()), strict=True):
        path.rename(other / name / path.name)
    options = ("--converted", other, "--source", other, "--target", high)
    plain, listed = run(*options), run(*options, "--by-speaker")
    assert "By speaker" not in plain
    assert listed.startswith(plain.rstrip("\n"))
    lines = listed[listed.index("By speaker: converted (no conversion).") :].splitlines()
    assert [line.split()[0] for line in lines[2:]] in (["ann", "bob"], ["bob", "ann"])
    assert "By speaker" not in run("--converted", high, "--source", high, "--target", high, "--by-speaker")


def test_faults_in_words(folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, high = folders
    for arguments, words in (
        (("--source", low, "--target", high), "not clear what to judge"),
        (("slt", "--converted", high, "--source", low, "--target", high), "not clear what to judge"),
        (("--converted", tmp_path / "nowhere", "--source", low, "--target", high), "is not a folder"),
        (
            ("--converted", high, "--source", low, "--target", high, "--files", tmp_path / "no.txt"),
            "cannot be read",
        ),
    ):
        with pytest.raises(VoiceganError, match=words):
            run(*arguments)


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from voicegan.cli.eval import evaluate as command\n"
        "try: command(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'numba', 'librosa', 'scipy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Judge a VOICE" in done.stdout


@pytest.mark.usefixtures("empty_home")
def test_finished_conversions_are_beside_a_vocoder_under_its_own_contract():
    network = TINY | {"padding": "same"}
    spec = PRESETS["hifigan-22k"]
    make_vocoder(user_folder() / "v1", mel=spec, network=network, generator=tiny_net(**network))
    assert settings_of("v1").mel == spec
    assert settings_of(None).mel == settings_of("griffin-lim").mel == PRESETS["16k"]
