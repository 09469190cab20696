"""Several processes that train together: how they start, agree and end."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import Any

import torch
from lightning_fabric import Fabric

from ..errors import VoiceganError
from .device import choose_accelerator, choose_precision

PARENT = "VOICEGAN_FIRST_RANK"  # environment variable: the process that started the other ranks


def launch(device: str, devices: int, precision: str, batch: int) -> Fabric:
    """Choose device and precision, and start the other ranks where several devices are asked for.

    Under torchrun the ranks exist already, and Fabric joins them.

    Raises
    ------
    VoiceganError
        The devices are not there, or cannot share a batch of ``batch`` samples evenly.
    """
    accelerator = choose_accelerator(device)
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", devices))  # set by torchrun
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise VoiceganError(
            f"{devices} devices were asked for; this machine has {torch.cuda.device_count()}",
            "Choose a smaller --devices.",
        )
    world = int(os.environ.get("WORLD_SIZE", devices))
    require_shareable(batch, world)  # here too: before other processes are started
    if "LOCAL_RANK" in os.environ:
        _end_with_parent()
    elif world > 1:
        os.environ[PARENT] = str(os.getpid())  # Fabric starts the others with this environment
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision each time
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=world // devices,
        strategy="ddp" if world > 1 else "auto",
        precision=choose_precision(precision, accelerator),  # type: ignore[arg-type]
    )
    fabric.launch()
    if world > 1:
        atexit.register(_leave_group)
    return fabric


def require_shareable(batch: int, ranks: int) -> None:
    """Raise VoiceganError for a batch that cannot be shared evenly."""
    if batch % ranks:
        raise VoiceganError(
            f"a batch of {batch} cannot be shared by {ranks} devices", f"Choose a multiple of {ranks}."
        )


def gather(value: Any) -> list[Any]:
    """Collect one value from every rank, in their order."""
    gathered: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, value)
    return gathered


def is_of_another_rank(error: RuntimeError) -> bool:
    """Whether a collective failed because its peer is gone. Gloo has no class for that, NCCL has."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)


def _leave_group() -> None:
    """Stop the threads that join the ranks while Python still runs: later they would abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _end_with_parent() -> None:
    """End this process soon after the one that started it: a rank alone would wait for the others for ever."""
    parent = int(os.environ.get(PARENT, os.getppid()))  # which may have ended already

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()
