"""docs/own-gan.md says nothing that does not run: its code is taken from the page as it stands."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from image.shapes import a_batch

import voicegan.image
from voicegan.cli import main
from voicegan.core.system import Progress
from voicegan.errors import VoiceganError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-gan.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's file in it."""
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_gan.py").write_text(blocks("python")[0])
    return tmp_path


def test_the_commands_of_the_page_run(here: Path) -> None:
    (commands,) = blocks("sh")
    short = ["--set", "model.width=4", "--set", "trainer.check_every=100000", "--device", "cpu"]
    for line in commands.splitlines():
        program, *arguments = shlex.split(line.replace("--minutes 1", "--steps 3"))
        assert program == "voicegan"
        done = CliRunner().invoke(main, [*arguments, *(short if "train" in arguments else [])])
        assert done.exit_code == 0, done.output
    assert (here / "samples.png").stat().st_size > 100


def test_the_losses_of_the_page_are_those_of_its_paper(here: Path) -> None:
    gan = voicegan.image.create("my_gan.py:MyGAN", image_size=8, width=4)
    from voicegan.core.system import Logits

    real, fake = torch.tensor([[2.0], [0.0]]), torch.tensor([[-1.0], [0.5]])
    loss = gan.relativistic(Logits((real,)), Logits((fake,)))
    # The paper: -E log D(x_r) - E log(1 - D(x_f)), D the sigmoid of the score over the others' mean.
    d_real, d_fake = torch.sigmoid(real - fake.mean()), torch.sigmoid(fake - real.mean())
    torch.testing.assert_close(loss, -d_real.log().mean() - (1 - d_fake).log().mean())


def test_the_tricks_of_the_page_take_part(here: Path) -> None:
    """Each of them changes what D learns from the same batch, but for the decay, which changes the update."""
    (here / "tricky.py").write_text(blocks("python")[1])
    tricky = voicegan.image.create("tricky.py:Tricky", image_size=8, width=4)
    assert tricky.optimizers()["d"].weight_decay == 1e-4 and tricky.optimizers()["g"].weight_decay == 0
    batch, scratch = a_batch(6)
    image = batch["image"]
    with torch.no_grad():
        tricky.fake(scratch)
        loss = tricky.discriminator_loss(batch, scratch, Progress(0, 10))["adversarial"]
        assert tricky.pool.count == 6  # these fakes are there for later
        # Late in the run nothing is noise any more, and the pool still gives what it was given: by hand, it is this.
        tricky.pool = type(tricky.pool)(200)
        late = tricky.discriminator_loss(batch, scratch, Progress(10, 10))["adversarial"]
        (real,), (fake,) = tricky.d(image).scores, tricky.d(tricky.fake(scratch)).scores
        assert not torch.allclose(loss, late)
        torch.testing.assert_close(late, F.binary_cross_entropy_with_logits(real, torch.full_like(real, 0.9))
                                   + F.softplus(fake).mean())  # fmt: skip
    done = CliRunner().invoke(main, ["image", "train", "tricky.py:Tricky", "--data", "digits", "--steps", "2",
                                     "--set", "model.width=4", "--device", "cpu", "--name", "tricky"])  # fmt: skip
    assert done.exit_code == 0, done.output


def test_the_loop_of_the_page_runs(here: Path) -> None:
    (here / "loop.py").write_text(blocks("python")[2])
    done = runpy.run_path(str(here / "loop.py"))
    assert done["images"].shape == (16, 1, 8, 8) and done["images"].abs().max() <= 1


def test_create_builds_by_name_and_refuses_in_one_line() -> None:
    gan = voicegan.image.create("dcgan", image_size=16, channels=3, width=4, latent=5)
    assert gan.sample(2).shape == (2, 3, 16, 16) and gan.config.latent == 5
    for arguments, said in (
        ({"name": "dcgn"}, "Did you mean dcgan"),
        ({"name": "dcgan", "widht": 3}, "Did you mean 'width'"),
        ({"name": "dcgan", "width": 0}, "width = 0 is wrong"),
        ({"name": "dcgan", "image_size": 3}, "cannot be halved twice"),
        ({"name": "dcgan", "image_size": 0}, "no pictures of 0"),
    ):
        with pytest.raises(VoiceganError, match=said):
            voicegan.image.create(**arguments)
