"""Reading and writing recordings: every format, every fault, pipes, and blocks of any size."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegan.audio import files, wav
from voicegan.audio.files import Reader, Writer, find_audio, info, read
from voicegan.errors import VoiceganError

RATE = 16000


def tone(seconds: float = 1.0, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def read_all(source: Path | BinaryIO, block_s: float = 10.0) -> tuple[np.ndarray, list[str]]:
    with Reader(source, block_s=block_s) as reader:
        return np.concatenate(list(reader)), reader.warnings


class Pipe(io.RawIOBase):
    """Bytes that cannot be seeked and arrive in odd portions."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 777) if size > 0 else size)

    def seekable(self) -> bool:
        return False


CODINGS = [
    ("wav", "WAV", "PCM_U8", 1e-2), ("wav", "WAV", "PCM_16", 1e-4), ("wav", "WAV", "PCM_24", 1e-6),
    ("wav", "WAV", "PCM_32", 1e-6), ("wav", "WAV", "FLOAT", 1e-7), ("wav", "WAV", "DOUBLE", 1e-7),
    ("wav", "WAV", "ULAW", 2e-2), ("wav", "WAV", "ALAW", 2e-2), ("wav", "WAV", "IMA_ADPCM", 5e-2),
    ("wav", "WAV", "MS_ADPCM", 5e-2), ("wav", "WAVEX", "PCM_24", 1e-6), ("wav", "RF64", "PCM_16", 1e-4),
    ("flac", "FLAC", "PCM_16", 1e-4), ("flac", "FLAC", "PCM_24", 1e-6), ("ogg", "OGG", "VORBIS", 0.1),
    ("opus", "OGG", "OPUS", 0.1), ("mp3", "MP3", "MPEG_LAYER_III", 0.1), ("aiff", "AIFF", "PCM_16", 1e-4),
    ("au", "AU", "PCM_16", 1e-4), ("caf", "CAF", "PCM_16", 1e-4), ("w64", "W64", "PCM_16", 1e-4),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "container", "subtype", "tolerance"), CODINGS)
@pytest.mark.parametrize("piped", [False, True])
def test_every_format_reads_from_files_and_pipes(
    tmp_path: Path, suffix: str, container: str, subtype: str, tolerance: float, piped: bool
) -> None:
    path, expected = tmp_path / f"a tone [1].{suffix}", tone()
    soundfile.write(path, expected, RATE, subtype, format=container)
    samples, warnings = read_all(Pipe(path.read_bytes()) if piped else path)
    assert warnings == []
    assert len(samples) >= len(expected)
    assert samples.dtype == np.float32
    if suffix == "wav":
        assert len(samples) - len(expected) < 1024  # block codecs fill their last block
    np.testing.assert_allclose(samples[1000:15000], expected[1000:15000], atol=tolerance)
    assert info(path).sample_rate_hz == RATE
    assert path.suffix in files.AUDIO_SUFFIXES


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
)
@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_our_wav_decoder_agrees_with_libsndfile(tmp_path: Path, subtype: str, endian: str) -> None:
    path = tmp_path / "noise.wav"
    noise = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    soundfile.write(path, noise, RATE, subtype, endian=endian, format="WAV")
    expected, _ = soundfile.read(path, dtype="float32")
    with open(path, "rb") as stream:
        header, taken = wav.read_header(stream)
        assert header.is_plain
        assert header.frames == 4000
        assert len(taken) == header.data_offset == stream.tell()
        np.testing.assert_array_equal(wav.decode(stream.read(header.data_bytes), header), expected)


