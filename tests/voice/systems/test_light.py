"""The light system: its passes, its terms, and that it learns."""

import pytest
import torch

from voicegan.core.random import Draws
from voicegan.core.system import Progress, Scratch
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.voice.systems.light import Light, LightConfig
from voicegan.voice.systems.terms import distance

SMALL = LightConfig(channels=16, dilations=(1, 2), d_channels=4, crop_frames=32)


def a_batch(rows=2, parallel=True, frames=32):
    draws = Draws(0, 0, 0, range(rows))
    batch = {name: draws.normal(name, 80, frames) for name in ("a", "b")}
    if parallel:
        for name in ("a", "b"):
            batch[f"{name}_target"] = draws.normal(f"{name} target", 80, frames)
            batch[f"{name}_weight"] = torch.ones(rows, 1, frames)
    return batch


def passes_of(system, progress):
    counted = []
    for generator in (system.g_ab, system.g_ba):
        generator.register_forward_hook(lambda module, inputs, output: counted.append(len(inputs[0])))
    batch, scratch = a_batch(), Scratch(Draws(0, 0, 0, range(2)))
    for phase in system.phases(progress):
        phase.loss(batch, scratch, progress)
    return sum(counted) / 2


def test_a_step_takes_six_generator_passes_and_four_once_identity_has_faded():
    assert passes_of(Light(80, SMALL), Progress(0, 100)) == 6
    assert passes_of(Light(80, SMALL), Progress(60, 100)) == 4


def test_terms_follow_the_equations():
    torch.manual_seed(0)
    system = Light(80, SMALL)
    for generator in (system.g_ab, system.g_ba):
        torch.nn.init.normal_(generator.leave.weight, std=0.05)
    system.eval()  # so that spectral norm does not move between the two computations
    batch, scratch = a_batch(), Scratch(Draws(0, 0, 0, range(2)))
    terms = system.generator_loss(batch, scratch, Progress(25, 100))
    fake_b, fake_a = system.g_ab(batch["a"]), system.g_ba(batch["b"])
    c = SMALL
    least_squares = [
        (d(f).scores[0] - 1).square().mean() for d, f in ((system.d_a, fake_a), (system.d_b, fake_b))
    ]
    torch.testing.assert_close(terms["adversarial"], c.adversarial * sum(least_squares))
    cycles = distance(system.g_ba(fake_b), batch["a"]) + distance(system.g_ab(fake_a), batch["b"])
    torch.testing.assert_close(terms["cycle"], c.cycle * cycles)
    same = distance(system.g_ba(batch["a"]), batch["a"]) + distance(system.g_ab(batch["b"]), batch["b"])
    torch.testing.assert_close(terms["identity"], c.identity / 2 * same)  # halfway through fading
    pairs = distance(fake_b, batch["a_target"]) + distance(fake_a, batch["b_target"])
    torch.testing.assert_close(terms["parallel"], c.parallel * pairs)
    judged = system.discriminator_loss(batch, scratch, Progress(25, 100))
    real, fake = system.d_b(batch["b"]).scores[0], system.d_b(fake_b).scores[0]
    torch.testing.assert_close(judged["b"], (real - 1).square().mean() + fake.square().mean())


def test_without_pairs_there_is_no_supervised_term():
    terms = Light(80, SMALL).generator_loss(
        a_batch(parallel=False), Scratch(Draws(0, 0, 0, range(2))), Progress(0, 10)
    )
    assert set(terms) == {"adversarial", "cycle", "identity"}


class Formants:
    """Ridges in smooth noise; B's voice is A's, a quarter of the bins higher."""

    def __init__(self, parallel):
        self.parallel = parallel

    def batch(self, draws):
        def mels(name):
            coarse = draws.normal(name, 1, 10, 4)
            return torch.nn.functional.interpolate(coarse, (80, 32), mode="bicubic")[:, 0]

        low, other = mels("low"), mels("other")
        batch = {"a": low, "b": self.shifted(other)}
        if self.parallel:
            ones = torch.ones(len(draws), 1, 32)
            batch |= {"a_target": self.shifted(low), "a_weight": ones, "b_target": other, "b_weight": ones}
        return batch

    @staticmethod
    def shifted(mel):
        return mel.roll(20, dims=1)


@pytest.mark.slow
def test_pairs_teach_the_way_from_one_voice_to_the_other(tmp_path):
    config = LightConfig(
        channels=96, dilations=(1, 1), d_channels=8, crop_frames=32, lr_g=2e-3, half_life=100
    )
    settings = TrainerConfig(steps=200, batch=8, device="cpu", precision="fp32", check_every=1000)
    torch.manual_seed(0)
    made = Trainer(Light(80, config), Formants(parallel=True), settings, tmp_path)
    made.fit(quiet=True)
    test = Formants(parallel=True).batch(Draws(9, 9, 9, range(16)))
    with torch.no_grad():
        learnt = distance(made.system.best("g_ab")(test["a"]), test["a_target"])
    unlearnt = distance(test["a"], test["a_target"])
    assert learnt < 0.6 * unlearnt
