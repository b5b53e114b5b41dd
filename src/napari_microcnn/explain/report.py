"""An explanation as files: heat, picture, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.channels import conversion
from napari_microcnn.data.normalisation import intensity_limits
from napari_microcnn.explain.explanation import Explanation
from napari_microcnn.explain.receptive import field_warnings
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.translation import Translation
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.export import write_recorded
from napari_microcnn.io.provenance import describe_calibration, provenance
from napari_microcnn.io.results import check_ours
from napari_microcnn.io.write import write_image_to
from napari_microcnn.micrograph import Calibration, Micrograph, Pixels
from napari_microcnn.models import Classifier, Model
from napari_microcnn.nets import layers

_ENDINGS = ("_heat.tif", "_heat.png")
_COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
"""From cold to hot, as even to the eye as matplotlib's inferno, whose fifths these are."""


def write_explanation(
    folder: Path,
    stem: str,
    micrograph: Micrograph,
    found: Explanation,
    model: Model | Classifier,
    told: Mapping[str, Any],
    command: str,
) -> list[Path]:
    """Write ``STEM_heat.tif`` (float32, in the image's pixels), ``STEM_heat.png`` and ``STEM_heat.json``.

    All of them appear, or none; earlier ones are replaced.

    Parameters
    ----------
    folder : Path
        Created if it is not there.
    stem : str
    micrograph : Micrograph
        A single image.
    found : Explanation
    model : Model or Classifier
    told : mapping
        What is known of the explanation, for the JSON file.
    command : str
        A command line that does the same.
    """
    heat = np.zeros(micrograph.plane_shape, np.float32)
    heat[found.region] = found.heat
    record = provenance(micrograph=micrograph, model=model.info(), settings=found.config.model_dump(), command=command)
    record |= {"explanation": dict(told), "pixel_size": describe_calibration(micrograph.calibration)}
    size = micrograph.calibration
    writers = {
        f"{stem}_heat.tif": partial(
            write_image_to, pixels=heat, axes="YX", calibration=size, format="ome-tiff", name=f"{stem} heat"
        ),
        f"{stem}_heat.png": partial(
            write_image_to, pixels=overlaid(micrograph.pixels, heat), axes="YXC", calibration=None, format="png"
        ),
    }
    return write_recorded(make_folder(folder), writers, f"{stem}_heat.json", record)


def check_replaceable(folder: Path, stem: str) -> None:
    """Raise ValueError if results would replace files that are somebody else's; earlier results may be replaced."""
    check_ours(folder, f"{stem}_heat.json", [f"{stem}{ending}" for ending in _ENDINGS])


def overlaid(pixels: Pixels, heat: NDArray[np.float32], opacity: float = 0.6) -> NDArray[np.uint8]:
    """Return the image in grey with the heat over it, (Y, X, 3) uint8: the hotter, the less of the image shows."""
    grey = np.asarray(conversion(1, int(pixels.shape[2]) if pixels.ndim == 3 else 1)[0](pixels), np.float32)
    grey = grey if grey.ndim == 2 else grey.mean(axis=2)
    limits = intensity_limits(grey)
    shown = np.clip(0.5 + (grey - limits.centre[0]) / max(5 * limits.scale[0], 1e-12), 0, 1)[..., None]
    share = np.maximum(heat, 0) / max(float(heat.max(initial=0)), 1e-30)
    steps = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(share, steps, _COLOURS[:, channel]) for channel in range(3)], axis=-1)
    cover = opacity * share[..., None]
    return np.asarray((255 * shown * (1 - cover) + colours * cover).round(), np.uint8)


def doubts(
    sight: Sight, model: Model | Classifier, calibration: Calibration | None, grain: float | None = None
) -> list[str]:
    """Return sentences on why the network may not see what it should; see `field_warnings`.

    Parameters
    ----------
    sight : Sight
    model : Model or Classifier
    calibration : Calibration or None
        Of the image.
    grain : float, optional
        Size of the grains that were measured, in pixels of the image.
    """
    scale = float(np.mean(sight.scale))
    learnt = model.magnification if isinstance(model, Classifier) else 1.0
    return field_warnings(
        reach_of(sight),
        grain=grain,
        calibration=calibration,
        trained=model.pixel_size,
        magnification=scale / learnt,
    )


def reach_of(sight: Sight) -> float | None:
    """Return the receptive field of the network's last maps in pixels of the image; None for all of the image."""
    sizes = [layer.size for layer in layers(sight.net, sight.window_shape) if len(layer.made) == 3]
    local = [size for size in sizes if size is not None]
    return max(local[-1]) / float(np.mean(sight.scale)) if local else None


def shifts_told(found: Sequence[Translation]) -> list[dict[str, Any]]:
    """Return the answers to shifts, ready for JSON."""
    return [
        {
            "pooling": one.pooling,
            "trained with it": one.own,
            "shifts": list(one.shifts),
            "probability": [round(value, 4) for value in one.probability],
            "equivariance": [round(value, 4) for value in one.equivariance],
        }
        for one in found
    ]
