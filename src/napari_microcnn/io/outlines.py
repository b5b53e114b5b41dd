"""Outlines of objects as polygons for other programs: ImageJ ROI sets, COCO and GeoJSON."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy import ndimage

from napari_microcnn.io.atomic import replacing
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.provenance import describe_calibration
from napari_microcnn.micrograph import Calibration

Labels: TypeAlias = "np.ndarray[Any, Any]"
Ring: TypeAlias = list[tuple[int, int]]
"""Corners (x, y) in pixels, between pixels: (0, 0) is the outer corner of the first one. Not closed."""


def write_outlines(
    path: str | os.PathLike[str],
    labels: Labels,
    calibration: Calibration | None = None,
    *,
    image: str | None = None,
) -> Path:
    """Write the outline of every object, along the edges of its pixels, so that filling it gives the same pixels.

    Parameters
    ----------
    path : str or path-like
        ``.zip`` is an ImageJ ROI set (needs the extra ``imagej``), ``.json`` COCO, ``.geojson`` GeoJSON.
    labels : numpy.ndarray, (Y, X)
        Number of the object of every pixel, 0 = none.
    calibration : Calibration, optional
        Size of a pixel. The outlines stay in pixels: COCO and GeoJSON carry it beside them, a ROI as its properties
        (ImageJ itself takes it from the image).
    image : str, optional
        File of the image that the outlines belong to.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    WriteError
        If the ending is another one, the labels are no plane of whole numbers, or the file cannot be written.
    """
    path = Path(path)
    kinds = {".zip": "imagej", ".json": "coco", ".geojson": "geojson"}
    if path.suffix.lower() not in kinds:
        raise WriteError(f"{path.name}: outlines are written as .zip (ImageJ), .json (COCO) or .geojson.")
    content = outlines_as(kinds[path.suffix.lower()], labels, calibration, image or path.stem)
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)
    return path


def outlines_as(kind: str, labels: Labels, calibration: Calibration | None, image: str) -> bytes:
    """Return the content of a file of outlines; `kind` is ``"imagej"``, ``"coco"`` or ``"geojson"``.

    Raises
    ------
    WriteError
        If the labels are no plane of whole numbers, or the extra is not installed.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise WriteError(f"Outlines need one plane of whole numbers, not {labels.dtype} of shape {labels.shape}.")
    return {"imagej": _roi_set, "coco": _coco, "geojson": _geojson}[kind](labels, calibration, image)


def outlines(labels: Labels) -> Iterator[tuple[int, list[Ring]]]:
    """Yield every object's number and its rings: outer ones clockwise on the screen, holes the other way."""
    boxes = ndimage.find_objects(labels.astype(np.int64, copy=False))
    for number, box in enumerate(boxes, 1):
        if box is not None:
            yield number, _rings(labels[box] == number, box[1].start, box[0].start)


def _rings(mask: np.ndarray[Any, Any], left: int, top: int) -> list[Ring]:
    """Follow the edges between the pixels of a mask and the others, the mask on the right hand."""
    padded = np.pad(mask, 1).astype(np.int8)
    onward: dict[tuple[int, int], list[tuple[int, int]]] = {}
    across, down = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    for y, x in np.argwhere(across).tolist():
        start, end = ((x, y), (x + 1, y)) if across[y, x] > 0 else ((x + 1, y), (x, y))
        onward.setdefault(start, []).append(end)
    for y, x in np.argwhere(down).tolist():
        start, end = ((x, y + 1), (x, y)) if down[y, x] > 0 else ((x, y), (x, y + 1))
        onward.setdefault(start, []).append(end)
    rings = []
    while onward:
        rings.append([(x + left, y + top) for x, y in _follow(onward)])
    return rings


def _follow(onward: dict[tuple[int, int], list[tuple[int, int]]]) -> Ring:
    """Take one closed ring out of the edges; only its corners are kept."""
    start = here = next(iter(onward))
    before, ring = (0, 0), []
    while True:
        ends = onward[here]
        # Where two pixels touch at a corner, turning right keeps them apart.
        right = (here[0] - before[1], here[1] + before[0])
        after = ends.pop(ends.index(right) if right in ends else 0)
        if not ends:
            del onward[here]
        direction = (after[0] - here[0], after[1] - here[1])
        if direction != before:
            ring.append(here)
        before, here = direction, after
        if here == start:
            return ring


