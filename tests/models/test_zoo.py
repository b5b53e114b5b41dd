"""Packages of the BioImage Model Zoo: the zoo's own test passes, and the same model comes back."""

from __future__ import annotations

import gc
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bioimageio.core")
pytest.importorskip("onnxruntime")

import bioimageio.core
import torch

from napari_microcnn.config import ClassInfo, UNetConfig
from napari_microcnn.io.samples import nanoporous
from napari_microcnn.models import Model, ModelError, load_model, save_model
from napari_microcnn.models.zoo import export_zoo, import_zoo
from napari_microcnn.nets import UNet

CLASSES = (ClassInfo(id=1, name="pore", colour="#0072b2"), ClassInfo(id=2, name="ligament", colour="#e69f00"))


def tiny() -> Model:
    torch.manual_seed(0)
    return Model(UNet(UNetConfig(width=2, depth=2)).eval(), CLASSES, name="tiny: pores")


# bioimageio.spec leaves the files of a package to the garbage collector, which is made to close them here.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_the_package_passes_the_zoos_test_and_comes_back(tmp_path: Path) -> None:
    model, image = tiny(), np.asarray(nanoporous()[0].pixels)
    path = export_zoo(model, tmp_path / "pores.zip", image)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "package")
    summary = bioimageio.core.test_model(tmp_path / "package" / "bioimageio.yaml")
    assert summary.status == "passed"
    assert not any(detail.errors for detail in summary.details)
    assert any("onnx" in detail.name for detail in summary.details)
    del summary
    gc.collect()
    back = import_zoo(path)
    assert back.info() == model.info()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_the_shipped_model_passes_on_a_real_micrograph(tmp_path: Path) -> None:
    model = load_model("grain-boundaries")
    back = import_zoo(export_zoo(model, tmp_path / "grains.zip", np.asarray(nanoporous()[0].pixels)))
    assert back.sha256 == model.sha256


def test_packages_of_others_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("bioimageio.yaml", "type: model")
    with pytest.raises(ModelError, match="another program"):
        import_zoo(tmp_path / "other.zip")
    (tmp_path / "damaged.zip").write_bytes(b"PK damaged")
    with pytest.raises(ModelError, match="damaged"):
        import_zoo(tmp_path / "damaged.zip")


def test_only_the_model_is_unpacked_and_no_more_than_networks_have(tmp_path: Path, monkeypatch) -> None:
    file = save_model(tiny(), tmp_path / "tiny.safetensors")
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../slipped.txt", "outside")
        archive.write(file, "napari-microcnn.safetensors")
    assert import_zoo(tmp_path / "slip.zip").info() == tiny().info()
    assert not list(tmp_path.parent.rglob("slipped.txt"))
    monkeypatch.setattr("napari_microcnn.models.zoo._LARGEST", file.stat().st_size - 1)
    with pytest.raises(ModelError, match="more than networks have"):
        import_zoo(tmp_path / "slip.zip")


def test_a_package_whose_model_is_cut_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cut.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(save_model(tiny(), tmp_path / "tiny.safetensors"), "napari-microcnn.safetensors")
    content = bytearray((tmp_path / "cut.zip").read_bytes())
    content[100:400] = bytes(300)
    (tmp_path / "cut.zip").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        import_zoo(tmp_path / "cut.zip")


def test_a_sample_of_other_channels_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="channel"):
        export_zoo(tiny(), tmp_path / "pores.zip", np.zeros((64, 64, 3)))
    assert not list(tmp_path.iterdir())
