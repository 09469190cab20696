"""The data doctor: one verdict per recording, with the reason and what to do about it.

`voicegan check` prints these verdicts, and training obeys the same ones: it leaves out what is refused here,
and says so.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..audio.folders import Progress, hashed, ignored, in_threads, recordings_in
from ..errors import VoiceganError
from . import measure
from .measure import Facts

Verdict = Literal["ok", "warn", "refuse"]

MIN_S = 0.25  # shorter than a syllable
SHORT_S = 1.0
LONG_S = 60.0
LOW_RATE_HZ = 16_000
QUIET_DB = -45.0
NOISY_DB = 15.0
CLIPPED_SHARE = 1e-4
ENOUGH_MINUTES = 3.0
TWO_VOICES = 1.25  # pitches in this ratio (four semitones) are hardly one reader's


@dataclass(frozen=True)
class Finding:
    """One thing about a recording: what kind, how bad, why, and what to do."""

    kind: str
    verdict: Verdict
    reason: str
    fix: str


@dataclass(frozen=True)
class FileVerdict:
    """The verdict on one file; `name` is its path inside the folder."""

    path: Path
    name: str
    sha256: str  # of the file's bytes; empty when it could not be opened
    facts: Facts | None  # None when it could not be read
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        kinds = {finding.verdict for finding in self.findings}
        return "refuse" if "refuse" in kinds else "warn" if "warn" in kinds else "ok"

    @property
    def seconds(self) -> float:
        return self.facts.seconds if self.facts else 0.0

    @property
    def reason(self) -> str:
        return "; ".join(finding.reason for finding in self.findings)

    @property
    def fix(self) -> str:
        return " ".join(dict.fromkeys(finding.fix for finding in self.findings if finding.fix))


@dataclass(frozen=True)
class FolderReport:
    """The verdicts on a folder, and what they add up to."""

    folder: Path
    files: tuple[FileVerdict, ...]
    ignored: dict[str, int] = field(default_factory=dict)  # suffix → how many files that are no audio

    @property
    def usable(self) -> tuple[FileVerdict, ...]:
        return tuple(file for file in self.files if file.verdict != "refuse")

    @property
    def refused(self) -> tuple[FileVerdict, ...]:
        return tuple(file for file in self.files if file.verdict == "refuse")

    @property
    def usable_minutes(self) -> float:
        """Minutes of speech in the usable files, pauses not counted."""
        return sum(file.facts.speech_s for file in self.usable if file.facts) / 60

    @property
    def pitch_hz(self) -> tuple[float, float, float]:
        """Low, middle and high pitch: each file's 5 %, 50 % and 95 %, weighted by voiced time."""
        voiced = [file.facts for file in self.usable if file.facts and file.facts.voiced_s > 0]
        total = sum(facts.voiced_s for facts in voiced)
        if not total:
            return (0.0, 0.0, 0.0)
        low, middle, high = (sum(f.f0_hz[i] * f.voiced_s for f in voiced) / total for i in range(3))
        return (low, middle, high)

    def voices_apart(self) -> tuple[tuple[str, float], tuple[str, float]] | None:
        """The two subfolders whose pitch (median, Hz) differs most, if so much that they are two speakers."""
        of_place: dict[str, list[float]] = {}
        for file in self.usable:
            if file.facts and file.facts.f0_hz[1] > 0:
                of_place.setdefault(Path(file.name).parent.as_posix(), []).append(file.facts.f0_hz[1])
        medians = sorted((statistics.median(hz), place) for place, hz in of_place.items() if len(hz) >= 5)
        if len(medians) < 2 or medians[-1][0] < TWO_VOICES * medians[0][0]:
            return None
        (low, deep), (high, bright) = medians[0], medians[-1]
        return (deep, low), (bright, high)

    def counts(self) -> dict[str, int]:
        """How many files each kind of finding touches."""
        return dict(Counter(finding.kind for file in self.files for finding in file.findings))


def check_folder(folder: Path, *, min_s: float = MIN_S, progress: Progress | None = None) -> FolderReport:
    """Look at every recording under `folder`.

    Raises
    ------
    VoiceganError
        There is nothing to look at: the folder is missing, a file, unreadable, empty or without audio.
    """
    folder = Path(folder)
    paths = recordings_in(folder)
    looked = in_threads(_look, paths, progress)
    return FolderReport(folder, judge(folder, looked, min_s=min_s), ignored(folder, paths))


@dataclass(frozen=True)
class Looked:
    """What was learnt about a file before it is judged among its neighbours."""

    path: Path
    sha256: str
    facts: Facts | None
    fault: VoiceganError | None = None


