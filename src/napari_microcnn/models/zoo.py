"""Models as packages of the BioImage Model Zoo (https://bioimage.io), and back."""

from __future__ import annotations

import json
import lzma
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_microcnn.io.errors import DAMAGED
from napari_microcnn.models.files import load_model, save_model
from napari_microcnn.models.model import Model, ModelError
from napari_microcnn.models.onnx_file import export_onnx

_OWN = "napari-microcnn.safetensors"
"""The model file inside a package, from which it comes back whole."""
_LARGEST = 2 << 30
"""Bytes that a packed model may have: ten times a U-Net of 64 filters and five poolings is less."""
_MAX_RATIO = 100
"""Weights are noise and pack badly; what unpacks to more than so many times its size is made to fill the disk."""
_OPSET_KEY = "ai.onnx"
_EPSILON = 1e-6
_FORMAT = "0.5.9"
_DOCUMENTATION = """# {name}

Segments micrographs: one probability per class and pixel, in the order {classes}.

The mean of grey values is subtracted and their standard deviation divided by, per image and channel.
napari-microcnn itself also clips outliers and searches the magnification; `napari-microcnn models import`
gives that model back.

## Validation

Compare the classes with annotations of your own images: Jaccard index per class, and for boundaries
the boundary F1 within two pixels.

## All that the model says about itself

```json
{info}
```
"""


def export_zoo(model: Model, path: str | Path, sample: np.ndarray[Any, Any]) -> Path:
    """Write a segmenter as a package of the BioImage Model Zoo, which the zoo's own test has passed.

    Parameters
    ----------
    model : Model
        On any device.
    path : str or path-like
        The package, with the ending ``.zip``.
    sample : numpy.ndarray, (Y, X) or (Y, X, C)
        A micrograph: the package's example, on which it is tested.

    Returns
    -------
    Path
        The package, which appears only when it has passed.

    Raises
    ------
    ModelError
        If the extras are not installed, the sample does not fit, or the package fails the test.
    """
    from napari_microcnn.io.atomic import replacing

    _check_extra()
    from bioimageio.core import test_model

    path = Path(path)
    path = path if path.suffix else path.with_suffix(".zip")
    with tempfile.TemporaryDirectory() as name, replacing(path) as unfinished:
        folder = Path(name)
        _fill(folder, model, sample)
        summary = test_model(folder / "bioimageio.yaml", weight_format="onnx")
        if summary.status != "passed":
            raise ModelError(f"The package does not pass the zoo's test: {_failures(summary)}.")
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
    return path


