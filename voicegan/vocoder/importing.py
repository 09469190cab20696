"""A public checkpoint, read by the room `public`, becomes a vocoder on disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from .. import __version__, storage
from .pack import VocoderPack, network_class, save_vocoder
from .public import Public, read_public


def import_public(
    file: Path, config: Path | None, folder: Path, *, licences: Sequence[str] = (), half: bool = False
) -> VocoderPack:
    """Write the checkpoint `file` as the vocoder `folder`, which is named like the folder.

    Parameters
    ----------
    config
        The checkpoint's settings; None looks beside it.
    half
        Store float16. By default the weights are kept as they are.

    Raises VoiceganError for what is no known checkpoint, and for weights that do not fit their settings.
    """
    public = read_public(file, config)
    net = network_class(public.net)(**public.network)
    net.load_state_dict(public.state)
    digest = storage.sha256(file)
    training = {
        "imported": date.today().isoformat(),
        "voicegan": __version__,
        "file": file.name,
        "sha256": digest,
    }
    return save_vocoder(
        folder,
        name=folder.name,
        net=public.net,
        network=public.network,
        generator=net.eval(),
        mel=public.spec,
        card=_card(folder.name, file, digest, public, licences),
        training=training,
        licences=licences,
        source=public.source,
        half=half,
    )


def _card(name: str, file: Path, digest: str, public: Public, licences: Sequence[str]) -> str:
    """The vocoder's README."""
    contract = "\n".join(f"- {key}: {value}" for key, value in public.spec.to_dict().items())
    terms = (
        "\n".join(f"- {line}" for line in licences) or "- not stated; those of where the file came from hold"
    )
    return f"""# {name}

A vocoder taken over from `{file.name}` ({public.source}), SHA-256 `{digest}`, by voicegan {__version__}.
What it was trained on, and how well it does on other speakers, its authors know: `voicegan vocoder eval` measures it.

## Mel contract
{contract}

## Licences
{terms}
"""
