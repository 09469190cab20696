"""`voicegan convert`: files, folders and pipes, failures one by one, nothing overwritten by accident."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from tiny_voices import make_voice, noise_vocoder, speech_like, tiny_nets  # noqa: F401

import voicegan
from voicegan import storage
from voicegan.audio.files import Writer
from voicegan.audio.loudness import active_level_db
from voicegan.cli import main
from voicegan.cli.convert import convert
from voicegan.cli.info import info
from voicegan.errors import VoiceganError

pytestmark = pytest.mark.usefixtures("tiny_nets", "noise_vocoder")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("tiny_nets")
    make_voice(storage.home() / "voices" / "slt")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def record(path: str, seconds: float = 1.3, rate: int = 22050, channels: int = 1, **options) -> np.ndarray:
    wav = speech_like(seconds, rate, level_db=-23)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([wav] * channels, axis=1), rate, **options)
    return wav


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(convert, [*arguments], input=stdin)


def fault(result: Result) -> str:
    """The one line that the program would end with."""
    assert isinstance(result.exception, VoiceganError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_a_file_keeps_its_rate_length_and_loudness(folder):
    wav = record("in.wav", channels=2)
    result = run("in.wav", "--to", "slt")
    assert result.exit_code == 0, result.output
    assert "in.wav -> in_slt.wav (1.3 s of sound in" in result.stdout and "x real time" in result.stdout
    made, rate = soundfile.read("in_slt.wav")
    assert (made.shape, rate) == (wav.shape, 22050)
    assert active_level_db(made, rate) == pytest.approx(active_level_db(wav, rate), abs=1.0)
    assert sorted(os.listdir()) == ["in.wav", "in_slt.wav"]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_every_format_says_which_voice_made_it(kind):
    wav = record("in.wav", rate=16000)
    assert run("in.wav", "--to", "slt", "--format", kind, "--quiet").output == ""
    with soundfile.SoundFile(f"in_slt.{kind}") as file:
        assert abs(file.frames - len(wav)) <= (3000 if kind == "mp3" else 0)
        assert file.comment.startswith(f"made by voicegan {voicegan.__version__}: voice slt from bdl")
    told = CliRunner().invoke(info, [f"in_slt.{kind}", "--json"])
    assert "voice slt" in json.loads(told.stdout)["made_by"]


def test_the_output_rate_can_be_chosen():
    record("in.wav", seconds=1.0, rate=44100)
    for rate, expected in (("voice", 16000), ("48000", 48000)):
        run("in.wav", "--to", "slt", "--rate", rate, "--out", f"{rate}.wav")
        assert soundfile.info(f"{rate}.wav").samplerate == soundfile.info(f"{rate}.wav").frames == expected
    assert '--rate is "fast"' in fault(run("in.wav", "--to", "slt", "--rate", "fast"))
    assert '--rate is "5". Give a number of Hz from 1000' in fault(
        run("in.wav", "--to", "slt", "--rate", "5")
    )


def test_the_output_level_can_be_chosen():
    wav = record("in.wav", seconds=3.0)
    assert active_level_db(wav, 22050) == pytest.approx(-23, abs=1.0)
    assert run("in.wav", "--to", "slt", "--level", "-35").exit_code == 0
    made = soundfile.read("in_slt.wav")[0]
    assert active_level_db(made, 22050) == pytest.approx(-35, abs=1.0)
    piped = run("-", "--to", "slt", "--level", "-35", stdin=Path("in.wav").read_bytes()).stdout_bytes
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(piped))[0], made)
    voicegan.convert("in.wav", to="slt", out="again.wav", level=-35)
    np.testing.assert_array_equal(soundfile.read("again.wav")[0], made)
    assert "level 5 dBFS is not within -60 and -10" in fault(
        run("in.wav", "--to", "slt", "--level", "5", "--force")
    )
    np.testing.assert_array_equal(soundfile.read("in_slt.wav")[0], made)


def test_a_folder_is_mirrored(folder):
    record("in/x.wav")
    record("in/deep er/[y].flac", rate=8000)
    Path("in/notes.txt").write_text("not audio")
    result = run("in", "--to", "slt", "--out", "out", "--format", "flac")
    assert result.exit_code == 0
    assert sorted(str(path) for path in Path("out").rglob("*.*")) == ["out/deep er/[y].flac", "out/x.flac"]
    assert soundfile.info("out/deep er/[y].flac").samplerate == 8000


def test_one_bad_file_does_not_stop_the_others():
    record("in/a.wav")
    record("in/z.wav")
    Path("in/broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEnonsense")
    soundfile.write("in/silent.wav", np.zeros(8000), 16000)
    result = run("in", "--to", "slt", "--out", "out")
    assert result.exit_code == 1
    assert sorted(os.listdir("out")) == ["a.wav", "z.wav"]
    assert "error: in/broken.wav" in result.stderr and "error: in/silent.wav is silent" in result.stderr
    assert result.stderr.endswith("2 of 4 recordings were not converted.\n")


def test_when_nothing_could_be_done_the_exit_code_is_2():
    Path("a.wav").write_bytes(b"no")
    Path("b.wav").write_bytes(b"")
    assert run("a.wav", "b.wav", "--to", "slt").exit_code == 2
    assert "a.wav is not audio" in fault(run("a.wav", "--to", "slt"))
    assert "missing.wav does not exist" in fault(run("missing.wav", "--to", "slt"))
    assert sorted(os.listdir()) == ["a.wav", "b.wav"]


def test_nothing_is_overwritten_without_force():
    record("in.wav")
    Path("in_slt.wav").write_text("precious")
    assert "in_slt.wav exists already" in fault(run("in.wav", "--to", "slt"))
    assert Path("in_slt.wav").read_text() == "precious"
    assert run("in.wav", "--to", "slt", "--force").exit_code == 0
    assert soundfile.info("in_slt.wav").samplerate == 22050


def test_a_failure_leaves_the_old_output_and_no_rubbish():
    soundfile.write("in.wav", np.array([0.1] * 5000 + [np.nan] * 10), 16000, subtype="FLOAT")
    Path("in_slt.wav").write_text("precious")
    assert "not numbers" in fault(run("in.wav", "--to", "slt", "--force"))
    assert Path("in_slt.wav").read_text() == "precious"
    assert sorted(os.listdir()) == ["in.wav", "in_slt.wav"]


def test_pipes_carry_audio_and_nothing_else():
    wav = record("in.wav", rate=16000)
    result = run("-", "--to", "slt", stdin=Path("in.wav").read_bytes())
    assert result.exit_code == 0 and result.stderr == ""
    made, rate = soundfile.read(io.BytesIO(result.stdout_bytes))
    assert (made.shape, rate) == (wav.shape, 16000)
    assert run("in.wav", "--to", "slt", "--out", "-").stdout_bytes[:4] == b"RIFF"
    assert run("-", "--to", "slt", "--out", "x.flac", stdin=Path("in.wav").read_bytes()).exit_code == 0
    assert soundfile.info("x.flac").frames == len(wav)
    assert "empty" in fault(run("-", "--to", "slt", stdin=b""))


def test_a_format_that_cannot_be_read_is_named_and_does_not_stop_the_others():
    record("in/a.wav")
    Path("in/phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    result = run("in", "--to", "slt")
    assert result.exit_code == 1 and Path("in_slt/a.wav").exists()
    assert "phone.m4a is not audio that can be read" in result.stderr and "ffmpeg" in result.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no such signals here")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_leaves_no_half_file(monkeypatch, request, number):
    # A shell's background job is born with SIGINT ignored, and these tests may run in one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    record("in.wav")
    Path("in_slt.wav").write_text("precious")
    write = Writer.write

    def interrupted(self, block):
        write(self, block)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(Writer, "write", interrupted)
    result = CliRunner().invoke(main, ["convert", "in.wav", "--to", "slt", "--force"])
    assert result.exit_code == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert sorted(os.listdir()) == ["in.wav", "in_slt.wav"] and Path("in_slt.wav").read_text() == "precious"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(("closed", "name"), [("stdin", "standard input"), ("stdout", "standard output")])
def test_a_closed_stream_is_said(monkeypatch, closed, name):
    monkeypatch.setattr(sys, closed, None)  # as Python has it after `voicegan convert - <&-`
    with pytest.raises(VoiceganError, match=f"{name} is closed"):
        convert.main(["-", "--to", "slt"], standalone_mode=False)


def test_a_short_pipe_sounds_as_the_file_does():
    record("in.wav", seconds=3.0, rate=16000)
    assert run("in.wav", "--to", "slt").exit_code == 0
    piped = run("-", "--to", "slt", stdin=Path("in.wav").read_bytes()).stdout_bytes
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(piped))[0], soundfile.read("in_slt.wav")[0])


@pytest.mark.parametrize("level_db", [-45.0, -14.0])
def test_a_long_pipe_keeps_its_loudness_from_its_first_word_on(level_db: float):
    wav = 1e-3 * np.random.default_rng(0).standard_normal(16000 * 24)
    wav[8000:] += speech_like(23.5, 16000, level_db=level_db)
    soundfile.write("in.wav", wav, 16000, "FLOAT")
    result = run("-", "--to", "slt", stdin=Path("in.wav").read_bytes())
    made, _ = soundfile.read(io.BytesIO(result.stdout_bytes))
    assert len(made) == len(wav)
    assert np.abs(made[:24000]).max() < 2 * np.abs(wav[:24000]).max()
    for part in (slice(8000, 40000), slice(40000, 200000), slice(200000, None)):
        assert active_level_db(made[part], 16000) == pytest.approx(active_level_db(wav[part], 16000), abs=1.5)


@pytest.mark.parametrize("samples", [np.zeros(4000), np.full(400000, 0.2)])
def test_silence_is_refused_also_where_it_comes_through_a_pipe(samples: np.ndarray):
    soundfile.write("in.wav", samples, 16000)
    assert "in.wav is silent" in fault(run("in.wav", "--to", "slt"))
    data = Path("in.wav").read_bytes()
    assert "standard input is silent" in fault(run("-", "--to", "slt", "--out", "out.wav", stdin=data))
    assert os.listdir() == ["in.wav"]
    assert "standard input is silent" in fault(run("-", "--to", "slt", stdin=data))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(folder):
    wav = record("in.wav", rate=16000)
    os.mkfifo("pipe")
    writer = subprocess.Popen([sys.executable, "-c", "open('pipe','wb').write(open('in.wav','rb').read())"])
    assert run("pipe", "--to", "slt", "--out", "out.wav").exit_code == 0
    assert writer.wait(10) == 0 and soundfile.info("out.wav").frames == len(wav)


def test_an_ambiguous_voice_asks_for_the_source():
    record("in.wav")
    make_voice(storage.home() / "voices" / "slt-from-rms", sources=["rms"])
    assert "Choose with --from one of: bdl, rms" in fault(run("in.wav", "--to", "slt"))
    assert run("in.wav", "--to", "slt", "--from", "rms").exit_code == 0
    assert "from rms" in soundfile.SoundFile("in_slt.wav").comment


def test_an_unknown_voice_is_said_before_any_file_is_read():
    assert "no voice stl; did you mean slt?" in fault(run("missing.wav", "--to", "stl"))


def test_warnings_of_the_reader_are_shown():
    record("in.wav", rate=8000)
    assert "warning: in.wav has 8000 samples a second" in run("in.wav", "--to", "slt").stderr


def test_a_rate_that_a_format_cannot_hold_is_one_line():
    record("in.wav", rate=96000)
    assert "mp3 cannot hold 96000" in fault(run("in.wav", "--to", "slt", "--format", "mp3"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    record("in.wav", seconds=3.0)
    with open("/dev/full", "wb", buffering=0) as full:
        from voicegan.voice.api import convert_file, load_voice

        with pytest.raises(VoiceganError, match="cannot be written: No space left on device"):
            convert_file(load_voice("slt"), Path("in.wav"), full)


def test_a_folder_without_rights_is_one_line(folder):
    record("in.wav")
    Path("out").write_text("a file where a folder should be")
    result = run("in.wav", "--to", "slt", "--out", "out/in.wav")
    assert "out" in fault(result) and result.exit_code != 0


def test_the_python_functions_do_the_same():
    wav = record("in.wav")
    assert [pack.name for pack in voicegan.list_voices()] == ["slt"]
    assert voicegan.convert("in.wav", to="slt") == Path("in_slt.wav")
    with pytest.raises(VoiceganError, match="exists already"):
        voicegan.convert("in.wav", to="slt")
    voice = voicegan.load_voice("slt")
    assert voicegan.convert(Path("in.wav"), voice, "other.flac", rate="voice") == Path("other.flac")
    assert soundfile.info("other.flac").samplerate == 16000
    samples, rate = voice.convert(wav, 22050)
    assert (len(samples), rate) == (len(wav), 22050)
    with pytest.raises(VoiceganError, match="not one file"):
        voicegan.convert(".", to="slt")


def test_the_help_states_the_rules():
    text = run("--help").output
    for word in ("--to", "--from", "--out", "--force", "in_NAME.wav", "Exit code"):
        assert word in text


def test_long_sounds_do_not_fill_the_memory(folder):
    import tracemalloc

    from voicegan.voice.api import convert_file, load_voice

    wav = speech_like(20.0, 16000)
    with soundfile.SoundFile("long.wav", "w", 16000, 1) as file:
        for _ in range(16):
            file.write(wav)
    voice = load_voice("slt")
    record("short.wav", seconds=1.0)
    convert_file(voice, Path("short.wav"), Path("short_out.wav"))
    tracemalloc.start()
    convert_file(voice, Path("long.wav"), Path("out.wav"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert soundfile.info("out.wav").frames == 16 * len(wav)
    assert peak < 12e6, peak  # the whole sound is 20 MB in float32


def test_even_a_fault_of_the_program_does_not_stop_the_others(monkeypatch):
    from voicegan.voice import api

    record("in/a.wav")
    record("in/b.wav")
    real = api.convert_file

    def falls_over(voice, source, target, **options):
        if source.name == "a.wav":
            raise ZeroDivisionError("division by\nzero")
        return real(voice, source, target, **options)

    monkeypatch.setattr(api, "convert_file", falls_over)
    result = run("in", "--to", "slt", "--out", "out")
    assert result.exit_code == 1 and os.listdir("out") == ["b.wav"]
    assert "error: in/a.wav could not be converted: division by zero" in result.stderr
    assert isinstance(run("in/a.wav", "--to", "slt").exception, ZeroDivisionError)
