"""Tiled prediction against MONAI's sliding window with the same network, and against a random forest.

A seam is a line along the edge of a window. It shows as the share of pixels within `NEAR` pixels of it whose class is
another than in the answer for the whole image in one piece, by the same network in the same precision; the worst line
counts. Of MONAI's settings the fastest whose seams are all at most `SEAMS` is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.common import Table
from benchmarks.micrographs import Fold, train_forest
from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.normalisation import intensity_limits, normalise
from napari_microcnn.device import inference_precision
from napari_microcnn.models import load_model
from napari_microcnn.nets import QuantisedUNet, prepared
from napari_microcnn.predict import Tile, TilePredictor, predict_plane
from napari_microcnn.predict.answer import likeliest
from napari_microcnn.synth import LOOKS, polycrystal

SIDE = 2048
SEAMS, NEAR = 0.001, 16
_WINDOWS = (512, 768, 1024)
"""Sides of MONAI's windows in pixels: the largest takes the 500 MB in float32 that a prediction here may take."""
_OVERLAPS = (0.0, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5)
_BATCHES = (1, 4)
_REPEATS = 3
_BAR, _FOREST_BAR = 1.8, 4.0

Picture = NDArray[np.uint8]
Classes = NDArray[np.uint8]
Setting = tuple[int, str, float]
"""Side of MONAI's windows, mode and overlap."""


def run() -> Table:
    """Time all ways on the same picture, the shortest of some runs each."""
    table = Table(
        f"Prediction of {SIDE} x {SIDE}, model grain-boundaries, against others",
        ("way", "CPU s", "wall s", "worst seam (%)", "times ours (CPU)", "times ours (wall)", "bar"),
        note=f"Worst seam: share of the pixels within {NEAR} of a window's edge that have another class than in one "
        f"piece. MONAI: the fastest of windows of {', '.join(map(str, _WINDOWS))} pixels, both modes, {len(_OVERLAPS)} "
        f"overlaps, batches of {' and '.join(map(str, _BATCHES))} with seams of at most {100 * SEAMS:g} %. Its "
        "last row has the network that this package makes of the saved one, so it shows what tiling alone brings.",
    )
    image, boundaries = picture()
    fast = _fast_net()
    forest = train_forest(Fold("", (image, boundaries), [], 2, ""), boundaries.astype(np.uint8) + 1, dense=False)
    cpu, wall, answer = _timed(partial(_ours, image))
    slow = _timed(lambda: forest(image))
    table.add("this package", cpu, wall, 100 * _worst(answer, _one_piece(image, fast), _our_lines(image)), 1.0, 1.0, "")
    for (name, took, seam), bar in zip(_monai_ways(image, fast), (_BAR, _BAR, None), strict=False):
        table.add(name, *took, 100 * seam, took[0] / cpu, took[1] / wall, bar or "")
        if bar:
            table.at_least(f"times as fast as {name.partition(':')[0]}", took[0] / cpu, bar)
    if len(table.rows) == 1:
        table.note += " MONAI is not installed."
    table.add("random forest with its features", *slow[:2], "", slow[0] / cpu, slow[1] / wall, _FOREST_BAR)
    table.at_least("times as fast as a random forest", slow[0] / cpu, _FOREST_BAR)
    return table


def picture() -> tuple[Picture, NDArray[np.bool_]]:
    """Return a polycrystal, made of mirrored copies of a small one, and its boundaries."""
    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960}), imaging, 0)
    more = (0, SIDE - 1024)
    return np.pad(made.image, more, mode="symmetric"), np.pad(made.structure.boundaries, more, mode="symmetric")


def _timed(way: Callable[[], Any], repeats: int = _REPEATS) -> tuple[float, float, Any]:
    """Return CPU and wall seconds, the shortest of some runs, and the answer."""
    times = []
    for _ in range(repeats):
        start = time.process_time(), time.perf_counter()
        answer = way()
        times.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return min(cpu for cpu, _ in times), min(wall for _, wall in times), answer


