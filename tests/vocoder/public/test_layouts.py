"""Every public layout gives the samples that its own network gives, and the contract that its settings state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from public_checkpoints import LAYOUTS, MELS, PARK_SETTINGS, VOCOS_SETTINGS, bigvgan, hifigan, melgan, vocos

from voicegan.audio.mel import PRESETS, MelSpec
from voicegan.errors import VoiceganError
from voicegan.vocoder.nets import NETS
from voicegan.vocoder.public import Public, read_public

every_layout = pytest.mark.parametrize("name", LAYOUTS)
TINY = MelSpec(8000, 32, 32, 8, MELS, 0.0, 3500.0, center=False)


def network(public: Public) -> torch.nn.Module:
    net = NETS.get(public.net)(**json.loads(json.dumps(public.network)))
    net.load_state_dict(public.state)
    return net.eval()


def refusal(file: Path, config: Path | None = None) -> str:
    with pytest.raises(VoiceganError) as caught:
        read_public(file, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@every_layout
@pytest.mark.parametrize("style", ["removed", "old", "parametrised"])
def test_each_way_of_writing_weights_gives_the_reference_samples(
    name: str, style: str, tmp_path: Path
) -> None:
    published = LAYOUTS[name]()
    public = read_public(published.write(tmp_path, style))
    mel = 2 * torch.randn(2, MELS, 15) - 4
    with torch.no_grad():
        wav = network(public)(mel)
        expected = published.reference(published.weights, mel)
    assert wav.shape == (2, 15 * public.spec.hop)
    size = float(expected.std())
    assert size > 1e-4
    assert public.spec.samples(15) == expected.shape[1] or public.net == "melgan"
    torch.testing.assert_close(wav[:, : expected.shape[1]], expected, rtol=0, atol=1e-3 * size)


@every_layout
def test_weights_may_be_in_half_precision_and_of_several_devices(name: str, tmp_path: Path) -> None:
    published = LAYOUTS[name]()
    file = published.write(tmp_path)
    halved = {f"module.{key}": value.half() for key, value in (published.weights | published.extra).items()}
    published.save(file, halved)
    public = read_public(file)
    assert all(value.dtype == torch.float32 for value in public.state.values())
    network(public)


# The contract -----------------------------------------------------------------------------------------------


def test_hifigan_contract(tmp_path: Path) -> None:
    assert read_public(hifigan().write(tmp_path / "a")).spec == TINY
    open_band = read_public(hifigan(fmax=None, fmin=20).write(tmp_path / "b")).spec
    assert (open_band.fmin_hz, open_band.fmax_hz) == (20.0, 4000.0)


def test_bigvgan_contract(tmp_path: Path) -> None:
    assert read_public(bigvgan().write(tmp_path)).spec == TINY


def test_melgan_contract_is_that_of_its_code_or_of_the_settings_given(tmp_path: Path) -> None:
    file = melgan().write(tmp_path)
    assert read_public(file).spec == MelSpec(**(PRESETS["melgan-22k"].to_dict() | {"mels": MELS}))
    other = tmp_path / "other.json"
    settings = {"sampling_rate": 16000, "n_fft": 1024, "win_size": 800, "hop_size": 256, "num_mels": MELS}
    other.write_text(json.dumps(settings))
    spec = read_public(file, other).spec
    assert (spec.sample_rate_hz, spec.win, spec.fmax_hz, spec.log_base) == (16000, 800, 8000.0, "10")


def test_melgan_of_park_contract_is_in_the_checkpoint(tmp_path: Path) -> None:
    published = melgan(stacks=True)
    assert read_public(published.write(tmp_path)).spec == MelSpec(22050, 1024, 1024, 256, MELS, 0.0, 8000.0)
    published.beside = {"hp_str": PARK_SETTINGS, "step": 7}
    assert read_public(published.write(tmp_path)).spec == MelSpec(16000, 1024, 1024, 256, MELS, 50.0, 7000.0)


@pytest.mark.parametrize("padding", ["center", "same"])
def test_vocos_contract(padding: str, tmp_path: Path) -> None:
    public = read_public(vocos(padding).write(tmp_path))
    centred = padding == "center"
    assert public.spec == MelSpec(
        8000, 32, 32, 8, MELS, 0.0, 4000.0, scale="htk", norm=None, clamp=1e-7, center=centred
    )
    assert public.network["padding"] == padding


def test_vocos_as_its_training_saves_it(tmp_path: Path) -> None:
    """Settings one level down; discriminators and losses beside the generator."""
    published = vocos()
    nested = "\n".join("    " + line for line in published.config.splitlines())
    published.config = (
        f"seed_everything: 4444\nmodel:\n  class_path: vocos.experiment.VocosExp\n  init_args:\n{nested}\n"
    )
    published.wrapper = "state_dict"
    published.extra |= {"multiperioddisc.discriminators.0.emb.weight": torch.zeros(4, 4)}
    assert read_public(published.write(tmp_path)).spec.hop == 8


def test_the_published_vocos_is_known_without_settings(tmp_path: Path) -> None:
    with torch.device("meta"):
        net = NETS.get("vocos")(100, 512, 1536, 8)
    public_name = {
        "embed": "backbone.embed",
        "norm": "backbone.norm",
        "final_norm": "backbone.final_layer_norm",
    }
    inner = {"depthwise": "dwconv", "norm": "norm", "widen": "pwconv1", "narrow": "pwconv2"}
    state = {}
    for key, value in net.state_dict().items():
        layer, _, part = key.rpartition(".")
        if layer.startswith("blocks") and part == "scale":
            key = key.replace("blocks", "backbone.convnext").replace("scale", "gamma")
        elif layer.startswith("blocks"):
            _, number, name = layer.split(".")
            key = f"backbone.convnext.{number}.{inner[name]}.{part}"
        else:
            key = f"{public_name.get(layer, 'head.out')}.{part}"
        state[key] = torch.zeros(1).expand(value.shape)  # takes no room in the file
    file = tmp_path / "pytorch_model.bin"
    torch.save(state, file)
    assert "config.yaml" in refusal(file)  # the filters would tell the rate, and they are missing
    from voicegan.audio.mel import filterbank

    bank = "feature_extractor.mel_spec.mel_scale.fb"
    torch.save(state | {bank: filterbank(PRESETS["vocos-24k"]).T.contiguous()}, file)
    public = read_public(file)
    assert public.spec == PRESETS["vocos-24k"]
    assert public.network == {
        "mels": 100,
        "dim": 512,
        "intermediate": 1536,
        "layers": 8,
        "n_fft": 1024,
        "hop": 256,
        "padding": "center",
    }


# What is refused --------------------------------------------------------------------------------------------


def test_settings_are_asked_for(tmp_path: Path) -> None:
    for make, wanted in ((hifigan, "config.json"), (bigvgan, "config.json"), (vocos, "config.yaml")):
        published = make()
        file = published.write(tmp_path)
        (tmp_path / published.config_name).unlink()
        assert wanted in refusal(file)
        named = tmp_path / f"mine-{published.config_name}"
        named.write_text(published.config)
        read_public(file, named)


@every_layout
def test_a_tensor_missing_added_or_of_another_shape_is_named(name: str, tmp_path: Path) -> None:
    published = LAYOUTS[name]()
    file = published.write(tmp_path)
    biases = [key for key in published.weights if key.endswith(".bias")]
    bias = biases[len(biases) // 2]
    whole = published.weights | published.extra
    published.save(file, {key: value for key, value in whole.items() if key != bias})
    assert "is missing" in refusal(file)
    published.save(file, whole | {"surplus.weight": torch.zeros(3)})
    assert "surplus.weight is unknown" in refusal(file)
    published.save(file, whole | {bias: torch.zeros(77)})
    assert "is (77,) where" in refusal(file)


@every_layout
def test_numbers_that_are_not_finite_are_named(name: str, tmp_path: Path) -> None:
    published = LAYOUTS[name]()
    key = next(key for key in published.weights if key.endswith(".bias"))
    published.weights[key] = torch.full_like(published.weights[key], torch.nan)
    assert "not finite" in refusal(published.write(tmp_path))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"hop_size": 16}, "samples a frame"),
        ({"num_mels": 7}, "conv_pre.weight"),
        ({"num_mels": "six"}, "num_mels"),
        ({"num_mels": True}, "num_mels"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"resblock": "3"}, "resblock"),
        ({"resblock": "2"}, "resblocks.0.convs"),
        ({"upsample_rates": [4, 2.0]}, "upsample_rates"),
        ({"upsample_rates": [4]}, "upsampling rate"),
        ({"upsample_kernel_sizes": [9, 4]}, "odd"),
        ({"upsample_initial_channel": 2**14}, "conv_pre.weight"),
        ({"upsample_initial_channel": 2**30}, "cannot be"),
        ({"resblock_kernel_sizes": 3}, "resblock_kernel_sizes"),
        ({"resblock_dilation_sizes": [1, 3]}, "resblock_dilation_sizes"),
        ({"fmax": 5000}, "fmax_hz"),
        ({"fmin": "low"}, "fmin"),
        ({"win_size": 64}, "n_fft >= win"),
    ],
)
def test_wrong_settings_of_hifigan_are_named(changed: dict, named: str, tmp_path: Path) -> None:
    file = hifigan().write(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | changed))
    message = refusal(file)
    assert named in message
    assert "config.json" in message


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    for published in (hifigan(), bigvgan()):
        file = published.write(tmp_path)
        settings = json.loads(published.config)
        for name in ("sampling_rate", "upsample_rates", "activation"):
            if name in settings:
                left = {key: value for key, value in settings.items() if key != name}
                (tmp_path / "config.json").write_text(json.dumps(left))
                assert f"does not say {name}" in refusal(file)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"activation": "relu"}, "relu"),
        ({"snake_logscale": 1}, "snake_logscale"),
        ({"use_bias_at_final": False}, "bias"),
    ],
)
def test_wrong_settings_of_bigvgan_are_named(changed: dict, named: str, tmp_path: Path) -> None:
    file = bigvgan().write(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | changed))
    assert named in refusal(file)


def test_another_filter_of_bigvgan_is_refused(tmp_path: Path) -> None:
    published = bigvgan()
    published.extra["activation_post.upsample.filter"] = torch.full((1, 1, 12), 1 / 12)
    assert "activation_post.upsample.filter" in refusal(published.write(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("vocos.models.VocosBackbone", "os.system", "os.system"),
        ("vocos.models.VocosBackbone", "vocos.models.VocosResNetBackbone", "VocosResNetBackbone"),
        (
            "vocos.feature_extractors.MelSpectrogramFeatures",
            "vocos.feature_extractors.EncodecFeatures",
            "Encodec",
        ),
        ("vocos.heads.ISTFTHead", "vocos.heads.IMDCTCosHead", "IMDCTCosHead"),
        ("sample_rate: 8000", "sample_rate: 16000", "16000 Hz"),
        ("num_layers: 2", "num_layers: 1000000000", "layers"),
        ("intermediate_dim: 12", "intermediate_dim: 16", "intermediate"),
        ("hop_length:     8", "hop_length:     4", "samples a frame"),
        ("n_mels:         6", "n_mels:         8", "8 bands"),
        ("    padding: center", "    padding: left", "left"),
        ("    padding: center", "    padding: center\n    f_min: 50", "f_min"),
        ("    num_layers: 2", "    num_layers: 2\n    adanorm_num_embeddings: 4", "adanorm_num_embeddings"),
        ("head:", "tail:", "head"),
        ("  init_args:\n    dim: 8", "  init_args: 3", "line"),
    ],
)
def test_wrong_settings_of_vocos_are_named(old: str, new: str, named: str, tmp_path: Path) -> None:
    published = vocos()
    assert old in VOCOS_SETTINGS.replace("PADDING", "center")
    published.config = published.config.replace(old, new)
    assert named in refusal(published.write(tmp_path))


def test_other_layouts_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    message = refusal(tmp_path / "other.pt")
    assert "encoder.weight" in message
    assert "HiFi-GAN" in message


@pytest.mark.parametrize(
    ("stacks", "state"),
    [
        (False, {"model.1.weight": torch.zeros(4, 4, 7), "model.3.weight": torch.zeros(1, 4, 7)}),
        (True, {"generator.1.weight": torch.zeros(4, 4), "generator.3.weight": torch.zeros(4, 4)}),
    ],
)
def test_a_sequence_that_is_no_melgan_is_refused(stacks: bool, state: dict, tmp_path: Path) -> None:
    torch.save({"model_g": state} if stacks else state, tmp_path / "other.pt")
    assert "no MelGAN" in refusal(tmp_path / "other.pt")