@settings(max_examples=25, deadline=None)
@given(block_s=st.floats(1e-4, 3.0), samples=st.integers(1, 20000), piped=st.booleans())
def test_blocks_of_any_size_join_to_the_same_samples(block_s: float, samples: int, piped: bool) -> None:
    noise = np.random.default_rng(samples).uniform(-0.5, 0.5, (samples, 2)).astype(np.float32)
    data = io.BytesIO()
    soundfile.write(data, noise, RATE, "FLOAT", format="WAV")
    source = Pipe(data.getvalue()) if piped else io.BytesIO(data.getvalue())
    with Reader(source, block_s=block_s) as reader:
        blocks = list(reader)
    assert {len(block) for block in blocks[:-1]} <= {max(1, round(block_s * RATE))}
    np.testing.assert_array_equal(np.concatenate(blocks), noise.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize("size_field", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_piped_wav_of_unknown_length(size_field: int) -> None:
    expected = np.arange(-3000, 3000, dtype="<i2")
    data = bytearray(wav.header_bytes(RATE, "a comment", None))
    data[-4:] = struct.pack("<I", size_field)
    samples, warnings = read_all(Pipe(bytes(data) + expected.tobytes()))
    np.testing.assert_array_equal(samples * 32768, expected)
    assert warnings == []


@pytest.mark.parametrize("size_field", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_file_whose_header_was_never_completed(tmp_path: Path, size_field: int) -> None:
    path = tmp_path / "open.wav"
    data = bytearray(wav.header_bytes(RATE, None, None))
    data[-4:] = struct.pack("<I", size_field)
    path.write_bytes(bytes(data) + (tone() * 32767).astype("<i2").tobytes())
    samples, warnings = read_all(path)
    assert len(samples) == RATE
    assert warnings == []


def test_a_real_pipe_of_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, tone(3), RATE, "PCM_16")
    code = (
        "import sys; from voicegan.audio.files import Reader, Writer\n"
        "with Reader(sys.stdin.buffer, block_s=0.1) as r, Writer(sys.stdout.buffer, r.info.sample_rate_hz) as w:\n"
        "    [w.write(b) for b in r]\n"
        "print(r.info.path, file=sys.stderr)"
    )
    done = subprocess.run(
        f'cat "{path}" | "{sys.executable}" -c "$CODE" | cat', shell=True, capture_output=True, check=True,
        env={**os.environ, "CODE": code}, timeout=60,
    )  # fmt: skip
    samples, warnings = read_all(Pipe(done.stdout))
    np.testing.assert_array_equal(samples, soundfile.read(path, dtype="float32")[0])
    assert warnings == []
    assert done.stderr.decode().strip() == "standard input"


def test_a_named_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    data = wav.header_bytes(RATE, None, None) + (tone() * 32767).astype("<i2").tobytes()
    thread = threading.Thread(target=path.write_bytes, args=(data,))
    thread.start()
    samples, warnings = read_all(path)
    thread.join()
    assert len(samples) == RATE
    assert warnings == []


def test_a_flac_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "unknown.flac"
    soundfile.write(path, tone(), RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of the number of samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert info(path).frames is None
    samples, warnings = read_all(path)
    assert len(samples) == RATE
    assert warnings == []


def test_a_reader_closes_what_it_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE)
    stream = io.BytesIO(path.read_bytes())
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        read(path)
        read_all(Pipe(path.read_bytes()))
        with pytest.raises(VoiceganError):
            read(make("bad.flac", b"fLaC" + GARBAGE)(tmp_path))
    assert before in (0, len(os.listdir("/proc/self/fd")))
    read_all(stream)
    assert not stream.closed


# Faults -----------------------------------------------------------------------------------------------------


def broken(make: Callable[[Path], Path], tmp_path: Path) -> str:
    with pytest.raises(VoiceganError) as error:
        read(make(tmp_path))
    line = str(error.value)
    assert "\n" not in line
    assert error.value.hint
    return line


def make(name: str, data: bytes) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return build


def sound(samples: np.ndarray, subtype: str = "FLOAT", suffix: str = ".wav") -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        soundfile.write(folder / f"sound{suffix}", samples, RATE, subtype)
        return folder / f"sound{suffix}"

    return build


GARBAGE = np.random.default_rng(5).bytes(5000)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda folder: folder / "nowhere.wav", "nowhere.wav does not exist"),
        (lambda folder: make("a.wav", b"")(folder) / "b.wav", "b.wav does not exist"),
        (lambda folder: folder, "is a folder, not a recording"),
        (make("void.wav", b""), "void.wav is empty (0 bytes)"),
        (make("garbage.wav", GARBAGE), "garbage.wav is not audio"),
        (make("text.mp3", b"I am no sound.\n" * 300), "text.mp3 is not audio"),
        (make("text.wav", b"short"), "text.wav is not audio"),
        (make("film.wav", b"RIFF\x10\x10\0\0AVI " + GARBAGE), "film.wav is not audio"),
        (make("samples.raw", GARBAGE), "samples.raw is not audio"),
        (
            make("half.wav", wav.header_bytes(RATE, None, 100)[:30]),
            "half.wav has a broken WAV header: it ends",
        ),
        (make("slow.wav", wav.header_bytes(100, None, 800) + bytes(800)), "it claims 100 samples a second"),
        (make("lost.wav", b"RIFF\x10\x10\0\0WAVE" + GARBAGE), "lost.wav has a broken WAV header"),
        (make("lost.flac", b"fLaC" + GARBAGE), "lost.flac has a broken FLAC header"),
        (make("lost.ogg", b"OggS" + GARBAGE), "lost.ogg has a broken Ogg header"),
        (make("none.wav", wav.header_bytes(RATE, None, 0)), "none.wav holds no samples"),
        (sound(np.zeros(0), suffix=".aiff", subtype="PCM_16"), "holds no samples"),
        (sound(np.append(tone(), np.nan)), "not numbers (NaN or infinite), first at 1.000 s"),
        (sound(np.append(tone(0.5), np.inf)), "not numbers (NaN or infinite), first at 0.500 s"),
        (sound(1000 * tone()), "sound.wav holds samples of 300 times full scale, first at 0.00"),
        (sound(np.full(RATE, 0.2)), "sound.wav is silent (all samples are equal)"),
        (sound(0.2 + 1e-4 * tone()), "sound.wav is silent (peak -90 dBFS)"),
        (sound(np.zeros(RATE)), "sound.wav is silent (all samples are zero)"),
        (sound(tone() * 1e-4), "sound.wav is silent (peak -90 dBFS)"),
    ],
)
def test_faults_give_one_clear_line(build: Callable[[Path], Path], says: str, tmp_path: Path) -> None:
    assert says in broken(build, tmp_path)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        with pytest.raises(VoiceganError, match="cannot be read"):
            read(tmp_path / ("x" * 300 + ".wav"))  # root may read everything, but no name may be this long
        return
    path = sound(tone())(tmp_path)
    path.chmod(0)
    with pytest.raises(VoiceganError, match="cannot be read"):
        read(path)


