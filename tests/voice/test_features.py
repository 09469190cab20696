"""The cache of features, read from several threads."""

import time

import made_speech
import numpy as np

from voicegan.audio.folders import in_threads
from voicegan.audio.mel import PRESETS
from voicegan.voice import features


def test_one_thread_at_a_time_reads_headers(tmp_path, monkeypatch):
    """Python 3.11 fails in literal_eval, by which numpy reads them, where two threads are in it: a SystemError."""
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    made_speech.write(tmp_path / "a.wav", made_speech.utter(0, syllables=2))
    recipe = features.Recipe(PRESETS["16k"], -26.0, True)
    made = features.features_of(tmp_path / "a.wav", "content", recipe)
    load, inside, most = np.load, [], []

    def slowly(*given, **named):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        stored = load(*given, **named)
        inside.pop()
        return stored

    monkeypatch.setattr(np, "load", slowly)
    gone = tmp_path / "gone.wav"  # from the cache alone
    again = in_threads(lambda path: features.features_of(path, "content", recipe), [gone] * 12)
    assert len(most) == 12 and max(most) == 1
    assert all((one.mel == made.mel).all() for one in again)
