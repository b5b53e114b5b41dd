"""Teach a small neural network your micrographs: grains, phases and particles as calibrated masks.

The names below are imported when they are first used, so that ``import napari_microcnn`` is
immediate and loads neither torch nor napari.

Examples
--------
>>> import napari_microcnn as mc
>>> mc.Calibration.parse("0.25 um").pixel_size
(0.25, 0.25)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Calibration": "micrograph",
    "Micrograph": "micrograph",
    "ClassInfo": "config",
    "SegmentConfig": "config",
    "TrainConfig": "config",
    "result_of": "events",
    "read_micrograph": "io.read",
    "export_segmentation": "io.export",
    "nanoporous": "io.samples",
    "polycrystal": "synth",
    "Annotated": "data.annotations",
    "Model": "models",
    "load_model": "models",
    "save_model": "models",
    "shipped_models": "models.shipped",
    "train_segmenter": "train.segmenter",
    "Segmentation": "predict.segment",
    "segment": "predict.segment",
    "measure_objects": "measure.objects",
}

__all__ = sorted([*_HOME, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name, or a part of the package, when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-microcnn")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
