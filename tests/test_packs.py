"""What voices and vocoders share, apart from what their own tests look at."""

from __future__ import annotations

from voicegan.packs import inherited

ANNA = [("A: CC BY 4.0", "voice anna"), ("B: CC0 (through the voice zoe)", "voice anna")]
BEN = [("A: CC BY 4.0", "vocoder ben"), ("C: MIT", "vocoder ben")]


def test_licences_of_what_came_before_go_with_what_is_made_of_it() -> None:
    assert inherited([], []) == () and inherited(["own"], []) == ("own",)
    assert inherited([], ANNA) == (
        "the recordings that were given: not stated",
        "A: CC BY 4.0 (through the voice anna)",
        "B: CC0 (through the voice zoe)",
    )
    once = inherited(["C: MIT"], ANNA + BEN)
    assert once == ("C: MIT", "A: CC BY 4.0 (through the voice anna)", "B: CC0 (through the voice zoe)")
    assert inherited(once, ANNA + BEN) == once
    assert inherited(["A: CC BY 4.0 or later"], ANNA)[1] == "A: CC BY 4.0 (through the voice anna)"
    assert inherited(["own"], BEN)[2] == "C: MIT (through the vocoder ben)"
