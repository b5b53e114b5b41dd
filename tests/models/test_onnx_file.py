"""ONNX: the same answers as PyTorch's, and the same model back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, UNetConfig
from napari_microcnn.data.normalisation import intensity_limits, normalise
from napari_microcnn.io.samples import nanoporous
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models import Model, ModelError, load_model
from napari_microcnn.models.onnx_file import export_onnx, import_onnx
from napari_microcnn.nets import UNet

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
CLASSES = (ClassInfo(id=1, name="pore", colour="#0072b2"), ClassInfo(id=2, name="ligament", colour="#e69f00"))


def tiny() -> Model:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=2, depth=2)).eval()
    return Model(net, CLASSES, pixel_size=Calibration((0.5, 0.5), "nm", "test"), name="tiny")


def test_the_shipped_model_answers_a_real_micrograph_as_torch_does(tmp_path: Path) -> None:
    model = load_model("grain-boundaries")
    plane = np.asarray(nanoporous()[0].pixels)
    image = normalise(plane, intensity_limits(plane))[:, :256, :320]
    assert export_onnx(model, tmp_path / "grains.onnx", image) < 1e-4
    onnx.checker.check_model(onnx.load(tmp_path / "grains.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "grains.onnx", providers=["CPUExecutionProvider"])
    other = image[None, :, :144, :96]  # another size than any that was exported with
    with torch.inference_mode():
        expected = model.net(torch.from_numpy(other)).numpy()
    assert np.abs(session.run(None, {"image": other})[0] - expected).max() < 1e-4
    assert np.ptp(expected) > 1


def test_the_same_model_comes_back(tmp_path: Path) -> None:
    model = tiny()
    model.net.train()(torch.randn(2, 1, 8, 8))  # counts a batch
    model.net.eval()
    export_onnx(model, tmp_path / "tiny.onnx")
    back = import_onnx(tmp_path / "tiny.onnx")
    assert back.sha256 == model.sha256
    assert back.info() == model.info()


def test_strange_and_damaged_files_are_refused(tmp_path: Path) -> None:
    export_onnx(tiny(), tmp_path / "tiny.onnx")
    content = onnx.load(tmp_path / "tiny.onnx")
    del content.metadata_props[:]
    onnx.save(content, tmp_path / "strange.onnx")
    with pytest.raises(ModelError, match="another program"):
        import_onnx(tmp_path / "strange.onnx")
    (tmp_path / "text.onnx").write_text("no network at all")
    with pytest.raises(ModelError, match="not an ONNX file"):
        import_onnx(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        import_onnx(tmp_path / "absent.onnx")


def test_no_other_file_is_read(tmp_path: Path) -> None:
    """Weights may be said to lie in any file; it is neither read nor asked for."""
    export_onnx(tiny(), tmp_path / "tiny.onnx")
    content = onnx.load(tmp_path / "tiny.onnx")
    onnx.external_data_helper.set_external_data(content.graph.initializer[0], location="secret.bin")
    content.graph.initializer[0].ClearField("raw_data")
    (tmp_path / "elsewhere.onnx").write_bytes(content.SerializeToString())
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    with pytest.raises(ModelError, match="in other files"):
        import_onnx(tmp_path / "elsewhere.onnx")


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    export_onnx(tiny(), tmp_path / "tiny.onnx")
    content = onnx.load(tmp_path / "tiny.onnx")
    weight = next(one for one in content.graph.initializer if one.name.endswith(".weight"))
    weight.raw_data = weight.raw_data[:-3]
    (tmp_path / "cut.onnx").write_bytes(content.SerializeToString())
    with pytest.raises(ModelError, match="damaged"):
        import_onnx(tmp_path / "cut.onnx")


def test_a_sample_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="at least 4 x 4"):
        export_onnx(tiny(), tmp_path / "tiny.onnx", np.zeros((1, 3, 9), np.float32))
    assert not list(tmp_path.iterdir())
