"""What the layers of a network make of an image: their maps and filters, small enough to look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_microcnn.events import Event, Finished, Job
from napari_microcnn.explain.layers import map_layers, maps_of, module_named
from napari_microcnn.explain.pieces import Window
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.stitching import stitched
from napari_microcnn.nets import Layer

THUMBNAIL = 64
"""Side of small pictures in pixels, at most."""


@dataclass(frozen=True, eq=False)
class LayerLook:
    """A layer with maps, and what it makes of an image.

    Attributes
    ----------
    layer : Layer
        Name, kind, shapes, receptive field.
    picture : numpy.ndarray, (h, w) uint8
        The mean size of its maps at every position; at most `THUMBNAIL` pixels wide and high.
    """

    layer: Layer
    picture: NDArray[np.uint8]


def survey(net: nn.Module, image: Tensor) -> tuple[LayerLook, ...]:
    """Return all layers with maps and what they make of an image (1, C, H, W), in one pass."""
    channels, height, width = image.shape[1:]
    found = map_layers(net, (channels, height, width))
    pictures: dict[str, NDArray[np.uint8]] = {}

    def see(name: str, made: Tensor) -> None:
        pictures[name] = pictured(made[0].abs().mean(dim=0, keepdim=True))[0]

    with torch.no_grad(), _seeing(net, [layer.name for layer in found], see):
        net(image)
    return tuple(LayerLook(layer, pictures[layer.name]) for layer in found)


def gallery(net: nn.Module, image: Tensor, layer: str) -> NDArray[np.uint8]:
    """Return all maps of a layer as small pictures, (F, h, w) uint8, each from its smallest to its largest value.

    A map of one value everywhere, such as that of a filter that found nothing, is black.

    Raises
    ------
    ValueError
        If there is no such layer, or it has no maps.
    """
    return pictured(maps_of(net, image, layer)[0])


def filters(net: nn.Module, layer: str) -> NDArray[np.float32]:
    """Return the filters of a convolution, (F, C, k, k) float32.

    Raises
    ------
    ValueError
        If there is no such layer, or it is no convolution.
    """
    module = module_named(net, layer)
    weights = getattr(module, "weight", None)
    if weights is None or weights.ndim != 4:
        raise ValueError(f"The layer {layer!r} has no filters; choose a convolution.")
    turned = weights.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else weights
    return np.asarray(turned.detach().float().cpu().numpy())


def filter_pictures(net: nn.Module, layer: str) -> NDArray[np.uint8]:
    """Return the filters of a convolution as small pictures, (F, k, k) uint8; medium grey is 0.

    Of filters over several channels that one is shown whose weights are largest.
    """
    weights = filters(net, layer)
    sizes = np.abs(weights).sum(axis=(2, 3))
    chosen = weights[np.arange(len(weights)), sizes.argmax(axis=1)]
    largest = np.maximum(np.abs(chosen).max(axis=(1, 2), keepdims=True), 1e-12)
    return np.asarray((127.5 + 127.5 * chosen / largest).round(), np.uint8)


def activation_map(
    sight: Sight, layer: str, channel: int, region: NDArray[np.bool_] | None = None
) -> Job[NDArray[np.float32]]:
    """Find what one filter of a layer makes of an image.

    Parameters
    ----------
    sight : Sight
    layer : str
    channel : int
        Index of the filter.
    region : numpy.ndarray or None, (Y, X) bool
        Only the windows over these pixels are looked at.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds (Y, X) float32, in pixels of the image.

    Raises
    ------
    ValueError
        If there is no such layer or filter.
    """

    def look(window: Window) -> Generator[Event, None, NDArray[np.float32]]:
        maps = maps_of(sight.net, window.image, layer)
        check_channel(layer, channel, maps.shape[1])
        yield from ()
        return np.asarray(sight.enlarged(maps[:, channel], layer, window)[0].cpu().numpy())

    found = yield from stitched(sight, region, look)
    yield Finished(sight.at_image_size(found))


def check_channel(layer: str, channel: int, count: int) -> None:
    """Raise ValueError unless a layer with so many filters has this one."""
    if not 0 <= channel < count:
        raise ValueError(f"The layer {layer!r} has {count} filters, counted from 0, so none of them is {channel}.")


def pictured(maps: Tensor) -> NDArray[np.uint8]:
    """Return maps (F, h, w) as small pictures, each from its smallest to its largest value."""
    sides = min(THUMBNAIL, maps.shape[-2]), min(THUMBNAIL, maps.shape[-1])
    small = functional.adaptive_avg_pool2d(maps.float(), sides)
    low, high = small.amin(dim=(1, 2), keepdim=True), small.amax(dim=(1, 2), keepdim=True)
    spread = torch.where(high > low, high - low, torch.ones_like(low))
    return np.asarray((255 * (small - low) / spread).round().to(torch.uint8).cpu().numpy())


@contextmanager
def _seeing(net: nn.Module, names: list[str], see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Show the results of some layers while an image passes; they are looked at at once and not kept."""

    def shown(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def show(_module: nn.Module, _taken: object, made: Tensor) -> None:
            see(name, made)

        return show

    handles = [net.get_submodule(name).register_forward_hook(shown(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
