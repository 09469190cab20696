"""Judging converted speech: spectrum, pitch, duration, speaker, words and naturalness.

`spectral` and `prosody` need nothing but the package's own requirements. `speaker` (Resemblyzer), `words`
(pocketsphinx, jiwer) and `naturalness` (speechmos) import their packages when a judge is made and raise
ImportError where one is missing; `voicegan.voice.evaluate` turns that into a word in the result.
"""
