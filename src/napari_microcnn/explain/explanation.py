"""What in a micrograph speaks for a class."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_microcnn.config import ClassInfo, ExplainConfig
from napari_microcnn.data.views import Region
from napari_microcnn.events import Alive, Event, Finished, Job, Notice
from napari_microcnn.explain.attribution import integrated_gradients
from napari_microcnn.explain.covering import falls_of_window
from napari_microcnn.explain.gradcam import grad_cam, guided_grad_cam
from napari_microcnn.explain.layers import module_named
from napari_microcnn.explain.pieces import Window
from napari_microcnn.explain.segmented import segmenter_heat
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.stitching import result_within, stitched
from napari_microcnn.explain.target import Target
from napari_microcnn.explain.trust import SanityCheck, sanity_check
from napari_microcnn.micrograph import Pixels
from napari_microcnn.models import Classifier, Model

WITH_LAYER = ("grad-cam", "guided-grad-cam")
"""Methods that look at the maps of a layer."""
_CHECKED, _SLOWLY_CHECKED = 320, 192
"""Side in pixels of what random weights are tried on, with Grad-CAM and with the other methods."""
_QUICK_STEPS = 8
"""Of integrated gradients, which are compared by ranks only."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the network looked.

    Attributes
    ----------
    heat : numpy.ndarray, (Y, X) float32
        In pixels of the image. Grad-CAM is never negative; with integrated gradients and occlusion
        what is negative speaks against the class.
    region : tuple of slice
        Rows and columns of the image that `heat` covers.
    target : ClassInfo
    probability : float
        Of the class, in the pixels of interest.
    layer : str or None
        Whose maps were looked at; None for methods that look at no layer.
    config : ExplainConfig
    """

    heat: NDArray[np.float32]
    region: Region
    target: ClassInfo
    probability: float
    layer: str | None
    config: ExplainConfig

    @property
    def peak(self) -> tuple[int, int]:
        """Row and column of the largest heat, in pixels of the image."""
        row, column = np.unravel_index(int(self.heat.argmax()), self.heat.shape)
        return int(row) + self.region[0].start, int(column) + self.region[1].start

    def info(self) -> dict[str, Any]:
        """Return everything but the heat, ready for JSON."""
        return {
            "class": self.target.name,
            "class id": self.target.id,
            "probability": round(self.probability, 4),
            "method": self.config.method,
            "layer": self.layer,
            "region": [[part.start, part.stop] for part in self.region],
            "peak": list(self.peak),
        }


def explain_class(
    pixels: Pixels,
    model: Model | Classifier,
    class_id: int,
    config: ExplainConfig | None = None,
    region: NDArray[np.bool_] | None = None,
) -> Job[Explanation]:
    """Find what in an image speaks for a class.

    Parameters
    ----------
    pixels : array, (Y, X) or (Y, X, C)
        May be lazy. A classifier looks at up to 16 windows of large images, as for its answer, a
        segmenter at up to 64 pieces of 512 pixels: larger ones are seen in parts, with a notice.
    model : Model or Classifier
    class_id : int
    config : ExplainConfig, optional
    region : numpy.ndarray, (Y, X) bool, optional
        The pixels whose class is explained; a classifier's windows are laid over them.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds an `Explanation`. Closing the generator stops within one batch.

    Raises
    ------
    ModelError
        If the model takes images with other channels.
    ValueError
        If there is no such class or layer, or the region is empty.
    """
    config = config or ExplainConfig()
    target = class_named(model, class_id)
    sight = Sight(pixels, model, config.magnification, config.device)
    heat, probability, layer = yield from heat_of(sight, model.classes.index(target), config, region)
    box = sight.image_box(region)
    yield Finished(Explanation(sight.at_image_size(heat)[box].copy(), box, target, probability, layer, config))


def class_named(model: Model | Classifier, name: int | str) -> ClassInfo:
    """Return a class of a model by its id or its name.

    Raises
    ------
    ValueError
        If there is none.
    """
    for info in model.classes:
        if str(name) in (str(info.id), info.name):
            return info
    known = ", ".join(f"{info.id} ({info.name})" for info in model.classes)
    raise ValueError(f"The model {model.name!r} has no class {name!r}; its classes are {known}.")


def heat_of(
    sight: Sight, output: int, config: ExplainConfig, region: NDArray[np.bool_] | None
) -> Generator[Event, None, tuple[NDArray[np.float32], float, str | None]]:
    """Return heat in the resampled image, mean probability and the layer; a classifier's windows are averaged."""
    if config.layer is not None:
        module_named(sight.net, config.layer)  # also where it is of no use: a mistake is told at once
    layer = (config.layer or sight.default_layer()) if config.method in WITH_LAYER else None
    if not sight.covered(region):
        yield Notice("The image is very large, so only parts spread over it are looked at; choose a region for more.")
    if not sight.judges_windows:
        found, share = yield from segmenter_heat(sight, output, config, layer, region)
        return found, share, layer
    shares: list[float] = []

    def look(window: Window) -> Generator[Event, None, NDArray[np.float32]]:
        target = sight.target(window, output)
        shares.append(target.probability(sight.net, window.image, sight.temperature))
        return (yield from _window_heat(sight, window, target, config, layer))

    total = yield from stitched(sight, region, look)
    return total, float(np.mean(shares)), layer


def sanity_of(
    sight: Sight, output: int, config: ExplainConfig, region: NDArray[np.bool_] | None = None, seed: int = 0
) -> Job[SanityCheck]:
    """Find out whether an explanation changes when weights become random; see `sanity_check`.

    Of a large image a part is looked at, so that it takes seconds.

    Parameters
    ----------
    sight : Sight
    output : int
        Index of the class.
    config : ExplainConfig
        As for the explanation.
    region : numpy.ndarray, (Y, X) bool, optional
    seed : int
        Of the random weights.
    """
    layer = config.layer or (sight.default_layer() if config.method in WITH_LAYER else None)
    config = config.model_copy(update={"layer": layer, "steps": min(config.steps, _QUICK_STEPS)})
    sight, region = sight.part(_CHECKED if config.method == "grad-cam" else _SLOWLY_CHECKED, region)

    def heat(net: nn.Module) -> Generator[Event, None, NDArray[np.float32]]:
        job = heat_of(sight.with_net(net), output, config, region)
        while True:
            try:
                next(job)
            except StopIteration as end:
                found: NDArray[np.float32] = end.value[0]
                return found
            yield Alive()

    yield from sanity_check(sight.net, heat, seed)


def _window_heat(
    sight: Sight, window: Window, target: Target, config: ExplainConfig, layer: str | None
) -> Generator[Event, None, NDArray[np.float32]]:
    """Return the heat of a classifier's window, (H, W)."""
    if config.method == "occlusion":
        return (yield from falls_of_window(sight, window, target, config))
    if layer is None:
        added: Tensor = yield from result_within(integrated_gradients(sight.net, window.image, target, config.steps))
        found = added[0].sum(dim=0)
    elif config.method == "grad-cam":
        found = sight.enlarged(grad_cam(sight.net, window.image, target, layer), layer, window)[0]
    else:

        def enlarge(maps: Tensor) -> Tensor:
            return sight.enlarged(maps, layer, window)

        found = guided_grad_cam(sight.net, window.image, target, layer, enlarge)[0].abs().sum(dim=0)
    return np.asarray(found.detach().float().cpu().numpy(), np.float32)