def _area(ring: Ring) -> int:
    """Return twice the signed area: positive for outer rings."""
    return sum(x * v - u * y for (x, y), (u, v) in zip(ring, ring[1:] + ring[:1], strict=True))


def _joined(rings: list[Ring]) -> Ring:
    """Return one polygon: rings are joined by bridges without width along the edges of pixels."""
    path = [*rings[0]]
    x, y = rings[0][0]
    for ring in rings[1:]:
        u, v = ring[0]
        path += [(x, y), (u, y), *ring, (u, v), (u, y)]
    return path if len(rings) == 1 else [*path, (x, y)]


def _roi_set(labels: Labels, calibration: Calibration | None, _image: str) -> bytes:
    try:
        import roifile
    except ImportError as error:
        raise WriteError("ImageJ ROI sets need the extra 'imagej': pip install 'napari-microcnn[imagej]'.") from error
    told = ""
    if calibration is not None:
        (height, width), unit = calibration.pixel_size, calibration.unit
        told = f"pixel_height: {height!r}\npixel_width: {width!r}\nunit: {unit}\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, rings in outlines(labels):
            roi = roifile.ImagejRoi.frompoints(np.array(_joined(rings)), name=f"{number:06d}")
            roi.roitype = roifile.ROI_TYPE.POLYGON
            roi.props = told
            archive.writestr(f"{number:06d}.roi", roi.tobytes())
    return stream.getvalue()


def _coco(labels: Labels, calibration: Calibration | None, image: str) -> bytes:
    annotations = []
    for number, rings in outlines(labels):
        xs, ys = zip(*(corner for ring in rings for corner in ring), strict=True)
        annotations.append(
            {
                "id": number,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "area": sum(map(_area, rings)) // 2,
                "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
                "segmentation": [[float(value) for corner in _joined(rings) for value in corner]],
            }
        )
    picture = {"id": 1, "file_name": image, "height": labels.shape[0], "width": labels.shape[1]}
    content = {
        "info": {"description": "napari-microcnn", "pixel_size": describe_calibration(calibration)},
        "images": [picture],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": annotations,
    }
    return json.dumps(content).encode()


def _geojson(labels: Labels, calibration: Calibration | None, image: str) -> bytes:
    features = [
        {"type": "Feature", "id": number, "properties": {"label": number}, "geometry": _geometry(rings)}
        for number, rings in outlines(labels)
    ]
    about = {"image": image, "pixel_size": describe_calibration(calibration)}
    return json.dumps({"type": "FeatureCollection", **about, "features": features}).encode()


def _geometry(rings: list[Ring]) -> dict[str, Any]:
    """Return a MultiPolygon (RFC 7946): every hole beside the outer ring that is around it."""
    parts = [[ring] for ring in rings if _area(ring) > 0]
    for hole in (ring for ring in rings if _area(ring) < 0):
        # Among the rings around a point of the hole, the smallest one is its own.
        around = [part for part in parts if _contains(part[0], _inside(hole))]
        min(around, key=lambda part: _area(part[0])).append(hole)
    closed = [[[*ring, ring[0]] for ring in part] for part in parts]
    return {"type": "MultiPolygon", "coordinates": closed}


def _inside(ring: Ring) -> tuple[float, float]:
    """Return the middle of the pixel at a hole's uppermost, leftmost corner."""
    x, y = min(ring, key=lambda corner: (corner[1], corner[0]))
    return x + 0.5, y + 0.5


def _contains(ring: Ring, point: tuple[float, float]) -> bool:
    x, y = point
    crossed = (u > x for (u, v), (_, w) in zip(ring, ring[1:] + ring[:1], strict=True) if min(v, w) < y < max(v, w))
    return sum(crossed) % 2 == 1
