"""Judge conversions beside their floor (no conversion) and their ceiling (the target through the same
vocoder).

`evaluate` returns one plain dictionary, ready for JSON, with everything that is needed to get the same
figures again: settings, versions of the judges, hashes of the recordings, and every utterance's figures.
Judges whose packages are not installed are named under ``missing``, with the command that installs them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import storage, vocoder
from ..audio import files
from ..audio.loudness import active_level_db, gain
from ..audio.mel import PRESETS, LogMel, MelSpec
from ..audio.resample import resample
from ..errors import VoiceganError
from ..metrics.judges import Judges
from ..metrics.plan import Plan, Trial, make_plan
from ..metrics.provenance import stamp
from ..metrics.recording import F0_MAX_HZ, F0_MIN_HZ, RATE_HZ, Recording, compare, pitch_kept
from ..metrics.speaker import centroid_without, cosine
from ..metrics.spectral import LOG_MEL, McdSettings, mcd
from ..metrics.summary import summarise
from ..metrics.transcripts import Transcripts, find_transcripts, read_transcripts

Floats = NDArray[np.floating]
Convert = Callable[[Floats, int], tuple[Floats, int]]
Progress = Callable[[int, int, str], None]

FORMAT = 1
ROWS = ("source", "classical", "converted", "copy-synthesis", "target")
PACKAGES = (
    "numpy", "scipy", "torch", "numba", "soundfile", "soxr", "librosa",
    "resemblyzer", "webrtcvad-wheels", "pocketsphinx", "jiwer", "speechmos", "onnxruntime",
    "pyworld", "pyworld-prebuilt",
)  # fmt: skip
# Pairs that are compared, matched and shuffled, to tell whether equal names mean equal sentences.
PAIRS_TO_CHECK = 8


@dataclass(frozen=True)
class Settings:
    """What an evaluation's figures depend on besides the recordings.

    vocoder, mel
        The vocoder of the copy-synthesis, and its mel contract: those of the voice that is judged.
    pool
        Recordings that a speaker's centroid is made of, at most.
    level_db
        Active level in dBFS to which every recording is brought before it is judged; None leaves each at its own.
        The judge of speakers hears likeness in loudness too, and a conversion is as loud as its source was.
    parallel_ratio
        Readings count as the same sentences where their MCD is below this times that of shuffled pairs: equal
        names alone (001.wav) prove nothing.
    """

    vocoder: str = vocoder.AUTO
    mel: MelSpec = PRESETS["16k"]
    mcd: McdSettings = LOG_MEL
    pool: int = 40
    level_db: float | None = None
    parallel_ratio: float = 0.9

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the result."""
        return {
            "judged_at_hz": RATE_HZ,
            "copy_synthesis": {"vocoder": self.vocoder, "mel": self.mel.to_dict()},
            "mcd": self.mcd.to_dict(),
            "f0": {
                "frames": f"those of the mel preset {self.mcd.mel}, aligned as for the MCD",
                "fmin_hz": F0_MIN_HZ,
                "fmax_hz": F0_MAX_HZ,
                "correlation": "Pearson, log F0, frames voiced in both",
            },
            "pool": self.pool,
            "level_db": self.level_db,
            "parallel_ratio": self.parallel_ratio,
        }


