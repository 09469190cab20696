"""``python -m voicegan`` is ``voicegan``."""

from .cli import main

main(prog_name="voicegan")
