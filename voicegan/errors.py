"""The only exception that a user of voicegan ever meets, and how one that is nobody's fault is known."""

from __future__ import annotations


class VoiceganError(Exception):
    """A fault that the user can mend: what went wrong and where, and what to do next.

    Parameters
    ----------
    message
        What and where, in one line: ``"bob.wav is silent (peak -91 dBFS)"``.
    hint
        What to do next: ``"Remove it or record it again."``; empty when there is nothing to advise.

    ``str(error)`` is both as one line, which is what the command line prints after ``error: ``.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        # Both go to Exception.args, so that the error survives pickling (worker processes raise it too).
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        message, hint = " ".join(self.message.split()), " ".join(self.hint.split())
        if not hint:
            return message
        separator = " " if message.endswith((".", "!", "?", ":")) else ". "
        return f"{message}{separator}{hint}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine, or a device of it, had no memory left: Python's own error, or one of torch's.

    Known by name and words, so that nothing heavy is imported. On a CPU torch has no class for it.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