def judge(folder: Path, looked: Iterable[Looked], *, min_s: float = MIN_S) -> tuple[FileVerdict, ...]:
    """Verdicts for the files of one folder, in order; of equal recordings the first stays."""
    first_of: dict[str, str] = {}
    verdicts = []
    for item in looked:
        name = (
            item.path.relative_to(folder).as_posix() if item.path.is_relative_to(folder) else str(item.path)
        )
        if item.facts is None:
            fault = item.fault or VoiceganError("cannot be read")
            findings = [Finding("unreadable", "refuse", _without_path(fault.message, item.path), fault.hint)]
        else:
            findings = findings_of(item.facts, min_s=min_s)
            if not item.facts.silent:
                twin = first_of.setdefault(item.facts.samples_sha256, name)
                if twin != name:
                    reason = f"the same recording as {twin}"
                    findings.insert(0, Finding("duplicate", "refuse", reason, "Remove one of them."))
        verdicts.append(FileVerdict(item.path, name, item.sha256, item.facts, tuple(findings)))
    return tuple(verdicts)


def findings_of(facts: Facts, *, min_s: float = MIN_S) -> list[Finding]:
    """What is to be said about one recording on its own: refusals first."""
    if facts.silent:
        reason = f"silent (peak {facts.peak_db:.0f} dBFS)"
        return [Finding("silent", "refuse", reason, "Remove it or record it again.")]
    if facts.seconds < min_s:
        reason = f"too short ({facts.seconds:.2f} s; at least {min_s:g} s are needed)"
        return [Finding("too short", "refuse", reason, "Remove it or join it to its neighbour.")]

    found = []

    def warn(kind: str, when: bool, reason: str, fix: str) -> None:
        if when:
            found.append(Finding(kind, "warn", reason, fix))

    clipped = facts.clipped / (facts.seconds * facts.sample_rate_hz)
    warn(
        "clipped",
        facts.clipped >= 20 and clipped > CLIPPED_SHARE,
        f"clipped ({100 * clipped:.2g} % of the samples in flat tops)",
        "Record again with less gain.",
    )
    warn(
        "noisy",
        facts.snr_db < NOISY_DB and facts.speech_s >= 1.0,
        f"noisy (speech only {facts.snr_db:.0f} dB over the background)",
        "Record in a quieter place, or remove the noise first.",
    )
    warn(
        "odd rate",
        facts.sample_rate_hz < LOW_RATE_HZ,
        f"sampled at {facts.sample_rate_hz} Hz: muffled, nothing above {facts.sample_rate_hz / 2000:.3g} kHz",
        f"Use recordings of {LOW_RATE_HZ} Hz or more.",
    )
    warn(
        "odd rate",
        facts.sample_rate_hz > 192_000 or facts.sample_rate_hz % 25 != 0,
        f"unusual sample rate ({facts.sample_rate_hz} Hz): the file's header may be wrong",
        "Listen to it: if it plays at the wrong speed, export it again.",
    )
    warn(
        "mostly silence",
        facts.speech_s < 0.2 * facts.seconds and facts.seconds > SHORT_S,
        f"mostly silence ({facts.speech_s:.1f} s of speech in {facts.seconds:.1f} s)",
        "Cut it to the speech; training shortens the pauses.",
    )
    warn(
        "no voice",
        facts.voiced_s < 0.03 * facts.seconds and facts.seconds > SHORT_S,
        "no voice found in it",
        "Listen to it: if it is not speech, remove it.",
    )
    warn(
        "quiet",
        facts.active_db < QUIET_DB,
        f"very quiet (speech at {facts.active_db:.0f} dBFS)",
        "Record with more gain; amplifying also raises noise.",
    )
    warn(
        "short",
        facts.seconds < SHORT_S,
        f"short ({facts.seconds:.2f} s)",
        "Nothing to do: training joins it to its neighbours.",
    )
    warn(
        "very long",
        facts.seconds > LONG_S,
        f"very long ({facts.seconds / 60:.1f} min)",
        "Nothing to do: training cuts it at pauses.",
    )
    warn(
        "offset",
        abs(facts.dc) > 0.02,
        f"off centre (mean {facts.dc:+.2f})",
        "Nothing to do: training removes the offset.",
    )
    for kind, sign in (("cut off", "cut off"), ("channels", "channels")):
        for remark in facts.warnings:  # the reader's other remarks are about what is measured above
            reason, _, fix = remark.partition(". ")
            warn(kind, sign in remark, reason.rstrip("."), fix)
    return found


def _look(path: Path) -> Looked:
    digest = ""
    try:
        digest = hashed(path)
        return Looked(path, digest, measure.facts_of(path, digest))
    except VoiceganError as fault:
        return Looked(path, digest, None, fault)


def _without_path(message: str, path: Path) -> str:
    """A table that names the file in its first column need not name it again."""
    for spelling in (str(path), path.name):
        message = message.removeprefix(spelling).removeprefix(":").strip()
    return message or "cannot be read"
