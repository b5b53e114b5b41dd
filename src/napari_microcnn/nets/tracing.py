"""Following receptive fields through the operations of any network, without computing a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from napari_microcnn.nets.fields import AxisField, Field, united

KEEPING = {"view", "_unsafe_view", "reshape", "clone", "detach", "alias", "t", "transpose", "permute", "_to_copy"}
ALL_TO_ALL = {"addmm", "mm", "bmm", "matmul", "linear", "baddbmm"}
SUMMING = {"mean", "sum", "amax"}


class FieldTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch's, not ours
    """While it is active, every tensor made from the image has a receptive field.

    PyTorch's own layers end in a few dozen operations, and this sees the operations: a network
    needs nothing special, and sums and concatenations in `forward` count like layers.

    Parameters
    ----------
    image : torch.Tensor, (N, C, H, W)
    made : callable, optional
        Is told of every operation: its name, its results and the image's descendants it used.
    """

    def __init__(self, image: Tensor, made: Callable[[str, Tensor, Sequence[Tensor]], None] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made = made
        # Tensors are kept beside their fields: a freed one would leave its identity to another.
        self.fields: dict[int, tuple[Tensor, Field]] = {}
        self.fields[id(image)] = (image, Field.of_image(*image.shape[-2:]))

    def field_of(self, tensor: Tensor) -> Field | None:
        """Return the receptive field of a tensor, or None if it was not made from the image."""
        found = self.fields.get(id(tensor))
        return found[1] if found else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute the operation, and the field of its result."""
        results = func(*args, **(kwargs or {}))
        sources = [tensor for tensor in _tensors(args) if id(tensor) in self.fields]
        result = results[0] if isinstance(results, tuple | list) and results else results
        if sources and isinstance(result, Tensor):
            name = func.overloadpacket.__name__
            field = _after(name, args, result, [self.fields[id(tensor)][1] for tensor in sources])
            for one in results if isinstance(results, tuple | list) else (results,):
                if isinstance(one, Tensor):
                    self.fields[id(one)] = (one, field)
            if self.made is not None:
                self.made(name, result, sources)
        return results


def _tensors(args: Sequence[Any]) -> list[Tensor]:
    flat: list[Tensor] = []
    for arg in args:
        if isinstance(arg, Tensor):
            flat.append(arg)
        elif isinstance(arg, list | tuple):
            flat.extend(_tensors(arg))
    return flat


def _after(name: str, args: tuple[Any, ...], result: Tensor, fields: Sequence[Field]) -> Field:
    """Return the field of the result of an operation of that name."""
    field = united(fields)
    windowed = _after_window(name, args, result, field)
    if windowed is not None:
        return windowed
    by_itself = tuple(result.shape[-2:]) == (len(field.rows.first), len(field.columns.first))
    if name not in ALL_TO_ALL and (by_itself or (name in KEEPING and result.ndim < 4)):
        return field
    if name in ALL_TO_ALL or name in SUMMING or result.ndim < 4:  # beyond dense layers every number sees the same
        return Field(field.rows.adapted(1), field.columns.adapted(1))
    raise ValueError(
        f"The receptive field after the operation {name!r} is not known; known are convolutions, pooling, padding, "
        "dense layers, sums, concatenations and what changes every position by itself."
    )


def _after_window(name: str, args: tuple[Any, ...], result: Tensor, field: Field) -> Field | None:
    """Return the field after an operation that takes windows of its input, None for any other."""
    height, width = result.shape[-2:] if result.ndim > 1 else (1, 1)
    if name == "convolution":
        stride, padding, dilation, transposed = args[3:7]
        step = AxisField.spread if transposed else AxisField.slid
        return _slide(step, field, result, args[1].shape[2:], stride, padding, dilation)
    if name in ("max_pool2d_with_indices", "avg_pool2d"):
        kernel, stride, padding, dilation = (*args[1:], *([], 0, 1)[len(args) - 2 :])[:4]
        dilation = dilation if name == "max_pool2d_with_indices" else 1
        return _slide(AxisField.slid, field, result, kernel, stride or kernel, padding, dilation)
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        return Field(field.rows.adapted(height), field.columns.adapted(width))
    if name == "constant_pad_nd":
        left, _, top, _ = (*args[1], 0, 0)[:4]
        return Field(field.rows.shifted(height, top), field.columns.shifted(width, left))
    return None


def _slide(
    step: Callable[[AxisField, int, int, int, int, int], AxisField],
    field: Field,
    result: Tensor,
    kernel: Sequence[int],
    *settings: int | Sequence[int],
) -> Field:
    """Return the field after a window slid over both axes; settings are one number for both or two."""
    rows, columns = zip(*(_both(setting) for setting in (list(kernel), *settings)), strict=True)
    return Field(
        step(field.rows, result.shape[-2], *rows),
        step(field.columns, result.shape[-1], *columns),
    )


def _both(setting: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(setting, int):
        return setting, setting
    return setting[0], setting[-1]
