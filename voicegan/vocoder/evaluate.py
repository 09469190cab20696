"""Judge vocoders by copy-synthesis: recordings analysed and put together again, each beside itself.

`evaluate` returns one plain dictionary, ready for JSON, with everything that is needed to get the same figures again:
settings, versions, hashes of recordings and weights, and every recording's figures under every vocoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .. import pictures, storage
from ..audio import files
from ..audio.mel import PRESETS
from ..audio.resample import resample
from ..audio.threads import one_thread
from ..errors import VoiceganError
from ..metrics import copying
from ..metrics.copying import compare_copy, log_mel
from ..metrics.intrusive import RATE_HZ
from ..metrics.judges import CopyJudges
from ..metrics.plan import by_name, choose, listed_speaker, speaker_of, spread
from ..metrics.provenance import stamp
from ..metrics.summary import COPY_FIGURES, summarise
from . import AUTO, VOCODERS, Vocoder, in_blocks, library
from .pack import VocoderPack
from .resynthesis import BLOCK_FRAMES, MEL, open_vocoder

Floats = NDArray[np.floating]
Progress = Callable[[int, int, str], None]

FORMAT = 1
RECORDINGS = "recordings"  # the row of the recordings themselves
PACKAGES = (
    "numpy", "scipy", "torch", "numba", "soundfile", "soxr", "librosa", "pesq", "pystoi", "speechmos", "onnxruntime",
)  # fmt: skip
_PICTURED_S = 3.0
_PICTURE_FFT, _PICTURE_HOP = 512, 128


@dataclass(frozen=True)
class Contender:
    """A vocoder that is judged; `pack` where it was trained."""

    name: str
    vocoder: Vocoder
    pack: VocoderPack | None

    def to_dict(self) -> dict[str, Any]:
        """What it is, as plain values."""
        spec = self.vocoder.spec
        facts: dict[str, Any] = {
            "kind": self.pack.net if self.pack else "no training",
            "mel": spec.to_dict(),
            "lookahead_ms": round(1000 * spec.seconds(self.vocoder.lookahead_frames), 1),
        }
        if self.pack:
            facts |= {
                "folder": str(self.pack.folder),
                "weights_sha256": self.pack.sha256,
                "weights_bytes": self.pack.weights_bytes,
                "parameters": _parameters(self.vocoder),
            }
        return facts


def evaluate(
    folder: Path,
    *,
    vocoders: Sequence[str] = (),
    mel: str = MEL,
    listed: Mapping[str, str] | None = None,
    limit: int | None = None,
    keep: Path | None = None,
    pictures_to: Path | None = None,
    judges: CopyJudges | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Judge vocoders on the recordings of a folder, whose sub-folders are speakers.

    Parameters
    ----------
    vocoders
        Names or paths; by default all that need no training and all installed ones of the contract `mel`.
    mel
        Preset under which vocoders without training work.
    listed
        Judge only these files, and whose they are, where it is not the sub-folder that says so; see
        `voicegan.metrics.plan.read_listed`.
    limit
        Recordings of each speaker, at most, evenly chosen.
    keep, pictures_to
        Folders for the copies (a sub-folder for each vocoder), and for spectrograms of a recording of each speaker.
    progress
        Called with the number of copies judged, their total, and what is being judged.

    Returns
    -------
    dict
        ``format, voicegan, made, machine, versions, settings, vocoders, rows, missing, notes, failed, recordings``.
        ``rows`` has ``summary`` and ``utterances`` for the recordings and for each vocoder, whose speed (processor
        seconds for each second of sound, on one thread) is under ``vocoders``; ``failed`` names the recordings that
        cannot be read.

    Raises
    ------
    VoiceganError
        A vocoder is unknown or damaged, there are no recordings, or none of them can be read.
    """
    notes: list[str] = []
    trials = _trials(folder, listed or {}, limit, notes)
    run = _Evaluation(contenders(vocoders, mel, notes), judges or CopyJudges(), keep, pictures_to)
    for number, (name, speaker, path) in enumerate(trials):
        if progress:
            progress(number * len(run.contenders), len(trials) * len(run.contenders), name)
        run.judge(name, speaker, path)
    if not run.recordings:
        reasons = "; ".join(one["error"] for one in run.failed[:3])
        raise VoiceganError(f"none of the recordings in {folder} can be read: {reasons}")
    return {
        "format": FORMAT,
        **stamp(PACKAGES),
        "settings": {"folder": str(folder), "limit": limit, **copying.settings(), **run.judges.settings()},
        "vocoders": run.described(),
        "rows": {
            row: {"summary": summarise(utterances, COPY_FIGURES), "utterances": utterances}
            for row, utterances in run.rows.items()
        },
        "missing": run.judges.missing,
        "notes": notes,
        "failed": run.failed,
        "recordings": run.recordings,
    }


