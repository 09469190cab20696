"""The page to listen to: whole, escaped, small, and working in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicegan.errors import VoiceganError
from voicegan.metrics import page as pages
from voicegan.metrics.page import Card, Page, choose, render_page, sound_s, write_page
from voicegan.metrics.summary import FIGURES

RATE = 16_000
NASTY = "a\"b <img src=x onerror=alert(1)> & 'c'"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "img", "br", "link", "input"}


class Outline(HTMLParser):
    """Every element with its attributes; fails where one is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def sound(path: Path, seconds: float = 0.5, rate_hz: int = RATE, pitch_hz: float = 300.0) -> Path:
    wav = 0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(int(seconds * rate_hz)) / rate_hz)
    soundfile.write(path, wav.astype(np.float32), rate_hz)
    return path


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """Three recordings, judged in one row; all can be heard."""
    cards = []
    for index, cosine in enumerate((0.8, 0.9, 0.7)):
        name = NASTY if index == 0 else f"s{index}"
        sounds = {
            "source": sound(tmp_path / f"s{index}.wav"),
            "converted": sound(tmp_path / f"c{index}.wav", rate_hz=44_100, pitch_hz=500.0),
        }
        cer = None if index == 1 else 0.1 * index
        figures = {"source": {"cosine_target": 0.5}, "converted": {"cosine_target": cosine, "cer": cer}}
        figures["converted"]["understood"] = "<b>heard</b>"  # type: ignore[assignment]
        cards.append(Card(name, "bob", sounds, figures, "what was said"))
    return Page(
        title=f"The voice {NASTY}",
        introduction=["three recordings"],
        summary=[("", "floor", "converted"), ("cosine", "0.5", "0.8")],
        remarks=["Mean."],
        rows={"source": "Source", "converted": "Converted"},
        figures=[one for one in FIGURES if one.in_table],
        overview=[(card.name, "converted", card.figures["converted"]) for card in cards],
        sections=[("Sounds", cards)],
        about={"Settings": {"mel": "16k", "odd": NASTY}, "Hashes": "ab  s0.wav"},
    )


def test_nothing_comes_from_elsewhere_and_nothing_smuggles(page: Page) -> None:
    text = render_page(page)
    outline = Outline(text)
    sources = [one[key] for _, one in outline.found for key in ("src", "href") if key in one]
    assert sources and all(
        re.match(r"data:(audio/flac|image/png);base64,|#u\d$", str(one)) for one in sources
    )
    assert not re.search(r"https?:|@import|url\(", text)
    assert not any(key.startswith("on") for _, one in outline.found for key in one)
    assert len(outline.of("img")) == len(outline.of("audio")) == 6
    assert len(outline.of("script")) == 1
    assert not outline.of("b")
    assert "default-src 'none'" in str(outline.of("meta")[1]["content"])


def test_sounds_are_whole_and_at_a_rate_that_keeps_them_small(page: Page) -> None:
    heard = [
        soundfile.read(io.BytesIO(base64.b64decode(str(one["src"]).partition(",")[2])))
        for one in Outline(render_page(page)).of("audio")
    ]
    assert [rate for _, rate in heard] == [RATE, 24_000] * 3
    for wav, rate in heard:
        assert len(wav) == pytest.approx(rate / 2, abs=1)
    original, _ = soundfile.read(page.sections[0][1][0].sounds["source"])
    np.testing.assert_allclose(heard[0][0], original, atol=1e-4)


