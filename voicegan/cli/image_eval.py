"""``voicegan image eval MODEL``: how good is a trained model?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoiceganError
from .image_models import FOLDER, build, model_options, require_file

if TYPE_CHECKING:
    from ..image.judge import Judge
    from ..image.pack import ModelPack
    from ..image.sources import Material


@click.command("eval")
@model_options
@click.option(
    "--data", multiple=True, metavar="NAME|DIR", help="What to judge on; by default what it learnt from."
)
@click.option(
    "--judge",
    default="auto",
    show_default=True,
    help="In whose features: auto (the data's), none, a name or path.",
)
@click.option("--count", type=click.IntRange(4), help="How many samples; by default as many as are held out.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the samples.")
@click.option("--json", "json_path", type=FOLDER, metavar="OUT", help="Write every figure and setting here.")
def evaluate(
    model: str,
    system: str | None,
    device: str,
    data: tuple[str, ...],
    judge: str,
    count: int | None,
    seed: int,
    json_path: Path | None,
) -> None:
    """Judge MODEL on data kept aside, each figure beside what real data and what takes no learning reach.

    Samples: the Fréchet distance, precision and recall in the features of the data's judge, the classes that appear,
    and whether a model that knows classes makes the ones that are asked for. Further: the accuracy of a classifier, the
    PSNR of reconstructions, fillings and translations. Compare Fréchet distances of as many samples only.
    """
    from .. import storage
    from ..image.evaluate import evaluate as measure
    from ..image.own import ALL

    if json_path:
        require_file(json_path)
    pack, built = build(model, system, device)
    material = _material(pack, built.data, data)
    if material.shape != pack.shape:
        raise VoiceganError(f"{pack.name} makes pictures of {pack.shape}, the data have {material.shape}",
                            "Judge it on what it learnt from.")  # fmt: skip
    kind: Any = ALL.get(system or pack.system)

    def untrained() -> Any:
        import torch

        torch.manual_seed(seed)
        return kind(pack.shape, len(pack.classes), built.config).to(next(built.parameters()).device)

    result = measure(
        built, material.data, _judge(judge, material), untrained=untrained, count=count, seed=seed
    )
    facts = {"name": pack.name, "system": pack.system, "sha256": pack.sha256, "training": dict(pack.training)}
    result = {**result, "model": facts}
    click.echo(_table(result))
    if json_path:
        storage.write_json(json_path, result)
        click.echo(f"Written to {json_path}.", err=True)


def _material(pack: ModelPack, kind: Any, data: tuple[str, ...]) -> Material:
    from .. import config
    from ..image import data as single
    from ..image import domains
    from ..image.sources import DataConfig, gather

    told = dict(pack.data)
    names = list(data) or [str(name) for name in told.get("names", ())]
    if not data and any(name not in single.NAMES and name not in domains.NAMES for name in names):
        raise VoiceganError(f"{pack.name} learnt from {' and '.join(names)}, which may be anywhere",
                            "Say where it is: --data DIR.")  # fmt: skip
    plain = {"names": names, "flip": False, "jitter": 0.0}
    settings = config.build(DataConfig, {**told, **plain}, str(pack.folder))
    return gather(kind, settings, int(pack.training.get("seed", 0)))


def _judge(wanted: str, material: Material) -> Judge | None:
    from ..image.domains import Domains
    from ..image.judge import load_judge
    from ..image.monitor import judge_for

    if isinstance(
        material.data, Domains
    ):  # rendered from digits, where the judge of digits knows the classes
        return load_judge("digits") if wanted == "auto" and material.data.name.startswith("digits-") else None
    return judge_for(wanted, material.data)


def _table(result: dict[str, Any]) -> str:
    rows = [("", "value", "real", "naive", "real and naive are of")]
    for figure in result["figures"]:
        values = (figure["value"], figure["real"], figure["naive"])
        shown = ["-" if value is None else f"{value:.3f}" for value in values]
        rows.append((figure["name"], *shown, figure["note"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:4], widths[1:4], strict=True)),
                row[4],
            ]
        )
        for row in rows
    ]
    judge = result["judge"]
    by = f", judge {judge['name']} (accuracy {judge['accuracy']:.3f})" if judge else ""
    head = f"{result['model']['name']} on {result['data']}: {result['samples']} samples{by}, seed {result['seed']}"
    return "\n".join([head, *(line.rstrip() for line in lines)])