def kept_path(keep: Path, vocoder: str, name: str) -> Path:
    """Where the copy of a recording is kept."""
    # Of two runs the vocoders may be folders of one name; the path tells them apart.
    return keep / vocoder.strip("/").replace("/", "_") / f"{name}.wav"


def contenders(names: Sequence[str], mel: str = MEL, notes: list[str] | None = None) -> list[Contender]:
    """The vocoders that are named; without names, all that can make sound of the mels of a preset.

    What is left out then becomes a line in `notes`. Raises VoiceganError for what is unknown or damaged.
    """
    chosen = list(dict.fromkeys(names)) or _all_for(mel, notes if notes is not None else [])
    made = []
    for name in chosen:
        vocoder = open_vocoder(name, mel)
        pack = library.bundled_for(vocoder.spec.to_dict()) if name == AUTO else None
        if name != AUTO and name not in VOCODERS:
            pack = library.find_vocoder(name, VOCODERS)
        made.append(Contender(vocoder.name, vocoder, pack))
    return made


def _all_for(mel: str, notes: list[str]) -> list[str]:
    packs, broken = library.installed()
    wanted = PRESETS[mel].to_dict() if mel in PRESETS else {}
    notes += [f"{error}" for error in broken.values()]
    notes += [
        f"{pack.folder.name} is made for other mels than {mel}: name it with --vocoder to judge it too"
        for pack in packs
        if pack.mel_contract != wanted
    ]
    return [*VOCODERS, *(pack.folder.name for pack in packs if pack.mel_contract == wanted)]


def _trials(
    folder: Path, listed: Mapping[str, str], limit: int | None, notes: list[str]
) -> list[tuple[str, str, Path]]:
    """(name, speaker, path) of every recording that is to be judged."""
    paths = by_name(folder, "DIR")
    speakers: dict[str, list[tuple[str, Path]]] = {}
    for name in choose(paths, folder, list(listed), notes):
        speaker = listed_speaker(paths[name], listed) or speaker_of(name, folder)
        speakers.setdefault(speaker, []).append((name, paths[name]))
    return [
        (name, speaker, path)
        for speaker, recordings in speakers.items()
        for name, path in spread(recordings, limit or len(recordings))
    ]


