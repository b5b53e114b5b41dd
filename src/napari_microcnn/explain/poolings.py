"""The same network with another pooling: maximum, average, or none."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Pooling = Literal["max", "average", "none"]

_OWN: dict[str, Pooling] = {"max_pool2d": "max", "avg_pool2d": "average"}


class Poolings(TorchFunctionMode):
    """While it is active, every pooling of windows is of one kind; the weights stay as they are.

    Parameters
    ----------
    kind : {"max", "average", "none"} or None
        ``none`` takes every second (third, ...) value and leaves out the others, as strides do.
        None leaves poolings as they are.

    Attributes
    ----------
    first : str or None
        What the network's first pooling is by itself, once an image has passed.
    """

    def __init__(self, kind: Pooling | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.first: Pooling | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute the function, or the pooling of this kind in its place."""
        options = kwargs or {}
        own = _OWN.get(getattr(func, "__name__", ""))
        self.first = self.first or own
        if own is None or self.kind in (own, None):
            return func(*args, **options)
        return self._pooled(*args, **options)

    def _pooled(
        self, values: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any
    ) -> Tensor:
        step = stride or kernel_size
        if self.kind == "max":
            return functional.max_pool2d(values, kernel_size, step, padding)
        averaged = functional.avg_pool2d(values, kernel_size, step, padding, count_include_pad=False)
        if self.kind == "average":
            return averaged
        down, right = (step, step) if isinstance(step, int) else step
        return values[..., ::down, ::right][..., : averaged.shape[-2], : averaged.shape[-1]]