def test_a_long_sound_is_cut(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LONGEST_S", 0.25)
    one = Outline(render_page(page)).of("audio")[0]
    wav, rate = soundfile.read(io.BytesIO(base64.b64decode(str(one["src"]).partition(",")[2])))
    assert len(wav) == rate // 4
    assert sound_s([sound(tmp_path / "long.wav", 2.0), sound(tmp_path / "short.wav", 0.1)]) == pytest.approx(
        0.35
    )


def test_figures_and_what_lacks_them(page: Page) -> None:
    text = render_page(page)
    assert "<dt>CER</dt><dd>-</dd>" in text
    assert '<td data-value="-0.2">0.20</td>' in text
    assert '<td data-value="">-</td>' in text
    assert "DNSMOS" not in text
    assert "&lt;b&gt;heard&lt;/b&gt;" in text
    assert "ab  s0.wav" in text


def test_the_worst_the_best_and_the_middle_are_chosen() -> None:
    badness = [0.5, 0.1, 0.9, 0.3, 0.7]
    assert choose(badness, [1.0] * 5, 9) == [2, 4, 0, 3, 1]
    assert choose(badness, [1.0] * 5, 3) == [2, 0, 1]
    assert choose(badness, [1.0] * 5, 1) == [2]
    assert choose([None, 0.2, None], [1.0] * 3, 2)[0] == 1
    assert choose([None, None], [1.0] * 2, 2) == [0, 1]
    # Half of the room each: two fit. Longer than the room: one is heard all the same.
    assert choose(badness, [pages.MOST_SOUND_S / 2] * 5, 9) == [2, 1]
    assert choose(badness, [pages.MOST_SOUND_S * 2] * 5, 9) == [2]


def test_it_is_written_whole_or_refused(page: Page, tmp_path: Path) -> None:
    size = write_page(page, tmp_path / "new/report.html")
    assert (tmp_path / "new/report.html").stat().st_size == size
    (tmp_path / "file").touch()
    with pytest.raises(VoiceganError, match="cannot be written"):
        write_page(page, tmp_path / "file/report.html")


CHECK = """
<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
(async () => {
  const sounds = [...document.querySelectorAll("audio")];
  for (let tries = 0; tries < 100 && sounds.some((one) => one.readyState < 1); tries++) await wait(50);
  const said = { seconds: sounds.map((one) => one.duration.toFixed(2)) };
  said.faults = sounds.filter((one) => one.error).length;
  said.pictures = [...document.images].filter((one) => one.naturalWidth > 0).length;
  const names = () => [...document.querySelectorAll(".overview tbody tr")].map((one) => one.cells[1].textContent);
  const cards = () => [...document.querySelectorAll("article")].map((one) => one.id).join();
  const heading = [...document.querySelectorAll("th button")].find((one) => one.textContent === "cosine to the target");
  heading.click(); said.worst = [names().join(), cards()];
  heading.click(); said.best = [names().join(), cards()];
  const cer = [...document.querySelectorAll("th button")].find((one) => one.textContent === "CER");
  cer.click(); said.cer = [cards()];
  cer.click(); said.cer.push(cards());
  said.wide = document.documentElement.scrollWidth > innerWidth;
  sounds.forEach((one) => (one.muted = true));
  await sounds[0].play();
  await sounds[1].play();
  said.paused = [sounds[0].paused, sounds[1].paused];
  document.body.innerHTML = "";
  document.body.append(JSON.stringify(said));
})();
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
def test_in_a_real_browser(page: Page, tmp_path: Path) -> None:
    """Sounds load and play one at a time, headings sort, and a phone's width holds it."""
    path = tmp_path / "report.html"
    path.write_text(render_page(page).replace("</body>", CHECK + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [BROWSER or "", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,800", "--timeout=20000",
         "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
         "--virtual-time-budget=8000", path.as_uri()],
        capture_output=True, text=True, timeout=150, check=True,
    )  # fmt: skip
    body = re.search(r"<body>(\{.*\})</body>", done.stdout, re.DOTALL)
    assert body, done.stdout[-2000:] + done.stderr[-2000:]
    said = json.loads(body[1])
    assert said["seconds"] == ["0.50"] * 6 and said["faults"] == 0 and said["pictures"] == 6
    assert said["worst"] == ["0.700,0.800,0.900", "u2,u0,u1"]
    assert said["best"] == ["0.900,0.800,0.700", "u1,u0,u2"]
    # u1 has no CER, and is the last whichever way it is sorted.
    assert said["cer"] == ["u2,u0,u1", "u0,u2,u1"]
    assert said["paused"] == [True, False]
    assert said["wide"] is False
