"""Theoretical receptive fields against the measured support of the gradient, for every network and layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.common import Table
from napari_microcnn.config import ClassifierConfig, UNetConfig
from napari_microcnn.explain.poolings import Poolings
from napari_microcnn.explain.receptive import effective_field, side_holding
from napari_microcnn.nets import UNet, build_classifier, layers, receptive_fields

DEEP = 60
"""Modules."""


def run() -> Table:
    """Compare every layer with maps of every network, at three positions each, or one in deep networks."""
    table = Table(
        "Receptive fields: theory against the support of the gradient",
        ("network", "layers with maps", "positions compared", "equal", "last field, px", "effective, untrained, px"),
        note="Support: with equal positive weights and averages for maxima, so that no path is closed. Effective: the "
        "square that holds 95 % of the gradient of the network as it is initialised, on noise. Bar: all equal.",
    )
    for name, net, shape in _networks():
        effective = _effective(net, shape)
        field = _last(net, shape)
        compared, equal = _compare(_opened(net), shape)
        kinds = len([layer for layer in layers(net, shape) if len(layer.made) == 3])
        last = "all" if field is None else str(field)
        table.add(name, str(kinds), str(compared), f"{equal} of {compared}", last, effective)
        table.at_most(f"fields other than the support: {name}", compared - equal, 0)
    return table


def _networks() -> list[tuple[str, nn.Module, tuple[int, int, int]]]:
    torch.manual_seed(0)
    found: list[tuple[str, nn.Module, tuple[int, int, int]]] = []
    for architecture, shape in {
        "lenet": (1, 32, 32),
        "alexnet": (3, 127, 127),
        "resnet18": (1, 64, 64),
        "resnet34": (1, 64, 64),
        "resnet50": (1, 40, 40),
        "resnet101": (1, 33, 33),
        "resnet152": (1, 33, 33),
        "resnet56": (1, 33, 33),
    }.items():
        config = ClassifierConfig(architecture=architecture, channels=shape[0], side=32)
        found.append((architecture, build_classifier(config).eval(), shape))
    for pooling in ("max", "average", "none"):
        net = build_classifier(ClassifierConfig(filters=4, blocks=4, pooling=pooling)).eval()
        found.append((f"conv-pool, {pooling} pooling", net, (1, 128, 128)))
    encoder = build_classifier(ClassifierConfig(architecture="unet-encoder", filters=4, blocks=3)).eval()
    found.append(("unet-encoder", encoder, (1, 128, 128)))
    found.append(("U-Net, depth 4", UNet(UNetConfig(width=4, depth=4)).eval(), (1, 256, 256)))
    return found


def _last(net: nn.Module, shape: tuple[int, int, int]) -> int | None:
    sizes = [layer.size for layer in layers(net, shape) if len(layer.made) == 3 and min(layer.made[1:]) > 1]
    return None if sizes[-1] is None else max(sizes[-1])


def _effective(net: nn.Module, shape: tuple[int, int, int]) -> float:
    """Return the side of the square that holds 95 % of the gradient in the middle of the last maps."""
    rows = [layer for layer in layers(net, shape) if layer.name and len(layer.made) == 3 and min(layer.made[1:]) > 1]
    position = rows[-1].made[1] // 2, rows[-1].made[2] // 2
    noise = torch.randn((1, *shape), generator=torch.Generator().manual_seed(0))
    influence = effective_field(net, noise, rows[-1].name, position).numpy()
    box = receptive_fields(net, shape)[rows[-1].name]
    centre = box.rows.start + position[0] * box.rows.jump, box.columns.start + position[1] * box.columns.jump
    return side_holding(influence, centre)


def _opened(net: nn.Module) -> nn.Module:
    """Return the network in double precision with equal positive weights, so that every path is open."""
    net = net.double().eval()
    with torch.no_grad():
        for layer in net.modules():
            for name, weights in layer.named_parameters(recurse=False):
                weights.fill_(0 if name == "bias" else 1 / max(1, weights[0].numel()))
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.fill_(1)
    return net


def _keeper(kept: dict[str, Tensor], name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """Return a hook that keeps a layer's result; what follows gets a copy, which a ReLU may overwrite."""

    def keep(_module: nn.Module, _taken: object, made: Tensor) -> Tensor:
        kept[name] = made
        return made.clone()

    return keep


def _compare(net: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return how many positions were compared and how many fields are the support of the gradient."""
    fields = receptive_fields(net, shape)
    image = torch.rand((1, *shape), dtype=torch.double, requires_grad=True)
    kept: dict[str, Tensor] = {}
    for name, layer in net.named_modules():
        layer.register_forward_hook(_keeper(kept, name))
    with Poolings("average"):
        net(image)
    compared = equal = 0
    for index, (name, made) in enumerate(kept.items()):
        if made.ndim != 4:
            continue
        height, width = made.shape[2:]
        places = [(0, 0), (height // 2, width // 2), (height - 1, width // 3)]
        # Deep networks take long: there every layer is looked at in one of the three places.
        for row, column in {places[index % 3]} if len(kept) > DEEP else set(places):
            slope = torch.autograd.grad(made[0, :, row, column].sum(), image, retain_graph=True)[0]
            rows, columns = torch.nonzero(slope.abs().sum(dim=(0, 1)), as_tuple=True)
            support = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
            compared += 1
            equal += fields[name].box(row, column) == support
    return compared, equal
