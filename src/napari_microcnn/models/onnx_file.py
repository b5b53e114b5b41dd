"""Models as ONNX files: for programs without PyTorch, and back."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_microcnn.models.files import card_text, model_from_card
from napari_microcnn.models.model import Model, ModelError

if TYPE_CHECKING:
    from types import ModuleType

TOLERANCE = 1e-4
"""How far scores of the written file may be from PyTorch's."""

_KEY = "napari-microcnn"
_COUNTS_KEY = "napari-microcnn batches"
_COUNTER = "num_batches_tracked"
"""Ending of the counters of batches, which ONNX leaves out because nothing that predicts needs them."""
_MISSING = "{what} needs the packages of the extra 'onnx': pip install 'napari-microcnn[onnx]'."


def export_onnx(model: Model, path: str | Path, sample: np.ndarray[Any, Any] | None = None) -> float:
    """Write a segmenter as ONNX, and compare its answer with PyTorch's before the file appears.

    The input ``image`` is float32 (N, C, H, W), normalised as the model's card says, with sides that
    are multiples of ``2**depth``; the output ``logits`` is (N, K, H, W). The card is kept in the
    file's metadata, so that `import_onnx` gives the same model back.

    Parameters
    ----------
    model : Model
        On any device.
    path : str or path-like
        The file, with the ending ``.onnx``.
    sample : numpy.ndarray, optional
        Normalised image, float32 (C, H, W), to compare on; without one, normal noise.

    Returns
    -------
    float
        Largest difference of the two answers.

    Raises
    ------
    ModelError
        If the extra is not installed, or the answers differ by more than `TOLERANCE`.
    """
    from napari_microcnn.io.atomic import replacing

    runtime, _ = _needed("Writing ONNX")
    path = Path(path)
    path = path if path.suffix else path.with_suffix(".onnx")
    image = _fitting(model, sample)
    frozen = model.snapshot()
    with replacing(path) as unfinished:
        _write(frozen, image, unfinished)
        session = runtime.InferenceSession(unfinished.read_bytes(), providers=["CPUExecutionProvider"])
        answer = session.run(None, {"image": image.numpy()})[0]
        with torch.inference_mode():
            difference = float(np.abs(answer - frozen.net(image).numpy()).max())
        if not difference < TOLERANCE:
            raise ModelError(
                f"The ONNX file answers otherwise than the model, by {difference:.2g}; update onnxruntime."
            )
    return difference


def import_onnx(path: str | Path) -> Model:
    """Open a segmenter that `export_onnx` wrote. No other file is read, whatever it refers to.

    Raises
    ------
    ModelError
        If the extra is not installed, or the file is damaged or from another program.
    """
    _, onnx = _needed("Reading ONNX")
    path = Path(path)
    try:
        content = onnx.load(path, load_external_data=False)
    except (OSError, ValueError, onnx.onnx_cpp2py_export.checker.ValidationError) as error:
        raise ModelError(f"{path} cannot be read as ONNX ({error}); copy or export it again.") from error
    except _protobuf_error() as error:
        raise ModelError(f"{path} is not an ONNX file, or is damaged; copy or export it again.") from error
    told = {entry.key: entry.value for entry in content.metadata_props}
    if _KEY not in told:
        raise ModelError(
            f"{path} comes from another program: only networks of this package can be run and taught here. "
            "Import the PyTorch weights of a known architecture instead."
        )
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in content.graph.initializer):
        raise ModelError(f"{path} keeps its weights in other files, which are not read; export it again.")
    try:
        tensors = {**_weights(onnx, content.graph.initializer), **_counts(told)}
    except (ValueError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise ModelError(f"The weights in {path} are damaged ({error}); copy or export it again.") from error
    return model_from_card(path, told[_KEY], tensors)


def _weights(onnx: ModuleType, stored: Iterable[Any]) -> dict[str, Tensor]:
    return {
        one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy())
        for one in stored
        if one.name.endswith((".weight", ".bias", ".running_mean", ".running_var"))
    }


def _counts(told: dict[str, str]) -> dict[str, Tensor]:
    counts = json.loads(told.get(_COUNTS_KEY, "{}"))
    return {name: torch.tensor(int(count)) for name, count in counts.items()}


def _fitting(model: Model, sample: np.ndarray[Any, Any] | None) -> Tensor:
    """Return the image to compare on, (1, C, H, W), cut to sides that the network takes."""
    step = 2**model.config.depth
    if sample is None:
        return torch.randn((1, model.config.channels, 4 * step, 6 * step), generator=torch.Generator().manual_seed(0))
    model.check_channels(len(sample))
    height, width = (side // step * step for side in sample.shape[1:])
    if not height or not width:
        raise ModelError(f"An image to compare on needs at least {step} x {step} pixels, not {sample.shape[1:]}.")
    return torch.from_numpy(np.ascontiguousarray(sample[None, :, :height, :width], np.float32))


def _write(model: Model, image: Tensor, file: Path) -> None:
    step = 2**model.config.depth
    height, width = (step * torch.export.Dim(name, min=1, max=1 << 16) for name in ("height", "width"))
    example = torch.zeros((2, image.shape[1], 4 * step, 6 * step))  # sides of 1 would be taken for constants
    with _quiet():
        program = torch.onnx.export(
            model.net,
            (example,),
            dynamo=True,
            opset_version=18,  # that of the exporter: older versions of PyTorch cannot convert to another
            optimize=False,  # batch normalisation stays apart, and the weights can be read back
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC, 2: height, 3: width},),
            input_names=["image"],
            output_names=["logits"],
        )
    if program is None:
        raise ModelError("PyTorch could not write this network as ONNX; update PyTorch.")
    counts = {name: int(one) for name, one in model.net.state_dict().items() if name.endswith(_COUNTER)}
    program.model.metadata_props.update({_KEY: card_text(model), _COUNTS_KEY: json.dumps(counts)})
    program.save(str(file), external_data=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling about torchvision and about its own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _needed(what: str) -> tuple[ModuleType, ModuleType]:
    try:
        import onnx
        import onnx.numpy_helper
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(_MISSING.format(what=what)) from error
    return onnxruntime, onnx


def _protobuf_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    error: type[Exception] = DecodeError
    return error
