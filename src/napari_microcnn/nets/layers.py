"""The layers of any network in the order in which an image goes through them, with sizes and receptive fields."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from napari_microcnn.nets.fields import Field
from napari_microcnn.nets.tracing import FieldTracer

WIDE = 4096
"""Side in pixels of the image on which fields are measured that no edge should cut."""

FLOAT = 4
"""Bytes of a float32."""

KINDS = {
    "Conv2d": "convolution",
    "ConvTranspose2d": "transposed convolution",
    "BatchNorm2d": "batch normalisation",
    "MaxPool2d": "max pooling",
    "AvgPool2d": "average pooling",
    "AdaptiveAvgPool2d": "adaptive average pooling",
    "Linear": "dense",
    "Flatten": "flatten",
    "max_pool2d_with_indices": "max pooling",
    "avg_pool2d": "average pooling",
    "mean": "global average",
    "add": "sum",
    "cat": "concatenation",
}
SILENT = (nn.Identity, nn.Dropout)
OUTSIDE = ("max_pool2d_with_indices", "avg_pool2d", "mean", "add", "cat")
"""Operations that are listed when `forward` does them itself, outside of any layer."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One step of a network.

    Parameters
    ----------
    name : str
        Of the module within the network; empty for what `forward` does itself, such as the sum of
        a skip connection.
    kind : str
        In words.
    taken, made : tuple of int
        Shapes that go in and come out, without the axis of the batch: (C, H, W) or (F,).
    parameters : int
    kernel, stride, padding : tuple of int or None
        Down and to the right, where the layer has them.
    size : tuple of int or None
        Height and width in pixels of the receptive field, were the image large enough; None for
        all of the image. After adaptive pooling it depends on the image and is that for this one.
    jump, start : tuple of float
        Pixels from one position of the map to the next, and where the centre of the first one's
        receptive field is.
    """

    name: str
    kind: str
    taken: tuple[int, ...]
    made: tuple[int, ...]
    parameters: int
    kernel: Pair | None
    stride: Pair | None
    padding: Pair | None
    size: Pair | None
    jump: tuple[float, float]
    start: tuple[float, float]

    @property
    def memory(self) -> int:
        """Bytes of its result for one image, in float32."""
        return FLOAT * prod(self.made)


@dataclass(frozen=True)
class NetworkSize:
    """What a network costs, in parameters and in bytes of float32."""

    parameters: int
    activations: int

    @property
    def weights(self) -> int:
        """Bytes of the parameters."""
        return FLOAT * self.parameters

    @property
    def training(self) -> int:
        """Bytes to train it with Adam on one image: parameters, gradients, two moments, and all activations."""
        return 4 * self.weights + self.activations


@dataclass
class _Step:
    name: str
    module: nn.Module | None
    kind: str
    taken: tuple[int, ...]
    made: tuple[int, ...]
    field: Field


class _Recorder:
    """Writes down the layers and the operations outside of them while an image passes."""

    def __init__(self, net: nn.Module, image: Tensor) -> None:
        self.steps: list[_Step] = []
        self.fields: dict[str, Field] = {}
        self._inside = 0
        tracer = FieldTracer(image, self._operation)
        self._tracer = tracer
        for name, module in net.named_modules():
            leaf = not list(module.children())
            if leaf:
                module.register_forward_pre_hook(self._enter)
            module.register_forward_hook(self._leaver(name, leaf=leaf))
        with torch.no_grad(), tracer:
            net(image)

    def _enter(self, *_: object) -> None:
        self._inside += 1

    def _leaver(self, name: str, *, leaf: bool) -> object:
        def leave(module: nn.Module, taken: tuple[Tensor, ...], made: object) -> None:
            self._inside -= leaf
            field = self._tracer.field_of(made) if isinstance(made, Tensor) else None
            if field is None or not isinstance(made, Tensor):
                return
            self.fields[name] = field
            if leaf and not isinstance(module, SILENT):
                kind = type(module).__name__
                self.steps.append(_Step(name, module, kind, _unbatched(taken[0]), _unbatched(made), field))

        return leave

    def _operation(self, name: str, made: Tensor, sources: Sequence[Tensor]) -> None:
        field = self._tracer.field_of(made)
        if not self._inside and name in OUTSIDE and field is not None:
            self.steps.append(_Step("", None, name, _unbatched(sources[0]), _unbatched(made), field))


def skeleton(net: nn.Module) -> nn.Module:
    """Return a copy with shapes but without weights, for inference; it computes shapes and nothing else."""
    memo: dict[int, object] = {
        id(weights): nn.Parameter(torch.empty_like(weights, device="meta"), requires_grad=False)
        for weights in net.parameters()
    }
    return copy.deepcopy(net, memo).to("meta", torch.float32).eval()


def receptive_fields(net: nn.Module, shape: tuple[int, int, int]) -> dict[str, Field]:
    """Return the exact receptive field of every position of every module's output.

    Parameters
    ----------
    net : torch.nn.Module
    shape : tuple of int
        Channels, height and width of the image; fields end at its edges.

    Returns
    -------
    dict
        Names of modules, as of ``net.named_modules()``, to fields. The network itself is "".

    Raises
    ------
    ValueError
        If the network does not take such an image, or does something unknown with it.
    """
    return _record(net, shape).fields


def layers(net: nn.Module, shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """Return the layers of a network in the order in which an image goes through them.

    Nothing is computed but shapes, so it takes a fraction of a second and no memory whatever the sizes.

    Parameters
    ----------
    net : torch.nn.Module
    shape : tuple of int
        Channels, height and width of the image.

    Raises
    ------
    ValueError
        If the network does not take such an image, or does something unknown with it.
    """
    steps = _record(net, shape).steps
    try:
        wide = _record(net, (shape[0], WIDE, WIDE)).steps
    except ValueError:  # its input size is fixed: nothing is larger than that
        wide = steps
    counted: set[nn.Module] = set()
    found = []
    for step, free in zip(steps, wide, strict=True):
        own = [] if step.module is None or step.module in counted else list(step.module.parameters())
        # What has the same size whatever the image's has a field that grows with the image.
        field, most = (step.field, shape[1:]) if step.made == free.made else (free.field, (WIDE, WIDE))
        found.append(_layer(step, None if field.size == most else field.size, sum(one.numel() for one in own)))
        if step.module is not None:
            counted.add(step.module)
    return tuple(found)


def network_size(steps: Sequence[Layer]) -> NetworkSize:
    """Return parameters and memory of all layers together."""
    return NetworkSize(sum(step.parameters for step in steps), sum(step.memory for step in steps))


def _record(net: nn.Module, shape: tuple[int, int, int]) -> _Recorder:
    return _Recorder(skeleton(net), torch.zeros((1, *shape), device="meta"))


def _layer(step: _Step, size: Pair | None, parameters: int) -> Layer:
    window = [_pair(getattr(step.module, name, None)) for name in ("kernel_size", "stride", "padding")]
    return Layer(
        name=step.name,
        kind=KINDS.get(step.kind, step.kind),
        taken=step.taken,
        made=step.made,
        parameters=parameters,
        kernel=window[0],
        stride=window[1],
        padding=window[2],
        size=size,
        jump=step.field.jump,
        start=step.field.start,
    )


def _pair(setting: object) -> Pair | None:
    if isinstance(setting, int):
        return setting, setting
    return (setting[0], setting[1]) if isinstance(setting, tuple) else None


def _unbatched(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape[1:])
