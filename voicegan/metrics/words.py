"""Are the words still there? Character and word error rates of a speech recogniser's text."""

from __future__ import annotations

import importlib
import re
import sys
import unicodedata
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import VoiceganError
from .recall import Recall

RATE_HZ = 16_000


class Recogniser(Protocol):
    """Anything that writes down speech: `settings` (what it is) and `transcribe` (16 kHz samples to text)."""

    settings: dict[str, object]

    def transcribe(self, wav: NDArray[np.floating]) -> str: ...


def find_recogniser(name: str) -> Recogniser:
    """The recogniser that ``MODULE:NAME`` makes when called without arguments; the module may lie in this folder.

    Raises
    ------
    VoiceganError
        There is no such module or name, it cannot be made, or it does not transcribe.
    """
    module, _, attribute = name.partition(":")
    how = "Give MODULE:NAME of what makes, without arguments, an object with settings (a dict) and transcribe(samples)."
    if not (module and attribute):
        raise VoiceganError(f"{name} names no recogniser", how)
    sys.path.append(str(Path.cwd()))
    try:
        made: Recogniser = getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # the user's own code may fail in any way
        raise VoiceganError(
            f"the recogniser {name} cannot be made ({type(error).__name__}: {error})", how
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not callable(getattr(made, "transcribe", None)) or not isinstance(
        getattr(made, "settings", None), dict
    ):
        raise VoiceganError(f"the recogniser {name} has no settings or no transcribe", how)
    return made


class PocketSphinx:
    """The offline default: small and weak, so always read its error rates beside those of the recordings.

    Raises ImportError at construction where pocketsphinx is missing.
    """

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL")
        self.settings: dict[str, object] = {
            "recogniser": f"pocketsphinx {version('pocketsphinx')}",
            "model": "its own en-us, default settings, each utterance decoded afresh and as a whole",
        }
        self._recall = Recall("pocketsphinx", self.settings)

    def transcribe(self, wav: NDArray[np.floating]) -> str:
        """The text heard in an utterance (T,) at 16 kHz; empty where nothing was understood."""
        wav = np.clip(np.asarray(wav, np.float32), -1.0, 1.0)
        return self._recall(wav, lambda: self._decode(wav))

    def _decode(self, wav: NDArray[np.float32]) -> str:
        # Its noise estimate would last from one utterance to the next, and the order of files would matter.
        # A whole utterance at once has its cepstral mean taken over itself.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw((wav * 32767.0).astype("<i2").tobytes(), no_search=False, full_utt=True)
        self._decoder.end_utt()
        heard = self._decoder.hyp()
        return str(heard.hypstr) if heard else ""


@dataclass(frozen=True)
class Errors:
    """Edits from a reference to what was heard, in characters and in words, and the reference's lengths."""

    character_edits: int
    characters: int
    word_edits: int
    words: int

    @property
    def cer(self) -> float:
        return self.character_edits / self.characters

    @property
    def wer(self) -> float:
        return self.word_edits / self.words

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.character_edits + other.character_edits,
            self.characters + other.characters,
            self.word_edits + other.word_edits,
            self.words + other.words,
        )


class WordsJudge:
    """Counts a recogniser's errors. Raises ImportError when made without jiwer or pocketsphinx installed."""

    def __init__(self, recogniser: Recogniser | None = None) -> None:
        import jiwer

        self._jiwer = jiwer
        self._recogniser = recogniser or PocketSphinx()
        self.settings = {
            **self._recogniser.settings,
            "errors": f"jiwer {version('jiwer')}, lower case, punctuation removed",
        }

    def transcribe(self, wav: NDArray[np.floating]) -> str:
        """The normalised text heard in an utterance (T,) at 16 kHz."""
        return normalise(self._recogniser.transcribe(wav))

    def errors(self, reference: str, heard: str) -> Errors | None:
        """Edits that turn `reference` into `heard`, both normalised; None where the reference is empty."""
        reference, heard = normalise(reference), normalise(heard)
        if not reference:
            return None
        characters = self._jiwer.process_characters(reference, heard)
        words = self._jiwer.process_words(reference, heard)
        return Errors(
            characters.substitutions + characters.deletions + characters.insertions,
            characters.substitutions + characters.deletions + characters.hits,
            words.substitutions + words.deletions + words.insertions,
            words.substitutions + words.deletions + words.hits,
        )


def normalise(text: str) -> str:
    """Lower-case words parted by single spaces; apostrophes inside words stay, all other punctuation goes."""
    text = unicodedata.normalize("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower()
    text = re.sub(r"[^\w']|_", " ", text)
    return " ".join(word for word in (part.strip("'") for part in text.split()) if word)
