"""What the open micrograph looks like to a model: settings of the generator that make pictures like it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ImagingConfig, SegmentConfig, VoronoiConfig
from napari_microcnn.data.resampling import sample_windows
from napari_microcnn.data.resemblance import measured_look
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.gap import best_magnification, middle_plane
from napari_microcnn.predict.magnification import at_magnification
from napari_microcnn.predict.segment import Segmentation, segment

_LARGEST = 768
"""Side of the part of a large micrograph whose look is measured."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a micrograph looks like at the magnification at which a model sees it.

    Attributes
    ----------
    structure : VoronoiConfig
    imaging : ImagingConfig
    window : numpy.ndarray
        (Y, X) the part of the micrograph that was measured, at that magnification.
    magnification : float
    """

    structure: VoronoiConfig
    imaging: ImagingConfig
    window: NDArray[Any]
    magnification: float


def measure_look(micrograph: Micrograph, model: Model | str | Path, config: SegmentConfig | None = None) -> Look:
    """Find the grains of a micrograph with a model, and measure what the picture looks like.

    Of a stack its middle plane is taken, and of a large micrograph a part in its middle.

    Parameters
    ----------
    micrograph : Micrograph
    model : Model, str or Path
        A model of grain boundaries.
    config : SegmentConfig, optional

    Raises
    ------
    ValueError
        If the model finds no grain boundaries but something else, or the image is blank or too small.
    """
    model = model if isinstance(model, Model) else load_model(model)
    config = config or SegmentConfig()
    if model.objects is None or model.objects.kind != "grains" or model.config.channels != 1:
        raise ValueError(f"{model.name!r} finds no grain boundaries in grey images; choose a model that does.")
    plane = middle_plane(micrograph, model)
    factor = best_magnification(plane, model, config)
    seen = at_magnification(plane, factor)
    height, width = int(seen.shape[0]), int(seen.shape[1])
    top, left = max(0, (height - _LARGEST) // 2), max(0, (width - _LARGEST) // 2)
    window = np.asarray(seen[top : min(height, top + _LARGEST), left : min(width, left + _LARGEST)])
    if factor != 1 and plane.dtype == np.uint8:
        window = np.clip(window, 0, 255).astype(np.uint8)
    found: Segmentation = result_of(
        segment(Micrograph(window), model, config.model_copy(update={"magnification": 1.0}))
    )
    if found.labels is None:
        raise ValueError(f"{model.name!r} numbers no grains; choose a model of grain boundaries.")
    structure, imaging = measured_look(window, found.labels)
    return Look(structure, imaging, window, factor)


def look_like(
    micrograph: Micrograph, model: Model | str | Path = "grain-boundaries"
) -> tuple[VoronoiConfig, ImagingConfig]:
    """Return settings that make synthetic pictures which look like a micrograph; see `measure_look`.

    `napari_microcnn.data.resemblance.alike` draws around them: one picture says little about the next one.
    """
    look = measure_look(micrograph, model)
    return look.structure, look.imaging


def windows_of(micrograph: Micrograph, model: Model, magnification: float) -> list[NDArray[Any]]:
    """Return windows of a micrograph at a magnification, as the self-check of an adaptation looks at them."""
    return sample_windows(at_magnification(middle_plane(micrograph, model), magnification), 256, 2)
