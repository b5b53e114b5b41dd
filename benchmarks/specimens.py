"""Small whole files of every kind that is read, and the function that reads each; for `benchmarks.fuzz`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import numpy as np
import tifffile
import torch
from PIL import Image

from benchmarks.dm_file import write_dm
from napari_microcnn.config import ClassifierConfig, ClassInfo, UNetConfig
from napari_microcnn.io.foreign_masks import read_foreign_labels
from napari_microcnn.io.journal import Journal, Record
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.io.results import read_record
from napari_microcnn.io.sessions import read_session
from napari_microcnn.models import Model, open_model, save_model
from napari_microcnn.models.classifier import Classifier
from napari_microcnn.models.files import save_classifier
from napari_microcnn.models.foreign import read_weights
from napari_microcnn.models.onnx_file import export_onnx, import_onnx
from napari_microcnn.models.zoo import import_zoo
from napari_microcnn.nets import UNet
from napari_microcnn.nets.classifiers import build_classifier

Reader = Callable[[Path], object]
GREY = np.random.default_rng(0).integers(0, 256, (24, 40), dtype=np.uint8)
STACK = np.random.default_rng(1).integers(0, 60_000, (3, 24, 40), dtype=np.uint16)
MEMORY = 256 << 20
"""Bytes of pixels that none of these small files can truly hold."""
_KEY = "ab" * 16
_WEIGHTS = ClassifierConfig(architecture="conv-pool", blocks=1, filters=2, side=16)


def specimens(folder: Path) -> dict[str, tuple[Reader, list[Path]]]:
    """Write the files; returns for each kind its reader and its files."""
    images = {
        "TIFF": _tiffs(folder),
        "OME-TIFF": [_tiff(folder, f"{name}.ome.tif", STACK, ome=True, **options) for name, options in _OME.items()],
        "MRC": [_mrc(folder)],
        **({"DM3/4": _dms(folder)} if find_spec("rsciio") else {}),  # an extra
        "EMD": _emds(folder),
        "PNG, JPEG, BMP": _pictures(folder),
    }
    return {
        **{kind: (_pixels, files) for kind, files in images.items()},
        "labels": (_labels, [_tiff(folder, "labels.tif", GREY % 3), *_pictures(folder)[:1]]),
        "HDF5": (_mask, [_ilastik(folder)]),
        "npy": (_mask, _npys(folder)),
        "header beside an image": (_beside, _headers(folder)),
        "record (JSON)": (read_record, [_record(folder)]),
        "model": (open_model, _models(folder)),
        "model (ONNX)": (import_onnx, [_onnx(folder)]),
        "model (zoo)": (import_zoo, [_zoo(folder)]),
        "checkpoint (torch)": (_checkpoint, _checkpoints(folder)),
        "session": (_session, [_written_session(folder)]),
    }


def _pixels(path: Path) -> None:
    for lazy in (1, 1 << 28):
        pixels = read_micrograph(path, lazy_from_bytes=lazy).pixels
        if pixels.nbytes > MEMORY:
            raise AssertionError(f"believed to hold {pixels.nbytes} bytes")
        np.asarray(pixels)


def _labels(path: Path) -> None:
    read_labels(path)


def _mask(path: Path) -> None:
    if read_foreign_labels(path).nbytes > MEMORY:
        raise AssertionError("believed to be huge")


def _beside(path: Path) -> None:
    tifffile.imwrite(path.with_suffix(".tif"), GREY)
    read_micrograph(path.with_suffix(".tif"))


def _checkpoint(path: Path) -> None:
    read_weights(path, _WEIGHTS)


def _session(path: Path) -> None:
    found = read_session(path, _KEY)
    _ = found is not None and found.painted


_OME: dict[str, dict[str, Any]] = {
    "plain": {"metadata": {"axes": "ZYX", "PhysicalSizeX": 2, "PhysicalSizeY": 2}},
    "packed": {"metadata": {"axes": "TYX"}, "compression": "lzw"},
}


def _tiff(folder: Path, name: str, pixels: np.ndarray[Any, Any], **options: Any) -> Path:
    tifffile.imwrite(folder / name, pixels, **({"photometric": "minisblack"} | options))
    return folder / name


def _tiffs(folder: Path) -> list[Path]:
    colours = np.stack([GREY, GREY[::-1], GREY], -1)
    imagej: dict[str, Any] = {"imagej": True, "resolution": (3.0, 3.0), "metadata": {"unit": "um"}}
    return [
        _tiff(folder, "plain.tif", GREY),
        _tiff(folder, "strips.tif", GREY, compression="zlib", rowsperstrip=8),
        _tiff(folder, "tiles.tif", STACK, tile=(16, 16), compression="zstd", bigtiff=True),
        _tiff(folder, "imagej.tif", STACK, **imagej),
        _tiff(folder, "colour.tif", colours, photometric="rgb", compression="lzw"),
        _tiff(folder, "floats.tif", STACK.astype(np.float32), predictor=3, compression="deflate"),
    ]


def _mrc(folder: Path) -> Path:
    with mrcfile.new(folder / "stack.mrc", STACK.astype(np.int16) // 4, overwrite=True) as file:
        file.voxel_size = 2.5
    return folder / "stack.mrc"


def _dms(folder: Path) -> list[Path]:
    return [write_dm(folder / f"scan.dm{version}", GREY, version) for version in (3, 4)]


def _emds(folder: Path) -> list[Path]:
    with h5py.File(folder / "ncem.emd", "w") as file:
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group["data"] = GREY
        for number, size in enumerate(GREY.shape, 1):
            dim = group.create_dataset(f"dim{number}", data=np.arange(size) * 0.5)
            dim.attrs["name"], dim.attrs["units"] = "yx"[number - 1], "[n_m]"
    with h5py.File(folder / "velox.emd", "w") as file:
        group = file.create_group("Data/Image/0")
        group.create_dataset("Data", data=GREY[..., None], chunks=(8, 8, 1), compression="gzip")
        size = {"PixelSize": {"width": "2e-9", "height": "2e-9"}, "PixelUnitX": "m", "PixelUnitY": "m"}
        text = json.dumps({"BinaryResult": size}).encode().ljust(300, b"\0")
        group["Metadata"] = np.frombuffer(text, np.uint8)[:, None]
    return [folder / "ncem.emd", folder / "velox.emd"]


def _ilastik(folder: Path) -> Path:
    with h5py.File(folder / "mask.h5", "w") as file:
        file.create_dataset("exported_data", data=GREY[..., None] % 3, chunks=(8, 8, 1), compression="gzip")
        file["exported_data"].attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "yxc"]})
    return folder / "mask.h5"


def _npys(folder: Path) -> list[Path]:
    np.save(folder / "mask.npy", GREY % 3)
    boxed = np.empty((), object)
    boxed[()] = {"masks": GREY % 5, "filename": "steel.tif", "flows": [np.ones((2, 3), np.float32), None, [1.5]]}
    np.save(folder / "cells_seg.npy", boxed, allow_pickle=True)  # as cellpose does
    return [folder / "mask.npy", folder / "cells_seg.npy"]


def _pictures(folder: Path) -> list[Path]:
    files = [folder / name for name in ("grey.png", "grey.jpg", "grey.bmp")]
    for file in files:
        Image.fromarray(GREY).save(file)
    Image.fromarray(STACK[0]).save(folder / "deep.png")
    return [*files, folder / "deep.png"]


def _headers(folder: Path) -> list[Path]:
    texts = {
        "jeol.txt": "$CM_FULL_SIZE 40 24\n$$SM_MICRON_BAR 20\n$$SM_MICRON_MARKER 1um\n",
        "hitachi.txt": "[SemImageFile]\nDataSize=40x24\nPixelSize=2.5\n",
        "tescan.hdr": "[MAIN]\nPixelSizeX=2.5e-9\nPixelSizeY=2.5e-9\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def _record(folder: Path) -> Path:
    content = {"software": "napari-microcnn", "input": {"name": "a", "shape": [24, 40]}, "sha256": {"a.tif": "0" * 64}}
    (folder / "record.json").write_text(json.dumps(content))
    return folder / "record.json"


def tiny_model() -> Model:
    """Return a network of two filters that was never trained."""
    torch.manual_seed(0)
    classes = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
    return Model(UNet(UNetConfig(width=2, depth=1)).eval(), classes, name="tiny")


def _models(folder: Path) -> list[Path]:
    torch.manual_seed(0)
    net = build_classifier(_WEIGHTS)
    classifier = Classifier(net.eval(), tiny_model().classes, side=16)
    files = folder / "tiny.safetensors", folder / "classifier.safetensors"
    return [save_model(tiny_model(), files[0]), save_classifier(classifier, files[1])]


def _onnx(folder: Path) -> Path:
    export_onnx(tiny_model(), folder / "tiny.onnx")
    return folder / "tiny.onnx"


def _zoo(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "tiny.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(save_model(tiny_model(), folder / "packed.safetensors"), "napari-microcnn.safetensors")
        archive.writestr("bioimageio.yaml", "{}")
    return folder / "tiny.zip"


def _checkpoints(folder: Path) -> list[Path]:
    torch.manual_seed(0)
    state = build_classifier(_WEIGHTS).state_dict()
    torch.save({"state_dict": state, "epoch": 3}, folder / "net.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return [folder / "net.pth", folder / "old.pth"]


def _written_session(folder: Path) -> Path:
    import zlib

    path = folder / "image.tif.microcnn"
    path.unlink(missing_ok=True)
    about = {"name": "session", "image": "image", "key": _KEY, "shape": [24, 40]}
    writer = {"host": "another", "pid": 1, "started": 0.0}
    block = Record({"name": "block 0 0", "at": [0, 0], "dtype": "|u1"}, zlib.compress((GREY % 3).tobytes()))
    Journal(path, [Record({**about, "writer": writer}), Record({"name": "state", "state": {"classes": []}}), block])
    return path
