"""The shared adversarial core: systems, phases, objectives, penalties, tricks and the one training loop.

Tensors in, tensors out. Nothing here knows of sound or of pixels; the rooms that do (``vocoder``, ``voice``,
``image``) stand on this one.
"""