def test_faults_of_pipes() -> None:
    for data, says in [
        (b"", "standard input is empty"),
        (GARBAGE, "standard input is not audio"),
        (b"RIFF\x10\x10\0\0WAVE" + GARBAGE, "standard input has a broken WAV header"),
        (wav.header_bytes(RATE, None, None), "standard input holds no samples"),
    ]:
        with pytest.raises(VoiceganError, match=says):
            read_all(Pipe(data))


def test_damaged_mp3_files_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.mp3"
    soundfile.write(path, tone(5), RATE)
    path.write_bytes(path.read_bytes()[:3000] + bytes(2000))
    read_all(path)
    with pytest.raises(VoiceganError):
        read_all(make("text.mp3", b"no sound" * 1000)(tmp_path))
    assert capfd.readouterr().err == ""


def test_threads_that_read_damaged_mp3_files_keep_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.mp3"
    soundfile.write(path, tone(5), RATE)
    path.write_bytes(path.read_bytes()[:3000] + bytes(2000))
    before = os.fstat(2)
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            lengths = {len(samples) for samples, _ in pool.map(read_all, [path] * 16)}
        assert len(lengths) == 1
        assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_forked_while_another_thread_decodes_can_decode_and_complain(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", tone(20), RATE)
    code = (
        "import os, sys, threading, time; from pathlib import Path\n"
        "from voicegan.audio.files import read\n"
        "path = Path(sys.argv[1])\n"
        "threading.Thread(target=lambda: [read(path) for _ in range(10)], daemon=True).start()\n"
        "time.sleep(0.1)\n"
        "for _ in range(5):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        os.write(2, b'x'); read(path); os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tmp_path / "a.mp3"], capture_output=True, timeout=60
    )
    assert done.stderr == b"xxxxx"


def test_reading_needs_no_standard_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", tone(1), RATE)
    code = (
        "import io, os, sys; from voicegan.audio.files import read\n"
        "sys.stderr = io.StringIO(); os.close(2)\n"
        "read(sys.argv[1]); sys.stderr.close(); read(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.mp3"], timeout=60)
    assert done.returncode == 0


# Usable, with a warning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("piped", [False, True])
def test_what_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path, suffix: str, piped: bool) -> None:
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noise = 0.1 * np.random.default_rng(0).standard_normal(10 * RATE)
    with soundfile.SoundFile(whole, "w", RATE, 1, format="OGG" if suffix == "opus" else None,
                             subtype="OPUS" if suffix == "opus" else None) as file:  # fmt: skip
        file.write(noise)
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    samples, warnings = read_all(Pipe(path.read_bytes()) if piped else path)
    assert 4 * RATE < len(samples) < 7 * RATE
    assert len(warnings) == 1
    assert "is cut off or damaged: only" in warnings[0]
    intact, _ = read_all(whole)
    np.testing.assert_allclose(samples[: 4 * RATE], intact[: 4 * RATE], atol=1e-6)