class _Evaluation:
    """One run: figures as they come in."""

    def __init__(
        self, contenders: list[Contender], judges: CopyJudges, keep: Path | None, pictures_to: Path | None
    ) -> None:
        self.contenders, self.judges, self.keep, self.pictures_to = contenders, judges, keep, pictures_to
        self.rows: dict[str, list[dict[str, Any]]] = {RECORDINGS: []}
        self.rows |= {one.name: [] for one in contenders}
        self.recordings: list[dict[str, Any]] = []
        self.failed: list[dict[str, str]] = []
        self.cpu_s = dict.fromkeys(self.rows, 0.0)
        self.audio_s = 0.0
        self._pictured: set[str] = set()
        for one in contenders:  # compiled loops and plans are made on first use, and belong to no recording
            _synthesise(one.vocoder, np.zeros(one.vocoder.spec.sample_rate_hz, np.float32))

    def judge(self, name: str, speaker: str, path: Path) -> None:
        """Put one recording through every vocoder."""
        try:
            wav, rate_hz = files.read(path)
        except VoiceganError as error:
            self.failed.append({"file": str(path), "error": str(error)})
            return
        own = resample(wav, rate_hz, RATE_HZ)
        who = {"name": name, "speaker": speaker}
        self._note(RECORDINGS, who, self.judges.naturalness.rate(own) if self.judges.naturalness else {})
        copies = {}
        for one in self.contenders:
            spec_hz = one.vocoder.spec.sample_rate_hz
            copy, cpu_s = _synthesise(one.vocoder, resample(wav, rate_hz, spec_hz))
            self.cpu_s[one.name] += cpu_s
            self._store(one.name, name, copy, spec_hz)
            copies[one.name] = _fitted(resample(copy, spec_hz, RATE_HZ), len(own))
            self._note(one.name, who, compare_copy(own, copies[one.name], self.judges))
        seconds = len(wav) / rate_hz
        self.audio_s += seconds
        self.recordings.append(
            {**who, "path": str(path), "sha256": storage.sha256(path), "seconds": round(seconds, 3)}
        )
        if self.pictures_to and speaker not in self._pictured:
            self._pictured.add(speaker)
            _picture({"recording": own, **copies}, self.pictures_to / f"{name}.png")

    def described(self) -> dict[str, dict[str, Any]]:
        """What each vocoder is, and how quick it was."""
        return {
            one.name: one.to_dict()
            | {
                "cpu_s": round(self.cpu_s[one.name], 3),
                "audio_s": round(self.audio_s, 3),
                "cpu_s_per_s": round(self.cpu_s[one.name] / self.audio_s, 5),
                "threads": 1,
            }
            for one in self.contenders
        }

    def _note(self, row: str, who: Mapping[str, str], figures: Mapping[str, float | None]) -> None:
        rounded = {key: None if value is None else round(value, 5) for key, value in figures.items()}
        self.rows[row].append({**who, **rounded})

    def _store(self, vocoder: str, name: str, wav: Floats, rate_hz: int) -> None:
        if self.keep:
            path = kept_path(self.keep, vocoder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.Writer(path, rate_hz, format="wav") as writer:
                writer.write(wav)


def _parameters(vocoder: Vocoder) -> int:
    return sum(one.numel() for one in vocoder.parameters()) if isinstance(vocoder, nn.Module) else 0


@torch.inference_mode()
def _synthesise(vocoder: Vocoder, wav: Floats) -> tuple[Floats, float]:
    """The copy (T,) of wav (T,) at the vocoder's rate, and the processor seconds that took beyond the analysis."""
    mel = log_mel(wav, vocoder.spec)
    with one_thread():
        start = time.process_time()
        stream = in_blocks(vocoder, BLOCK_FRAMES).stream()
        copy = torch.cat([stream.push(mel), stream.flush(len(wav))])
        return copy.numpy(), time.process_time() - start


def _fitted(wav: Floats, samples: int) -> Floats:
    """Two changes of rate may round to a sample more or less."""
    return np.pad(wav, (0, max(0, samples - len(wav))))[:samples]


def _picture(sounds: Mapping[str, Floats], path: Path) -> None:
    """Spectrograms in dB of the middle seconds of equally long sounds (T,) at 16 kHz, side by side."""
    window = torch.hann_window(_PICTURE_FFT)
    samples = min(int(_PICTURED_S * RATE_HZ), len(next(iter(sounds.values()))))
    rows = []
    for label, wav in sounds.items():
        start = (len(wav) - samples) // 2
        part = torch.from_numpy(np.ascontiguousarray(wav[start : start + samples], np.float32))
        spectrum = torch.stft(
            part, _PICTURE_FFT, _PICTURE_HOP, window=window, pad_mode="constant", return_complex=True
        )
        level_db = 20 * spectrum.abs().clamp(min=1e-6).log10()
        rows.append((label, level_db.numpy()))
    loudest = max(float(level.max()) for _, level in rows)
    pictures.mel_picture(rows, path, lo=loudest - 80, hi=loudest, columns=2)
