"""Several processes that train together: how they start, agree and end."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ..errors import VoiceganError
from .device import choose_accelerator, choose_precision

PARENT = "VOICEGAN_FIRST_RANK"  # environment variable: the process that started the other ranks


class Ranks:
    """What the processes that train together tell each other. With one process nothing is sent.

    All ranks have to call the same methods in the same order.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.count, self.own = fabric.world_size, fabric.global_rank

    def share_of(self, batch: int) -> range:
        """This rank's rows of a batch. Raises VoiceganError for a batch that cannot be shared evenly."""
        require_shareable(batch, self.count)
        share = batch // self.count
        return range(self.own * share, (self.own + 1) * share)

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Give all ranks the values of rank 0."""
        if self.count > 1:
            for tensor in tensors:
                tensor.copy_(self._fabric.broadcast(tensor))

    def anywhere(self, here: bool) -> bool:
        """Whether something holds on any rank."""
        return bool(self._added(torch.tensor(float(here))) > 0) if self.count > 1 else here

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all ranks; it is overwritten."""
        return self._added(value).div_(self.count) if self.count > 1 else value

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Bring tensors to their means, in place, with one reduction of one flat tensor."""
        if self.count == 1 or not (gradients := list(gradients)):
            return
        flat = self.mean(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def gather(self, value: Any) -> list[Any]:
        """Collect one value from every rank, in their order."""
        gathered: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(gathered, value)
        return gathered

    def _added(self, value: Tensor) -> Tensor:
        value = value.to(self._fabric.device)
        torch.distributed.all_reduce(value)
        return value


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
            f"a batch of {batch} cannot be shared by {ranks} devices",
            f"Choose a multiple of {ranks}: --set trainer.batch={ranks * -(-batch // ranks)}.",
        )


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
