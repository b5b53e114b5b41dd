"""Taking results home: all files of an image, in every format, or none."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_microcnn.io import export
from napari_microcnn.io.export import WriteError, export_segmentation, format_warning
from napari_microcnn.io.provenance import command_line, describe_input, file_sha256, provenance, versions
from napari_microcnn.io.read import ReadError, read_micrograph
from napari_microcnn.io.samples import sample_path
from napari_microcnn.measure import measure_objects
from napari_microcnn.micrograph import Calibration, Micrograph

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(1, 3, (40, 50), dtype=np.uint8)
LABELS = np.arange(2000, dtype=np.int32).reshape(40, 50)
PROBABILITIES = RNG.random((2, 40, 50), dtype=np.float32)
NM = Calibration((0.5, 0.5), "nm", "Zeiss SEM tag 34118")
PARTS: dict[str, Any] = {
    "classes": CLASSES,
    "labels": LABELS,
    "probabilities": PROBABILITIES,
    "table": measure_objects(LABELS, NM),
    "calibration": NM,
    "provenance": {"seed": 3},
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_everything(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    paths = export_segmentation(folder, "steel", **PARTS, class_names=["pore", "ligament"])
    assert [path.name for path in paths] == [
        "steel_classes.tif", "steel_labels.tif", "steel_probabilities.tif", "steel.csv", "steel.json",
    ]  # fmt: skip
    assert names(folder) == sorted(path.name for path in paths)
    for path, pixels in zip(paths, (CLASSES, LABELS, PROBABILITIES), strict=False):
        np.testing.assert_array_equal(tifffile.imread(path), pixels)
        found = read_micrograph(path).calibration
        assert found is not None
        assert found.pixel_size == NM.pixel_size
    assert len(paths[3].read_text().splitlines()) == 2000
    assert paths[3].read_text().startswith("label,area_nm2,")
    record = json.loads(paths[4].read_text())
    assert record["seed"] == 3
    assert record["pixel_size"] == {"pixel_size": [0.5, 0.5], "unit": "nm", "source": "Zeiss SEM tag 34118"}
    assert set(record["files"]) == set(names(folder)) - {"steel.json"}


def test_only_what_is_given(tmp_path: Path) -> None:
    export_segmentation(tmp_path, "steel", classes=CLASSES, provenance={})
    assert names(tmp_path) == ["steel.json", "steel_classes.tif"]


@pytest.mark.parametrize("form", ["ome-tiff", "png"])
def test_uncertainty_is_tiff_always(tmp_path: Path, form: Any) -> None:
    (path, _) = export_segmentation(tmp_path, "steel", uncertainty=CLASSES * 9, provenance={}, format=form)
    assert path.name == "steel_uncertainty.tif"
    np.testing.assert_array_equal(tifffile.imread(path), CLASSES * 9)


def test_lazy_stacks(tmp_path: Path) -> None:
    stack = da.from_array(np.stack([CLASSES] * 3), chunks=(1, 16, 16))
    paths = export_segmentation(tmp_path, "stack", classes=stack, axes="ZYX", calibration=NM, provenance={})
    read = read_micrograph(paths[0])
    assert read.axes == "ZYX"
    np.testing.assert_array_equal(read.pixels, np.asarray(stack))


@pytest.mark.parametrize(("form", "suffix", "says"), [("tiff", ".tif", "Plain TIFF"), ("png", ".png", "PNG carries")])
def test_plain_formats_warn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, form: Any, suffix: str, says: str
) -> None:
    with caplog.at_level(logging.WARNING):
        paths = export_segmentation(tmp_path, "steel", **PARTS, format=form)
    assert paths[0].name == f"steel_classes{suffix}"
    assert paths[2].name == "steel_probabilities.tif"
    assert caplog.messages == [format_warning(form, NM, "steel")]
    assert says in caplog.messages[0]
    assert "steel.json" in caplog.messages[0]
    assert json.loads(paths[4].read_text())["pixel_size"]["unit"] == "nm"


def test_nothing_to_warn_of() -> None:
    assert format_warning("ome-tiff", NM) is None
    assert format_warning("png", None) is None


def test_results_are_replaced(tmp_path: Path) -> None:
    export_segmentation(tmp_path, "steel", **PARTS)
    export_segmentation(tmp_path, "steel", **PARTS | {"classes": CLASSES * 0})
    assert not tifffile.imread(tmp_path / "steel_classes.tif").any()
    assert len(names(tmp_path)) == 5


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_segmentation(tmp_path, "steel", classes=CLASSES * 0, provenance={})

    def full(file: Path, **options: Any) -> None:
        file.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_table_to", full)
    with pytest.raises(WriteError, match=r"steel\.csv could not be written: the disk is full"):
        export_segmentation(tmp_path, "steel", **PARTS)
    assert names(tmp_path) == ["steel.json", "steel_classes.tif"]
    assert not tifffile.imread(tmp_path / "steel_classes.tif").any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "png", "labels": LABELS + 70_000}, "PNG holds numbers from 0 to 65535"),
        ({"format": "png", "classes": np.stack([CLASSES] * 2), "axes": "ZYX"}, "PNG holds one image"),
        ({"format": "gif"}, "not as 'gif'"),
    ],
)
def test_a_format_that_cannot_hold_it(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(WriteError) as error:
        export_segmentation(tmp_path, "steel", **PARTS | change)
    assert says in str(error.value)
    assert names(tmp_path) == []


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(WriteError, match="out could not be created: what should be its folder is a file"):
        export_segmentation(tmp_path / "out", "steel", **PARTS)


@pytest.mark.parametrize(
    ("stem", "name"), [("a/b: c?", "a_b_ c_"), ("..", "image"), ("Stahl größer", "Stahl größer"), ("", "image")]
)
def test_names_of_layers_become_names_of_files(tmp_path: Path, stem: str, name: str) -> None:
    paths = export_segmentation(tmp_path, stem, classes=CLASSES, provenance={})
    assert [path.name for path in paths] == [f"{name}_classes.tif", f"{name}.json"]


# --------------------------------------------------------- provenance


def test_provenance_tells_all() -> None:
    micrograph = read_micrograph(sample_path("nanoporous/nanoporous.tif"))
    told = provenance(
        micrograph=micrograph, model={"name": "m", "sha256": "0"}, settings={"seed": 5, "tile": None}, command="x y"
    )
    assert told["input"]["sha256"] == "fa064e70252c7de078db66d2a8a39695b70a2a1342382936defa894022459a01"
    assert told["input"]["file"] == "nanoporous.tif"
    assert told["input"]["calibration"]["pixel_size"][0] == pytest.approx(0.5429688)
    assert told["seed"] == 5
    assert told["model"] == {"name": "m", "sha256": "0"}
    assert told["command"] == "x y"
    assert told["time"].endswith("+00:00")
    assert {"numpy", "tifffile", "torch"} <= set(told["versions"])


def test_input_without_file() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    told = describe_input(Micrograph(pixels[:, ::-1]))
    assert told["sha256"] is None
    assert told["pixels_sha256"] == describe_input(Micrograph(pixels[:, ::-1].copy()))["pixels_sha256"]
    assert told["pixels_sha256"] != describe_input(Micrograph(pixels))["pixels_sha256"]
    assert "pixels_sha256" not in describe_input(Micrograph(da.from_array(pixels)))
    assert told["calibration"] is None


def test_hash_of_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="could not be read"):
        file_sha256(tmp_path / "gone")


def test_versions_do_not_need_every_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_microcnn.io.provenance._PACKAGES", ("numpy", "no-such-package"))
    assert versions() == {"numpy": np.__version__}


def test_a_file_is_no_option() -> None:
    assert command_line("segment", [Path("-dark.tif")]) == "napari-microcnn segment ./-dark.tif"


def test_command_line_can_be_pasted() -> None:
    line = command_line("models export", [Path("my steel.tif")], dense=True, no=False, min_size=3, tile=None, o="out")
    assert shlex.split(line) == [
        "napari-microcnn", "models", "export", "my steel.tif", "--dense", "--min-size", "3", "-o", "out",
    ]  # fmt: skip
