"""Judging speech: spectrum, pitch, duration, speaker, words and naturalness; and copies beside their recordings.

`spectral` and `prosody` need nothing but the package's own requirements. `speaker` (Resemblyzer), `words`
(pocketsphinx, jiwer), `naturalness` (speechmos) and `intrusive` (pesq, pystoi) import their packages when a judge
is made and raise ImportError where one is missing; `judges` turns that into a word in the result.
"""
