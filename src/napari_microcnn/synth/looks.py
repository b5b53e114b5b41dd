"""Named looks of polycrystals, and random ones to train on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.synth.draws import sometimes
from napari_microcnn.synth.imaging import image
from napari_microcnn.synth.recording import databar_rows
from napari_microcnn.synth.voronoi import Microstructure, voronoi


@dataclass(frozen=True, eq=False)
class SyntheticMicrograph:
    """A synthetic micrograph with everything that is true about it.

    Attributes
    ----------
    image : numpy.ndarray
        (Y, X) uint8.
    structure : Microstructure
        Grains, boundaries and triple points; under a databar there are none, and grains are 0.
    imaging : ImagingConfig
    seed : int
    """

    image: NDArray[np.uint8]
    structure: Microstructure
    imaging: ImagingConfig
    seed: int


LOOKS: dict[str, tuple[VoronoiConfig, ImagingConfig]] = {
    "etched": (
        VoronoiConfig(regularity=0.5, thickness=2.5, size_spread=0.3, curvature=0.3),
        ImagingConfig(lines="dark", line_contrast=0.6, grain_contrast=0.03, precipitates=1, pits=0.5, scratches=2,
                      uneven_etching=0.2, brightness=0.75),
    ),
    "channelling": (
        VoronoiConfig(regularity=0.3, thickness=1.5, size_spread=0.4, curvature=0.2, twins=0.3),
        ImagingConfig(lines="none", grain_contrast=0.3, least_step=0.15, twin_contrast=0.06, texture=0.03,
                      shot_noise=0.05, readout_noise=0.04),
    ),
    "band contrast": (
        VoronoiConfig(regularity=0.2, thickness=3, size_spread=0.5, curvature=0.2, lamellae=0.3),
        ImagingConfig(lines="dark", line_contrast=0.7, line_spread=0.6, grain_contrast=0.08, shot_noise=0.05, blur=1.2,
                      noise_scale=0.6, brightness=0.75),
    ),
    "bright lines": (
        VoronoiConfig(regularity=0.5, thickness=2.5, size_spread=0.3, elongation=2.5, direction=30),
        ImagingConfig(lines="bright", line_contrast=0.5, grain_contrast=0.06, scratches=6, brightness=0.35),
    ),
    "texture": (
        VoronoiConfig(regularity=0.3, thickness=1.5, size_spread=0.4, curvature=0.5, roughness=0.4, merging=0.3),
        ImagingConfig(lines="none", grain_contrast=0.2, least_step=0.15, texture=0.12, texture_scale=2.5, pits=1,
                      readout_noise=0.03, noise_scale=0.4),
    ),
}  # fmt: skip
"""Structure and imaging of well-known kinds of micrographs."""


def polycrystal(structure: VoronoiConfig, imaging: ImagingConfig, seed: int = 0) -> SyntheticMicrograph:
    """Make a synthetic micrograph of a polycrystal.

    Parameters
    ----------
    structure : VoronoiConfig
    imaging : ImagingConfig
    seed : int
        The same seed gives the same grains and the same picture.

    Returns
    -------
    SyntheticMicrograph

    Examples
    --------
    >>> made = polycrystal(*LOOKS["etched"], seed=1)
    >>> made.image.shape
    (256, 256)
    """
    made = voronoi(structure, seed)
    return SyntheticMicrograph(image(made, imaging, seed), uncovered(made, imaging), imaging, seed)


def uncovered(made: Microstructure, imaging: ImagingConfig) -> Microstructure:
    """Leave out what a databar covers."""
    rows = databar_rows(len(made.grains), imaging.databar)
    if not rows:
        return made
    grains, distance = made.grains.copy(), made.distance.copy()
    grains[-rows:], distance[-rows:] = 0, np.inf
    grains = label(grains, background=0, connectivity=1).astype(np.int32)  # type: ignore[no-untyped-call]
    return replace(made, grains=grains, distance=distance)


def random_look(seed: int, height: int, width: int) -> tuple[VoronoiConfig, ImagingConfig]:
    """Draw a structure and an imaging as varied as micrographs of polycrystals are.

    Parameters
    ----------
    seed : int
    height, width : int
        Image size in pixels.
    """
    rng = np.random.default_rng([seed, 3])
    return _random_structure(rng, height, width), _random_imaging(rng)


def _random_structure(rng: np.random.Generator, height: int, width: int) -> VoronoiConfig:
    spacing = float(np.exp(rng.uniform(np.log(11), np.log(90))))
    return VoronoiConfig(
        height=height,
        width=width,
        grains=max(2, round(height * width / spacing**2)),
        regularity=float(rng.uniform(0.1, 0.8)),
        thickness=float(min(np.exp(rng.uniform(np.log(1), np.log(6))), 0.22 * spacing)),
        size_spread=float(rng.uniform(0, 0.6)) if rng.random() < 0.8 else float(rng.uniform(0.6, 1)),
        elongation=float(np.exp(min(abs(rng.normal(0, 0.45)), 2))) if rng.random() < 0.6 else 1.0,
        direction=float(rng.uniform(0, 180)),
        curvature=float(rng.uniform(0, 0.8)),
        roughness=sometimes(rng, 0.5, 0.1, 1),
        merging=sometimes(rng, 0.4, 0.1, 0.6),
        lamellae=sometimes(rng, 0.35, 0.1, 0.7),
        twins=sometimes(rng, 0.25, 0.1, 0.6),
        subgrains=sometimes(rng, 0.12, 0.2, 1),
        fine_grains=sometimes(rng, 0.15, 0.1, 0.6) if spacing > 30 else 0.0,
        drift=sometimes(rng, 0.15, 0.2, 1.5),
    )


def _random_imaging(rng: np.random.Generator) -> ImagingConfig:
    lines = ("dark", "bright", "none")[int(rng.choice(3, p=[0.5, 0.17, 0.33]))]
    textured = lines == "none" and rng.random() < 0.4
    steps = (
        float(np.exp(rng.uniform(np.log(0.04), np.log(0.35)))) if lines == "none" else sometimes(rng, 0.75, 0.01, 0.3)
    )
    noise = float(np.exp(rng.uniform(np.log(0.005), np.log(0.15))))
    line_contrast = float(rng.uniform(0.12, 0.9))
    # In more noise nobody could see the boundaries.
    noise = min(noise, 1.2 * steps if lines == "none" else max(0.3 * line_contrast, steps))
    return ImagingConfig(
        lines=lines,
        line_contrast=line_contrast,
        line_spread=float(rng.uniform(0, 0.9)),
        grain_contrast=steps,
        least_step=float(rng.uniform(0.08, 0.16)) if lines == "none" else sometimes(rng, 0.3, 0.02, 0.16),
        texture=float(rng.uniform(0.05, 0.4)) if textured else sometimes(rng, 0.7, 0.01, 0.3) * (0.4 + 2 * steps),
        texture_scale=float(np.exp(rng.uniform(np.log(1.2), np.log(8)))),
        relief=sometimes(rng, 0.25, 0.05, 0.5),
        twin_contrast=float(rng.uniform(0.02, 0.12)) if lines != "none" else 0.35 * steps,
        inner_lines=sometimes(rng, 0.3, 0.05, 0.35),
        second_phase=sometimes(rng, 0.12, 0.05, 0.5),
        double_lines=bool(rng.random() < 0.1),
        broken_lines=sometimes(rng, 0.3, 0.1, 0.8),
        uneven_etching=sometimes(rng, 0.4, 0.1, 0.6),
        precipitates=sometimes(rng, 0.35, 0.5, 12),
        pits=sometimes(rng, 0.4, 0.3, 10),
        scratches=int(rng.integers(1, 12)) if rng.random() < 0.3 else 0,
        illumination=sometimes(rng, 0.6, 0.1, 1),
        charging=sometimes(rng, 0.2, 0.1, 1),
        blur=float(rng.uniform(0.3, 1.8)),
        defocus=sometimes(rng, 0.12, 1, 2.5),
        shot_noise=noise * float(rng.uniform(0, 1)),
        readout_noise=noise * float(rng.uniform(0, 1)),
        noise_scale=sometimes(rng, 0.5, 0.2, 1.8),
        brightness=float(rng.uniform(0.25, 0.8)),
        gamma=float(np.exp(np.clip(rng.normal(0, 0.3), -1, 1))),
        compression=sometimes(rng, 0.25, 0.2, 1),
        databar=sometimes(rng, 0.08, 0.04, 0.15),
    )