def _worst(answer: Classes, truth: Classes, lines: tuple[set[int], set[int]]) -> float:
    """Return the largest share of other classes near a line, of the lines across and down the image."""
    other = answer != truth
    across = [other[max(0, line - NEAR) : line + NEAR].mean() for line in lines[0]]
    down = [other[:, max(0, line - NEAR) : line + NEAR].mean() for line in lines[1]]
    return float(max(across + down, default=0.0))


def _ours(image: Picture) -> Classes:
    found = predict_plane(load_model("grain-boundaries"), image, SegmentConfig(magnification=1.0, device="cpu"))
    return likeliest(found)


def _our_lines(image: Picture) -> tuple[set[int], set[int]]:
    predictor = TilePredictor(load_model("grain-boundaries"), SegmentConfig(magnification=1.0, device="cpu"))
    regions = [event.region for event in predictor.tiles(image) if isinstance(event, Tile)]
    return {rows.start for rows, _ in regions} - {0}, {columns.start for _, columns in regions} - {0}


def _fast_net() -> nn.Module:
    """Return the network as it predicts here: folded, in the precision that is fast."""
    device = torch.device("cpu")
    return prepared(load_model("grain-boundaries").net, device, inference_precision(device))


def _images(image: Picture, net: nn.Module) -> Tensor:
    images = torch.from_numpy(normalise(image, intensity_limits(image)))[None]
    taken = torch.float32 if isinstance(net, QuantisedUNet) else next(net.parameters()).dtype
    return images.to(taken).contiguous(memory_format=torch.channels_last)


def _one_piece(image: Picture, net: nn.Module, autocast: bool = False) -> Classes:
    cast: Any = torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext()
    with torch.inference_mode(), cast:
        return likeliest(net(_images(image, net))[0].float().numpy())


def _monai_ways(image: Picture, fast: nn.Module) -> Iterator[tuple[str, tuple[float, float], float]]:
    """Yield what MONAI takes with the network as it is saved, and with what makes it fast; nothing without MONAI."""
    try:
        settings = _without_seams(image, fast)
    except ImportError:
        return
    saved = load_model("grain-boundaries").net.eval()
    for name, net, autocast in (
        ("the network as it is saved", saved, False),
        ("the same under autocast to bfloat16", saved, True),
        ("the network as this package computes it", fast, False),
    ):
        best: tuple[Any, ...] = (float("inf"),)
        for setting in settings:
            for batch in _BATCHES:
                cpu, wall, answer = _timed(partial(_monai, image, net, setting, batch, autocast), repeats=1)
                best = min(best, (cpu, wall, setting, batch, answer), key=lambda one: one[0])
        cpu, wall, setting, batch, answer = best
        again = _timed(partial(_monai, image, net, setting, batch, autocast), _REPEATS - 1)
        seam = _worst(answer, _one_piece(image, net, autocast), _monai_lines(setting))
        words = f"MONAI, {name}: windows of {setting[0]}, {setting[1]}, overlap {setting[2]:g}, batches of {batch}"
        yield words, (min(cpu, again[0]), min(wall, again[1])), seam


def _without_seams(image: Picture, net: nn.Module) -> list[Setting]:
    """Return, for each side and mode, the least overlap without seams, where there is one."""
    whole, found = _one_piece(image, net), []
    for side in _WINDOWS:
        for mode in ("constant", "gaussian"):
            for overlap in _OVERLAPS:
                setting = side, mode, overlap
                if _worst(_monai(image, net, setting, 1), whole, _monai_lines(setting)) <= SEAMS:
                    found.append(setting)
                    break
    return found


def _monai(image: Picture, net: nn.Module, setting: Setting, batch: int, autocast: bool = False) -> Classes:
    from monai.inferers import sliding_window_inference

    side, mode, overlap = setting
    cast: Any = torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext()
    with torch.inference_mode(), cast:
        found: Any = sliding_window_inference(_images(image, net), side, batch, net, overlap, mode)
        return likeliest(found[0].float().numpy())


def _monai_lines(setting: Setting) -> tuple[set[int], set[int]]:
    """Return where windows begin and end, as MONAI places them."""
    side, _, overlap = setting
    interval = int(side * (1 - overlap)) or 1
    starts = {min(start, SIDE - side) for start in range(0, SIDE - side + interval, interval)}
    edges = (starts | {start + side for start in starts}) - {0, SIDE}
    return edges, edges
