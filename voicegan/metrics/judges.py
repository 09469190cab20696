"""The judges that need optional packages, and a word on those that are not installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .intrusive import PesqJudge, StoiJudge
from .naturalness import NaturalnessJudge
from .speaker import SpeakerJudge
from .words import WordsJudge
from .world import WorldJudge

Judge = TypeVar("Judge")

WITH_THE_EXTRA = "pip install 'voicegan[eval]'"
# An extra cannot install a package without its requirements, and Resemblyzer's cannot be met everywhere.
AND_RESEMBLYZER = f"{WITH_THE_EXTRA} && pip install --no-deps resemblyzer==0.1.4"
# It has no ready-made builds: in the extra it would keep those without a compiler from all the other judges.
WITH_PESQ = "pip install 'voicegan[pesq]' (needs a C compiler)"
WITH_WORLD = "pip install 'voicegan[world]'"


class OptionalJudges:
    """Judges whose packages may be missing; `missing` says which, why, and what installs them."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}

    def _make(self, judge: Callable[[], Judge], measure: str, how_to_install: str) -> Judge | None:
        try:
            return judge()
        except ImportError as error:
            self.missing[measure] = f"not measured ({error}); {how_to_install}"
            return None


class Judges(OptionalJudges):
    """Speaker, words and naturalness; None where a judge's packages are missing, and `missing` says so.

    `world` is asked for besides: the distortion that others publish takes long.
    """

    def __init__(
        self,
        speaker: Callable[[], SpeakerJudge] = SpeakerJudge,
        words: Callable[[], WordsJudge] = WordsJudge,
        naturalness: Callable[[], NaturalnessJudge] = NaturalnessJudge,
        world: Callable[[], WorldJudge] | None = None,
    ) -> None:
        super().__init__()
        self.speaker = self._make(speaker, "speaker cosine", AND_RESEMBLYZER)
        self.words = self._make(words, "CER, WER", WITH_THE_EXTRA)
        self.naturalness = self._make(naturalness, "DNSMOS", WITH_THE_EXTRA)
        self.world = self._make(world, "MCD as s3prl", WITH_WORLD) if world else None

    def settings(self) -> dict[str, Any]:
        """What each judge's answers depend on, by judge."""
        judges = {
            "speaker": self.speaker,
            "words": self.words,
            "naturalness": self.naturalness,
            "mcd_s3prl": self.world,
        }
        return {name: judge.settings for name, judge in judges.items() if judge}


class CopyJudges(OptionalJudges):
    """PESQ, STOI and naturalness of copy-synthesis; None where a judge's packages are missing."""

    def __init__(
        self,
        pesq: Callable[[], PesqJudge] = PesqJudge,
        stoi: Callable[[], StoiJudge] = StoiJudge,
        naturalness: Callable[[], NaturalnessJudge] = NaturalnessJudge,
    ) -> None:
        super().__init__()
        self.pesq = self._make(pesq, "PESQ", WITH_PESQ)
        self.stoi = self._make(stoi, "STOI", WITH_THE_EXTRA)
        self.naturalness = self._make(naturalness, "DNSMOS", WITH_THE_EXTRA)

    def settings(self) -> dict[str, Any]:
        """What each judge's answers depend on, by judge."""
        judges = {"pesq": self.pesq, "stoi": self.stoi, "naturalness": self.naturalness}
        return {name: judge.settings for name, judge in judges.items() if judge}