def evaluate(
    source: Path,
    target: Path,
    *,
    convert: Convert | None = None,
    classical: Convert | None = None,
    converted: Path | None = None,
    names: Sequence[str] = (),
    limit: int | None = None,
    transcripts: Path | None = None,
    settings: Settings | None = None,
    keep: Path | None = None,
    judges: Judges | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Judge the conversions of the recordings in `source` to the voice heard in `target`.

    Parameters
    ----------
    source, target
        Folders of recordings; parallel where names match and the sentences prove to be the same.
    convert, converted
        The converter, called with samples (T,) and rate, or a folder of finished conversions.
    classical
        Another converter, to stand beside it: what was possible without learning.
    names, limit
        Which of the source's recordings; see `voicegan.metrics.plan.make_plan`.
    transcripts
        Table or folder of what was said; looked for beside the source's recordings by default. Without any, a
        conversion is measured against what the recogniser itself hears in the recording.
    keep
        Folder for the audio that was made: ``converted/`` and ``copy-synthesis/``.
    progress
        Called with the number of recordings judged, their total, and what is being judged.

    Returns
    -------
    dict
        ``format, voicegan, made, machine, settings, versions, rows, missing, notes, recordings, conversion``;
        ``rows[row]`` has ``summary`` and ``utterances`` for the rows source, classical (where asked for),
        converted, copy-synthesis and target.

    Raises
    ------
    VoiceganError
        Folders or files are missing or unreadable, or not exactly one of `convert` and `converted` is given.
    """
    if (convert is None) == (converted is None):
        raise VoiceganError("it is not clear what to judge", "Give either a voice or --converted DIR.")
    settings = settings or Settings()
    plan = make_plan(source, target, converted=converted, names=names, limit=limit, pool=settings.pool)
    said = read_transcripts(transcripts) if transcripts else find_transcripts(source)
    run = _Evaluation(plan, said, settings, judges or Judges(), convert, classical, keep, progress)
    run.judge()
    return run.result()


class _Evaluation:
    """One run: the judges' answers as they come in."""

    def __init__(
        self,
        plan: Plan,
        transcripts: Transcripts | None,
        settings: Settings,
        judges: Judges,
        convert: Convert | None,
        classical: Convert | None,
        keep: Path | None,
        progress: Progress | None,
    ) -> None:
        self.plan, self.settings, self.judges, self.convert, self.keep = plan, settings, judges, convert, keep
        self.transcripts, self.progress, self.classical = transcripts, progress, classical
        rows = [row for row in ROWS if row != "classical" or classical]
        self.rows: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
        self.notes = list(plan.notes)
        if settings.level_db is not None:
            self.notes.append(f"every recording judged at {settings.level_db:g} dBFS")
        self.conversion_s, self.converted_s = 0.0, 0.0
        self.vocoder = vocoder.load(settings.vocoder, settings.mel, torch.device("cpu"))
        self.settings = replace(settings, vocoder=self.vocoder.name)
        self.parallel = self._is_parallel()
        self.target_pool = self._embed(plan.target_pool)
        self.source_pools = {speaker: self._embed(pool) for speaker, pool in plan.source_pools.items()}

    def judge(self) -> None:
        for trial in self.plan.trials:
            origin = self._read(trial.source)
            reference = self._read(trial.target) if trial.target and self.parallel else None
            said = self._said(trial.source, origin)
            self._judge("source", trial, origin, said, origin, reference)
            if self.classical:
                heard = self._converted_by(self.classical, "classical", trial)
                self._judge("classical", trial, heard, said, origin, reference)
            self._judge("converted", trial, self._conversion(trial), said, origin, reference)
        for name, path in self.plan.targets:
            recording = self._read(path)
            said = self._said(path, recording)
            trial = Trial(name, path.parent.name, path, name, path)
            self._judge("copy-synthesis", trial, self._copy(name, recording), said, None, recording)
            self._judge("target", trial, recording, said, None, None)

    def result(self) -> dict[str, Any]:
        transcripts = self.transcripts.source if self.transcripts else None
        return {
            "format": FORMAT,
            **stamp(PACKAGES),
            "settings": self.settings.to_dict()
            | self.judges.settings()
            | {"parallel": self.parallel, "transcripts": str(transcripts or "what the recogniser hears")},
            "rows": {
                row: {"summary": summarise(utterances), "utterances": utterances}
                for row, utterances in self.rows.items()
            },
            "missing": self.judges.missing,
            "notes": self.notes,
            "recordings": self._recordings(),
            "conversion": {
                "seconds": round(self.conversion_s, 3),
                "audio_s": round(self.converted_s, 3),
                "threads": torch.get_num_threads(),
            }
            if self.convert
            else None,
        }

    def _judge(
        self,
        row: str,
        trial: Trial,
        heard: Recording,
        said: str,
        origin: Recording | None,
        reference: Recording | None,
    ) -> None:
        if self.progress:
            total = (2 + bool(self.classical)) * len(self.plan.trials) + 2 * len(self.plan.targets)
            self.progress(sum(map(len, self.rows.values())), total, f"{row}: {trial.name}")
        figures: dict[str, Any] = {"name": trial.name, "speaker": trial.speaker}
        figures |= self._whose_voice(trial, heard, origin) | self._which_words(heard, said)
        if self.judges.naturalness:
            figures |= self.judges.naturalness.rate(heard.wav)
        if reference:
            figures |= compare(heard, reference, self.settings.mcd)
            if self.judges.world:
                figures["mcd_s3prl_db"] = self.judges.world.rate(heard, reference)
        if origin and origin is not heard:
            figures["f0_source_correlation"] = pitch_kept(heard, origin, self.settings.mcd)
        self.rows[row].append({key: round(v, 5) if isinstance(v, float) else v for key, v in figures.items()})

    def _whose_voice(self, trial: Trial, heard: Recording, origin: Recording | None) -> dict[str, float]:
        judge = self.judges.speaker
        if not judge:
            return {}
        voice = judge.embed(heard.wav)
        figures = {"cosine_target": cosine(voice, centroid_without(self.target_pool, trial.target_name))}
        if origin:
            own = centroid_without(self.source_pools[trial.speaker], trial.name)
            figures |= {
                "cosine_source": cosine(voice, own),
                "cosine_source_utterance": cosine(voice, judge.embed(origin.wav)),
            }
        elif len(self.source_pools) == 1:
            (pool,) = self.source_pools.values()
            figures["cosine_source"] = cosine(voice, centroid_without(pool, trial.name))
        return figures

    def _which_words(self, heard: Recording, said: str) -> dict[str, Any]:
        judge = self.judges.words
        if not judge:
            return {}
        text = judge.transcribe(heard.wav)
        figures: dict[str, Any] = {"said": said, "understood": text}
        if errors := judge.errors(said, text):
            edits = [errors.character_edits, errors.characters, errors.word_edits, errors.words]
            figures |= {"cer": errors.cer, "wer": errors.wer, "edits": edits}
        return figures

    def _said(self, path: Path, recording: Recording) -> str:
        written = self.transcripts.of(path.resolve()) if self.transcripts else None
        if written is None and self.judges.words:
            return self.judges.words.transcribe(recording.wav)
        return written or ""

    def _conversion(self, trial: Trial) -> Recording:
        if trial.converted or not self.convert:
            return self._read(trial.converted or trial.source)
        start = time.perf_counter()
        heard = self._converted_by(self.convert, "converted", trial)
        self.conversion_s += time.perf_counter() - start
        self.converted_s += len(heard.wav) / RATE_HZ
        return heard

    def _converted_by(self, convert: Convert, kind: str, trial: Trial) -> Recording:
        wav, out_hz = convert(*files.read(trial.source))
        self._store(kind, trial.name, wav, out_hz)
        return self._heard(wav, out_hz)

    def _copy(self, name: str, recording: Recording) -> Recording:
        """The recording, analysed and put together again by the vocoder: the best a conversion can sound."""
        spec = self.settings.mel
        wav = torch.from_numpy(np.asarray(resample(recording.wav, RATE_HZ, spec.sample_rate_hz), np.float32))
        with torch.inference_mode():
            copy = self.vocoder.synthesize(LogMel(spec)(wav[None]))[0].numpy()
        self._store("copy-synthesis", name, copy, spec.sample_rate_hz)
        return self._heard(copy, spec.sample_rate_hz)

    def _is_parallel(self) -> bool:
        pairs = [
            (self._read(trial.source).mel, self._read(trial.target).mel)
            for trial in self.plan.trials[:: max(1, len(self.plan.trials) // PAIRS_TO_CHECK)]
            if trial.target
        ]
        if not pairs:
            self.notes.append(
                "not parallel (no names match): MCD, F0 and duration against the target not measured"
            )
            return False
        if len(pairs) == 1:
            return True
        matched = np.mean([mcd(a, b, self.settings.mcd) for a, b in pairs])
        shuffled = np.mean([mcd(pairs[i - 1][0], pairs[i][1], self.settings.mcd) for i in range(len(pairs))])
        if matched < self.settings.parallel_ratio * shuffled:
            return True
        self.notes.append(
            f"not parallel (names match, but the sentences do not: MCD {matched:.1f} dB, "
            f"shuffled {shuffled:.1f} dB): "
            "MCD, F0 and duration against the target not measured"
        )
        return False

    def _embed(self, pool: Sequence[tuple[str, Path]]) -> Mapping[str, Floats]:
        judge = self.judges.speaker
        return {name: judge.embed(self._read(path).wav) for name, path in pool} if judge else {}

    def _read(self, path: Path) -> Recording:
        return self._heard(*files.read(path))

    def _heard(self, wav: Floats, rate_hz: int) -> Recording:
        if self.settings.level_db is not None:
            wav = wav * np.float32(gain(active_level_db(wav, rate_hz), self.settings.level_db))
        return Recording(wav, rate_hz, self.settings.mcd)

    def _store(self, kind: str, name: str, wav: Floats, rate_hz: int) -> None:
        if self.keep:
            path = self.keep / kind / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.Writer(path, rate_hz, format="wav") as writer:
                writer.write(wav)

    def _recordings(self) -> dict[str, Any]:
        """Path and hash of everything that was heard."""

        def described(path: Path | None) -> dict[str, str] | None:
            return {"path": str(path), "sha256": storage.sha256(path)} if path else None

        pools = {
            "target": self.plan.target_pool,
            **{f"source {k}": v for k, v in self.plan.source_pools.items()},
        }
        return {
            "trials": [
                {
                    "name": trial.name,
                    "source": described(trial.source),
                    "target": described(trial.target),
                    "converted": described(trial.converted),
                }
                for trial in self.plan.trials
            ],
            "targets": [described(path) for _, path in self.plan.targets],
            "pools": {name: [described(path) for _, path in pool] for name, pool in pools.items()},
        }