@pytest.mark.parametrize("tag", [b"", b"ID3\x03\0\0\0\0\x40\0" + bytes(8192)])
def test_an_mp3_without_an_index_is_not_called_cut_off(tmp_path: Path, tag: bytes) -> None:
    path = tmp_path / "vbr.mp3"
    noise = np.random.default_rng(0).standard_normal((4 * RATE, 1)) * np.linspace(0.1, 0, 4 * RATE)[:, None]
    soundfile.write(path, noise, RATE, bitrate_mode="VARIABLE", compression_level=0.5)
    data = path.read_bytes()
    path.write_bytes(tag + data)
    assert read_all(path)[1] == []
    path.write_bytes(tag + data[: len(data) // 2])
    assert "is cut off" in read_all(path)[1][0]
    first = max(data.find(b"Xing"), data.find(b"Info"))
    sync = data[data.rindex(b"\xff", 0, first) :][:2]
    path.write_bytes(tag + data[data.index(sync, first) :])  # from the second frame on
    samples, warnings = read_all(path)
    assert warnings == []
    assert 3.9 * RATE < len(samples) < 4.2 * RATE


def test_one_live_channel_of_eight_keeps_its_level(tmp_path: Path) -> None:
    channels = 1e-5 * np.random.default_rng(0).standard_normal((RATE, 8))
    channels[:, 5] = tone()
    path = tmp_path / "eight.wav"
    soundfile.write(path, channels, RATE, "FLOAT")
    for source in (path, Pipe(path.read_bytes())):
        samples, warnings = read_all(source)
        np.testing.assert_allclose(samples, tone(), atol=1e-6)
        assert len(warnings) == 1
        assert "8 channels, of which 7 are silent" in warnings[0]


def test_a_single_live_channel_is_named(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([0 * tone(), tone()], axis=1), RATE, "FLOAT")
    assert read_all(path)[1] == [f"{path} has 2 channels, of which 1 is silent: only channel 2 is used."]


def test_a_single_sample_is_read_without_remarks(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    soundfile.write(path, [0.3], RATE, "FLOAT")
    assert read(path)[0] == pytest.approx([0.3])
    assert read_all(path)[1] == []


def test_two_talkers_on_two_channels_are_both_heard(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    both = np.stack([np.r_[tone(), 0 * tone()], np.r_[0 * tone(), 0.3 * tone()]], axis=1)
    soundfile.write(path, both, RATE, "FLOAT")
    samples, warnings = read_all(path)
    np.testing.assert_allclose(samples, both.mean(axis=1), atol=1e-6)
    assert warnings == []


def test_channels_of_opposite_polarity_do_not_vanish(tmp_path: Path) -> None:
    path = tmp_path / "opposite.wav"
    soundfile.write(path, np.stack([tone(), -0.98 * tone()], axis=1), RATE, "FLOAT")
    samples, warnings = read_all(path)
    np.testing.assert_allclose(samples, tone(), atol=1e-6)
    assert "opposite polarity" in warnings[0]


@pytest.mark.parametrize("rate", [8000, 11025, 192000, 12345])
def test_odd_rates_work_and_low_ones_are_remarked(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "odd.wav"
    soundfile.write(path, tone(1, rate), rate)
    samples, warnings = read_all(path)
    assert len(samples) == rate
    assert [f"{rate} samples a second" in line for line in warnings] == ([True] if rate < 16000 else [])


def test_clipping_and_offset_are_remarked(tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    soundfile.write(path, np.clip(3 * tone(level=1.0) + 0.1, -1, 1), RATE)
    assert "is clipped" in " ".join(read_all(path)[1])
    soundfile.write(path, tone() + 0.05, RATE)
    (line,) = read_all(path)[1]
    assert "DC offset of 5.0 %" in line
    soundfile.write(path, tone(level=0.9), RATE)
    assert read_all(path)[1] == []


def test_memory_stays_bounded_over_a_long_file(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for _ in range(30):
            file.write(np.full((10 * RATE, 2), 0.01, np.float32))
    tracemalloc.start()
    with Reader(path, block_s=1.0) as reader:
        total = sum(len(block) for block in reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 300 * RATE
    assert peak < 8e6


# Writing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", files.FORMATS)
@pytest.mark.parametrize("where", ["path", "memory", "pipe"])
def test_what_is_written_reads_back_with_its_comment(tmp_path: Path, format: str, where: str) -> None:
    path, expected = tmp_path / f"out.{format}", tone(3, 48000)

    class Out(io.BytesIO):
        def seekable(self) -> bool:
            return where == "memory"

    out = Out()
    with Writer(path if where == "path" else out, 48000, format, comment="voicegan: voice slt") as writer:
        for start in range(0, len(expected), 31111):
            writer.write(expected[start : start + 31111])
    assert writer.clipped == 0
    if where != "path":
        path.write_bytes(out.getvalue())
    samples, warnings = read_all(path)
    assert warnings == []
    assert len(samples) == len(expected)
    np.testing.assert_allclose(
        samples[2000:-2000], expected[2000:-2000], atol=2e-5 if format in ("wav", "flac") else 0.05
    )
    assert info(path).comment == "voicegan: voice slt"
    assert os.listdir(tmp_path) == [path.name]


def test_a_path_and_a_stream_hold_the_same_samples(tmp_path: Path) -> None:
    noise, out = (np.random.default_rng(0).uniform(-1.1, 1.1, 5000).astype(np.float32), io.BytesIO())
    for target in (tmp_path / "a.wav", out):
        with Writer(target, RATE) as writer:
            writer.write(noise)
        assert writer.clipped == np.count_nonzero(np.abs(noise) > 1)
    np.testing.assert_array_equal(read_all(tmp_path / "a.wav")[0], read_all(io.BytesIO(out.getvalue()))[0])


def test_reading_and_writing_16_bits_changes_nothing(tmp_path: Path) -> None:
    path, again = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(path, np.arange(-32768, 32768, dtype=np.int16), RATE)
    with Reader(path) as reader, Writer(again, RATE) as writer:
        for block in reader:
            writer.write(block)
    np.testing.assert_array_equal(soundfile.read(again, dtype="int16")[0], np.arange(-32768, 32768))


def test_a_failure_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), Writer(path, RATE) as writer:
        writer.write(tone())
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.wav"]


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(VoiceganError, match="no format 'wma'"):
        Writer(tmp_path / "a.wma", RATE, "wma")
    with pytest.raises(VoiceganError, match="mp3 cannot hold 192000 samples a second"):
        Writer(tmp_path / "a.mp3", 192000, "mp3")
    (tmp_path / "file").write_text("")
    with pytest.raises(VoiceganError, match="cannot be written"), Writer(tmp_path / "file" / "a.wav", RATE):
        pytest.fail("a file is no folder")
    with pytest.raises(VoiceganError, match="not numbers"), Writer(tmp_path / "a.wav", RATE) as writer:
        writer.write(np.array([np.nan]))
    assert os.listdir(tmp_path) == ["file"]


def test_what_fails_at_opening_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")

    def failing(self: object, *arguments: object, **keywords: object) -> None:
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile.SoundFile, "__init__", failing)
    with (
        pytest.raises(VoiceganError, match=r"out\.wav cannot be written: libsndfile says"),
        Writer(path, RATE),
    ):
        pytest.fail("it cannot be opened")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.wav"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_files_is_named_with_the_reason() -> None:
    says = r"^/proc/x\.wav cannot be written: (No such file|Permission denied).*Check the folder"
    with pytest.raises(VoiceganError, match=says), Writer("/proc/x.wav", RATE):
        pytest.fail("nothing can be written there")


@pytest.mark.parametrize("format", files.FORMATS)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_disk_is_said(format: str) -> None:
    says = "cannot be written: No space left"
    with (
        pytest.raises(VoiceganError, match=says),
        open("/dev/full", "wb", 0) as full,
        Writer(full, RATE, format) as to,
    ):
        to.write(tone())


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg"])
def test_a_name_may_be_any_bytes(tmp_path: Path, suffix: str) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe." + suffix.encode()))
    with Writer(path, RATE, suffix) as writer:
        writer.write(tone())
    assert len(read(path)[0]) == RATE
    assert len(list(tmp_path.iterdir())) == 1


def test_a_reader_that_goes_away_ends_the_writing() -> None:
    taking, giving = os.pipe()

    def take_some() -> None:
        os.read(taking, 100)
        os.close(taking)

    thread = threading.Thread(target=take_some)
    thread.start()
    with pytest.raises(BrokenPipeError), open(giving, "wb", buffering=0) as out, Writer(out, RATE) as writer:
        for _ in range(100):
            writer.write(tone())
    thread.join()


def test_folders_are_searched_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ["b.wav", "a.FLAC", "deep/er/c.ogg", ".hidden.wav", ".git/d.wav", "notes.txt", "a b [x].mp3",
                 "phone.M4A"]:  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [str(path.relative_to(tmp_path)) for path in find_audio(tmp_path)]
    assert found == [
        "a b [x].mp3",
        "a.FLAC",
        "b.wav",
        "deep/er/c.ogg",
        "phone.M4A",
    ]  # what cannot be read is found too, to be named
    with pytest.raises(VoiceganError, match="is not a folder"):
        find_audio(tmp_path / "b.wav")