def import_zoo(path: str | Path) -> Model:
    """Open a package that `export_zoo` wrote. No code of it is run.

    Raises
    ------
    ModelError
        If it cannot be read, or holds a network of another program.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / _OWN
        try:
            _unpack(path, file)
        except ModelError:
            raise
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, *DAMAGED, OSError) as error:
            raise ModelError(f"{path} is not a package of the zoo, or is damaged ({error}); copy it again.") from error
        return load_model(file)


def _unpack(path: Path, file: Path) -> None:
    """Take the one file out of a package that is needed; names in the package never become paths."""
    with zipfile.ZipFile(path) as archive:
        if _OWN not in archive.namelist():
            raise ModelError(
                f"{path} holds a network of another program: only networks of this package can be run and "
                "taught here. Run it with bioimageio.core, and open its masks."
            )
        size = archive.getinfo(_OWN).file_size  # zipfile unpacks no more than that
        if size > min(_LARGEST, _MAX_RATIO * path.stat().st_size):
            raise ModelError(f"{path} would unpack to {size / 1e6:,.0f} MB, more than networks have; copy it again.")
        with archive.open(_OWN) as packed, file.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)


def _fill(folder: Path, model: Model, sample: np.ndarray[Any, Any]) -> None:
    """Write the files of a package."""
    image = _cut(model, sample)
    ready = _prepared(image)
    export_onnx(model, folder / "weights.onnx", ready[0])
    save_model(model, folder / _OWN)
    with torch.inference_mode():
        scores = model.snapshot().net(torch.from_numpy(ready))
    probabilities = torch.softmax(scores[:, : len(model.classes)], dim=1).numpy()
    answer = scores.numpy() if model.tells_cores else probabilities
    np.save(folder / "input.npy", image)
    np.save(folder / "output.npy", answer)
    classes = ", ".join(entry.name for entry in model.classes)
    text = _DOCUMENTATION.format(name=model.name, classes=classes, info=json.dumps(model.info(), indent=1, default=str))
    (folder / "README.md").write_text(text, encoding="utf-8")
    _cover(folder / "cover.png", image, answer)
    # YAML holds JSON, and needs no library to be written.
    (folder / "bioimageio.yaml").write_text(json.dumps(_description(model, folder), indent=1), encoding="utf-8")


def _cut(model: Model, sample: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the middle of a micrograph, float32 (1, C, H, W), at most 256 pixels wide and high."""
    image = np.moveaxis(sample if sample.ndim == 3 else sample[..., None], -1, 0).astype(np.float32)
    model.check_channels(len(image))
    step = 2**model.config.depth
    height, width = (min(256, side) // step * step for side in image.shape[1:])
    if not height or not width:
        raise ModelError(f"An example needs at least {step} x {step} pixels, not {image.shape[1]} x {image.shape[2]}.")
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return np.ascontiguousarray(image[None, :, top : top + height, left : left + width])


def _prepared(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Do what the package asks of whoever runs it: `_preprocessing`, in NumPy."""
    centre, spread = (take(image, axis=(2, 3), keepdims=True) for take in (np.mean, np.std))
    ready: np.ndarray[Any, Any] = ((image - centre) / (spread + _EPSILON)).astype(np.float32)
    return ready


def _preprocessing() -> list[dict[str, Any]]:
    # One step: after clipping to quantiles the zoo's library finds other grey values than NumPy does.
    return [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"], "eps": _EPSILON}}]


def _description(model: Model, folder: Path) -> dict[str, Any]:
    """Return the resource description, https://bioimage.io/docs/#/bioimageio_model_spec."""
    import onnx

    step, outputs = 2**model.config.depth, [entry.name for entry in model.classes]
    opsets = onnx.load(folder / "weights.onnx").opset_import
    opset = next(entry.version for entry in opsets if entry.domain in ("", _OPSET_KEY))
    size = {"min": step, "step": step}
    side = [{"type": "space", "id": axis, "size": size} for axis in "yx"]
    same = [{"type": "space", "id": axis, "size": {"tensor_id": "image", "axis_id": axis}} for axis in "yx"]
    softmax = [{"id": "softmax", "kwargs": {"axis": "channel"}}]
    name = "".join(letter if letter.isalnum() or letter in "_+- ()" else "-" for letter in model.name)
    return {
        "type": "model",
        "format_version": _FORMAT,
        "name": name,
        "description": f"Segments micrographs into {', '.join(outputs)}.",
        "authors": [{"name": "napari-microcnn users"}],
        "license": "BSD-3-Clause",
        "cite": [{"text": "Ronneberger, Fischer and Brox 2015, U-Net", "doi": "10.1007/978-3-319-24574-4_28"}],
        "tags": ["micrograph", "segmentation", "unet", "materials"],
        "documentation": {"source": "README.md"},
        "covers": ["cover.png"],
        "attachments": [{"source": _OWN}],
        "inputs": [
            {
                "id": "image",
                "axes": [{"type": "batch"}, _channels([f"grey{k}" for k in range(model.config.channels)]), *side],
                "test_tensor": {"source": "input.npy"},
                "data": {"type": "float32"},
                "preprocessing": _preprocessing(),
            }
        ],
        "outputs": [
            {
                "id": "scores" if model.tells_cores else "probabilities",
                "axes": [{"type": "batch"}, _channels(outputs + ["core"] * model.tells_cores), *same],
                "test_tensor": {"source": "output.npy"},
                "data": {"type": "float32"},
                "postprocessing": [] if model.tells_cores else softmax,
            }
        ],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": opset}},
    }


def _channels(names: list[str]) -> dict[str, Any]:
    known = ["".join(letter if letter.isalnum() else "_" for letter in name) for name in names]
    return {"type": "channel", "channel_names": known}


def _cover(file: Path, image: np.ndarray[Any, Any], answer: np.ndarray[Any, Any]) -> None:
    """Write image and answer side by side, as wide as twice as high, which the zoo asks for."""
    from PIL import Image

    halves = []
    for plane in (image[0, 0], answer[0].argmax(axis=0)):
        low, high = float(plane.min()), float(plane.max())
        grey = (255 * (plane - low) / ((high - low) or 1)).astype(np.uint8)
        halves.append(np.asarray(Image.fromarray(grey).resize((256, 256), Image.Resampling.NEAREST)))
    Image.fromarray(np.hstack(halves)).save(file, format="PNG")


def _failures(summary: Any) -> str:
    return "; ".join(f"{detail.name}: {detail.errors[0].msg}" for detail in summary.details if detail.errors)


def _check_extra() -> None:
    try:
        import bioimageio.core  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "Packages of the zoo need the extra 'bioimageio': pip install 'napari-microcnn[bioimageio]'."
        ) from error
