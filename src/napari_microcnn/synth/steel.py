"""Textures of etched steels: martensite, bainite, ferrite, pearlite; varied as preparation and microscopes are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ImagingConfig, SteelConfig, SteelKind
from napari_microcnn.synth.colonies import ferrite, pearlite
from napari_microcnn.synth.faults import add_faults
from napari_microcnn.synth.fields import Field
from napari_microcnn.synth.laths import bainite, martensite
from napari_microcnn.synth.recording import detect

STEEL_KINDS: tuple[SteelKind, ...] = get_args(SteelKind)
"""The kinds, in the order in which pictures go through them."""

_TEXTURES: dict[SteelKind, Callable[[SteelConfig, np.random.Generator], Field]] = {
    "martensite": martensite,
    "bainite": bainite,
    "ferrite": ferrite,
    "pearlite": pearlite,
}


@dataclass(frozen=True, eq=False)
class SteelTexture:
    """A picture of a steel.

    Attributes
    ----------
    image : numpy.ndarray
        (Y, X) uint8.
    kind : str
        One of `STEEL_KINDS`.
    seed : int
    """

    image: NDArray[np.uint8]
    kind: SteelKind
    seed: int


def steel(config: SteelConfig, kind: SteelKind, seed: int = 0) -> SteelTexture:
    """Make the picture of a steel.

    Parameters
    ----------
    config : SteelConfig
    kind : {"martensite", "bainite", "ferrite", "pearlite"}
    seed : int
        The same seed gives the same picture.

    Examples
    --------
    >>> steel(SteelConfig(), "pearlite", seed=1).image.shape
    (128, 128)
    """
    rng = np.random.default_rng([seed, STEEL_KINDS.index(kind), 5])
    drawn = _varied(config, rng)
    texture = _TEXTURES[kind](drawn, rng)
    return SteelTexture(_photographed(texture, drawn, rng), kind, seed)


def _varied(config: SteelConfig, rng: np.random.Generator) -> SteelConfig:
    """Return the settings of one picture: every steel, etching and microscope is another one."""
    v = config.variety
    scale, grains, laths, lamellae, blur = np.exp(v * rng.normal(0, (0.4, 0.25, 0.2, 0.25, 0.4)))
    return config.model_copy(
        update={
            "grain_size": float(np.clip(config.grain_size * scale * grains, 8, 1000)),
            "lath_width": float(np.clip(config.lath_width * scale * laths, 1.5, 100)),
            "spacing": float(np.clip(config.spacing * scale * lamellae, 2, 100)),
            "second": float(np.clip(config.second * (1 + v * rng.uniform(-1, 1.5)), 0, 0.6)),
            "etching": float(np.clip(config.etching * np.exp(v * rng.normal(0, 0.5)), 0.02, 1)),
            "noise": float(np.clip(config.noise * np.exp(v * rng.normal(0, 0.6)), 0, 0.5)),
            "blur": float(np.clip(config.blur * blur, 0, 10)),
        }
    )


def _photographed(texture: Field, config: SteelConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take a picture of a texture whose values lie around zero, about one high."""
    v = config.variety
    mean = 0.5 + v * rng.uniform(-0.25, 0.25)
    imaging = ImagingConfig(
        pits=float(2 * v * rng.uniform(0, 1) ** 2),
        scratches=int(rng.integers(1, 5)) if rng.random() < 0.25 * v else 0,
        illumination=float(v * rng.uniform(0, 0.7)),
        blur=config.blur,
        shot_noise=config.noise * float(rng.uniform(0.2, 1)),
        readout_noise=config.noise * float(rng.uniform(0.2, 1)),
        noise_scale=float(rng.uniform(0, 1.2)) if rng.random() < 0.5 * v else 0.0,
        gamma=float(np.exp(v * rng.normal(0, 0.25))),
    )
    # Some etchants and detectors show as bright what others show as dark.
    sign = -1 if rng.random() < 0.3 * v else 1
    picture = np.asarray(mean + sign * 0.6 * config.etching * texture, np.float32)
    add_faults(picture, imaging, rng)
    return detect(picture, imaging, rng)
