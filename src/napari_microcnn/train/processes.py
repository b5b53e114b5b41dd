"""Training in several processes, one for every GPU, started by torchrun; in one process nothing here does anything.

All processes draw the same batch, as large as theirs together, and each learns from its part. What a loss and batch
normalisation sum up is summed over all of them, and so are the gradients: the training is that of one process with the
whole batch, but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")


@contextmanager
def group() -> Iterator[bool]:
    """Join the processes that torchrun has started; yields whether this is the first one, which writes files."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()


def check_alone() -> None:
    """Make sure that torchrun did not start several processes of what runs in one.

    Raises
    ------
    ValueError
        If it did.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("Only the command 'train' runs in several processes; start this one without torchrun.")


def count() -> int:
    """Return the number of processes that learn together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def my_part(batch: T) -> T:
    """Return this process's part of tensors, (N, ...), or of tuples of them.

    Raises
    ------
    ValueError
        If not all processes would get an equal part.
    """
    number = count()
    if number == 1:
        return batch
    if isinstance(batch, tuple):
        return tuple(my_part(one) for one in batch)  # type: ignore[return-value]
    if not isinstance(batch, Tensor) or len(batch) % number:
        raise ValueError(f"A batch cannot be divided among {number} processes; choose another size.")
    return batch.chunk(number)[distributed.get_rank()]  # type: ignore[return-value]


def summed(values: Tensor) -> Tensor:
    """Return the sum over all processes of what a loss is made of; its gradient is that of this process's part."""
    if count() == 1:
        return values
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


def averaged(values: Tensor) -> Tensor:
    """Return the mean over all processes, as `summed`."""
    return summed(values) / count()


class _Sum(torch.autograd.Function):
    """A sum over processes that all go on with the same: the gradient of each part is that of the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - torch's protocol
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient


def from_first(values: Sequence[float]) -> list[float]:
    """Return numbers of the first process, so that all decide alike."""
    if count() == 1:
        return list(values)
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    shared = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.broadcast(shared, 0)
    return [float(value) for value in shared]


def check_agreed(epoch: int) -> None:
    """Make sure that all processes go on from the same epoch.

    Raises
    ------
    ValueError
        If one does not see the file of the interrupted training.
    """
    if from_first([epoch]) != [epoch]:
        raise ValueError(
            "Not all processes see the same file of the interrupted training; write the model to a folder that all "
            "machines share, or remove that file."
        )


def prepare(net: nn.Module) -> None:
    """Give all processes the weights of the first one, and batch normalisation the statistics of the whole batch."""
    if count() == 1:
        return
    for values in net.state_dict().values():
        distributed.broadcast(values, 0)
    for module in net.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, _SharedBatchNorm.like(child))


def sum_gradients(net: nn.Module) -> None:
    """Sum the gradients over all processes."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    together = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(together)
    for gradient, part in zip(gradients, torch.split(together, [one.numel() for one in gradients]), strict=True):
        gradient.copy_(part.reshape(gradient.shape))


class _SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, on processors too, where torch's own does not run."""

    @classmethod
    def like(cls, other: nn.BatchNorm2d) -> _SharedBatchNorm:
        """Return one that shares the weights and the statistics of another."""
        new = cls(other.num_features, other.eps, other.momentum)
        new.weight, new.bias = other.weight, other.bias
        new.running_mean, new.running_var = other.running_mean, other.running_var
        new.num_batches_tracked = other.num_batches_tracked
        return new.train(other.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.running_mean is None or self.running_var is None:
            known: Tensor = super().forward(x)
            return known
        from torch.distributed.nn.functional import all_reduce  # not in every build of torch

        wide = x.float()
        axes, pixels = (0, 2, 3), x.numel() // x.shape[1] * count()
        mean = all_reduce(wide.sum(axes)) / pixels  # type: ignore[no-untyped-call]
        centred = wide - mean[:, None, None]
        variance = all_reduce(centred.square().sum(axes)) / pixels  # type: ignore[no-untyped-call]
        momentum = 0.1 if self.momentum is None else self.momentum
        with torch.no_grad():
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * pixels / (pixels - 1), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        found: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return found.to(x.dtype)
