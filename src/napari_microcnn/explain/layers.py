"""Layers of a network by name: which have maps, and listening to one while an image passes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from napari_microcnn.nets import Layer, layers


def map_layers(net: nn.Module, shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """Return the named layers whose results are maps, in the order in which an image goes through them.

    Parameters
    ----------
    net : torch.nn.Module
    shape : tuple of int
        Channels, height and width of the image.
    """
    found = [layer for layer in layers(net, shape) if layer.name and len(layer.made) == 3]
    last = {layer.name: layer for layer in found}  # of a layer that is used again and again, its last use counts
    return tuple(layer for layer in found if last[layer.name] is layer)


def default_layer(net: nn.Module, shape: tuple[int, int, int]) -> str:
    """Return the last of the layers with the coarsest maps of more than one position.

    There a position sees most and the maps mean most, which is where Grad-CAM looks (Selvaraju et
    al., 2017): the end of a classifier's convolutions, the bottleneck of a U-Net.

    Raises
    ------
    ValueError
        If no layer has such maps.
    """
    fitting = [layer for layer in map_layers(net, shape) if min(layer.made[1:]) > 1]
    if not fitting:
        raise ValueError(
            "No layer of this network has maps of more than one position, so Grad-CAM has nothing to show; "
            "use integrated gradients or occlusion."
        )
    fewest = min(layer.made[1] * layer.made[2] for layer in fitting)
    return [layer.name for layer in fitting if layer.made[1] * layer.made[2] == fewest][-1]


def module_named(net: nn.Module, layer: str) -> nn.Module:
    """Return a layer of a network.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    modules = dict(net.named_modules())
    if not layer or layer not in modules:
        leaves = [name for name, module in modules.items() if name and not list(module.children())]
        near = difflib.get_close_matches(layer, leaves, n=3, cutoff=0.4) or leaves[:3]
        raise ValueError(f"The network has no layer {layer!r}; its layers are called {', '.join(near)}, and so on.")
    found: nn.Module = modules[layer]
    return found


@contextmanager
def listening(net: nn.Module, layer: str, *, apart: bool = False) -> Iterator[list[Tensor]]:
    """Collect the results of a layer, with their gradients to be, while images pass.

    What follows gets a copy: a ReLU that works in place would overwrite what was collected.

    Parameters
    ----------
    net : torch.nn.Module
    layer : str
    apart : bool
        Whether gradients end here: what comes before the layer then needs no memory for them.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    heard: list[Tensor] = []

    def hear(_module: nn.Module, _taken: object, made: Tensor) -> Tensor:
        heard.append(made.detach().requires_grad_() if apart else made)
        return heard[-1].clone()

    handle = module_named(net, layer).register_forward_hook(hear)
    try:
        yield heard
    finally:
        handle.remove()


def maps_of(net: nn.Module, images: Tensor, layer: str) -> Tensor:
    """Return the maps (N, F, h, w) that a layer makes of images (N, C, H, W), without gradients.

    Raises
    ------
    ValueError
        If there is no such layer, or its results are no maps.
    """
    with torch.no_grad(), listening(net, layer) as heard:
        net(images)
    return checked_maps(heard, layer)


def checked_maps(heard: list[Tensor], layer: str) -> Tensor:
    """Return what was heard, if it is maps (N, F, h, w); ValueError otherwise."""
    if not heard:
        raise ValueError(f"The layer {layer!r} is not used by the network; choose another one.")
    if heard[-1].ndim != 4:
        raise ValueError(
            f"The layer {layer!r} gives {heard[-1].shape[-1]} numbers and no maps; choose a convolution or pooling."
        )
    return heard[-1]
