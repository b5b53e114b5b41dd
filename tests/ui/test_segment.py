from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Labels

from napari_microcnn.config import ImagingConfig, SegmentConfig, VoronoiConfig
from napari_microcnn.events import Finished
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.synth import polycrystal
from napari_microcnn.ui import layers, serve, tasks
from napari_microcnn.ui.segment import SegmentDock

NANOMETRES = Calibration((2.0, 2.0), "nm", "set by the user")


@pytest.fixture
def dock(open_dock: Callable[[str], Any], model_path: Path) -> SegmentDock:
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    return dock


def test_results_lie_on_the_image(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable[[Any], None], told: list[str]
) -> None:
    image = viewer.add_image(discs, name="discs", **layers.calibrated(NANOMETRES))
    assert dock.image.layer is image
    assert "2 nm/px" in dock.calibration.text()
    dock.run_button.click()
    assert not dock.run_button.isEnabled()
    finish(dock)
    assert told == []
    assert [layer.name for layer in viewer.layers] == ["discs", "discs classes", "discs objects", "discs outlines"]
    for layer in viewer.layers[1:]:
        np.testing.assert_allclose(layer.scale, image.scale)
        assert layer.units == image.units
        assert layer.data.shape == discs.shape
    assert set(np.unique(viewer.layers["discs classes"].data)) <= {1, 2}
    assert "%" in dock.result.text()
    assert "Done" in dock.status.text()


def test_the_answer_comes_before_it_is_known_how_far_to_trust_it(discs: np.ndarray, model_path: Path) -> None:
    *_, answer, last = tasks.segment_image(Micrograph(discs, "YX"), model_path, SegmentConfig())
    assert answer.found.classes.shape == discs.shape
    assert serve.urgent(serve.EVENT, answer)
    assert isinstance(last, Finished)
    assert last.result[0] in ("green", "amber", "red")


def test_how_far_to_trust_it_is_told(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable[[Any], None]
) -> None:
    viewer.add_image(discs, name="discs")
    dock.run_button.click()
    finish(dock)
    assert "●" in dock.gap.text()


def test_a_cluster_computes_the_same(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable[[Any], None], told: list[str]
) -> None:
    distributed = pytest.importorskip("distributed")
    viewer.add_image(discs, name="discs")
    dock.run_button.click()
    finish(dock)
    here = viewer.layers["discs classes"].data.copy()
    viewer.layers.remove("discs classes")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as running:
        dock.cluster.scheduler.setText(running.scheduler_address)
        dock.run_button.click()
        finish(dock)
        assert told == []
        np.testing.assert_array_equal(viewer.layers["discs classes"].data, here)
        dock.cluster.tag.setText("GPU")
        dock.run_button.click()
        finish(dock)
        assert "No worker offers the resource 'GPU'" in told.pop()


def test_running_again_adds_no_layers(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable[[Any], None]
) -> None:
    viewer.add_image(discs, name="discs")
    for _ in range(2):
        dock.run_button.click()
        finish(dock)
    assert len(viewer.layers) == 4
    dock.objects.setCurrentIndex(dock.objects.findText("regions of bright"))
    dock.run_button.click()
    finish(dock)
    assert len(viewer.layers) == 4
    assert viewer.layers["discs objects"].metadata[layers.KEY]["settings"]["objects"] == 2


@pytest.mark.parametrize("shape", [(3, 40, 50), (1, 1), (40, 50, 3)])
def test_stacks_single_pixels_and_colours(
    viewer: Any, dock: SegmentDock, finish: Callable[[Any], None], told: list[str], shape: tuple[int, ...]
) -> None:
    viewer.add_image(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8), name="one", rgb=shape[-1] == 3)
    dock.run_button.click()
    finish(dock)
    assert told == []
    expected = shape[:-1] if shape[-1] == 3 else shape
    assert viewer.layers["one classes"].data.shape == expected


def test_a_zarr_and_a_dask_layer_have_the_result_of_memory(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    stored = zarr.create_array(tmp_path / "discs.zarr", shape=discs.shape, chunks=(32, 32), dtype=discs.dtype)
    stored[:] = discs
    lazy = da.from_array(stored, chunks=32).map_blocks(lambda block: block + 0)
    for name, pixels in (("memory", discs), ("zarr", stored), ("dask", lazy)):
        dock.image.layer = viewer.add_image(pixels, name=name)
        dock.run_button.click()
        finish(dock)
    assert told == []
    for name in ("zarr", "dask"):
        np.testing.assert_array_equal(viewer.layers[f"{name} classes"].data, viewer.layers["memory classes"].data)


def test_without_an_image_one_sentence_is_told(dock: SegmentDock, told: list[str]) -> None:
    dock.run_button.click()
    assert told == ["Open an image first: File > Open, or File > Open Sample > MicroCNN."]
    assert dock.job is None


def test_a_model_for_other_channels_is_refused(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, told: list[str], colour_model_path: Path
) -> None:
    viewer.add_image(discs, name="discs")
    dock.model.open_file(colour_model_path)
    dock.run_button.click()
    assert len(told) == 1
    assert "5 channel" in told[0]
    assert len(viewer.layers) == 1


def test_a_file_that_is_no_model_is_refused(dock: SegmentDock, told: list[str], tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("hello")
    dock.model.open_file(tmp_path / "text.safetensors")
    assert len(told) == 1
    assert "not a model" in told[0]
    assert dock.model.model.name == "tiny"


def test_the_image_may_be_removed_while_it_is_segmented(
    qtbot: Any, viewer: Any, dock: SegmentDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    image = viewer.add_image(np.zeros((600, 600), np.uint8), name="going")
    dock.run_button.click()
    viewer.layers.remove(image)
    finish(dock)
    assert told == []
    assert viewer.layers["going classes"].data.shape == (600, 600)


def test_the_results_may_be_removed_while_they_are_made(
    qtbot: Any, viewer: Any, dock: SegmentDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    viewer.add_image(np.zeros((1500, 1500), np.uint8), name="large")
    dock.form.widget("tile").setValue(64)
    dock.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60_000)
    viewer.layers.remove(viewer.layers["large classes"])
    dock.stop_button.click()
    finish(dock)
    assert told == []


def test_stop_keeps_the_tiles_that_were_done(
    qtbot: Any, viewer: Any, dock: SegmentDock, finish: Callable[[Any], None]
) -> None:
    viewer.add_image(np.zeros((3000, 3000), np.uint8), name="large")
    dock.form.widget("tile").setValue(64)
    dock.run_button.click()
    qtbot.waitUntil(lambda: "large classes" in viewer.layers, timeout=60_000)
    dock.stop_button.click()
    finish(dock)
    done = np.mean(viewer.layers["large classes"].data > 0)
    assert 0 < done < 1
    assert "Stopped" in dock.status.text()


def test_closing_the_dock_ends_the_job(qtbot: Any, viewer: Any, dock: SegmentDock) -> None:
    viewer.add_image(np.zeros((3000, 3000), np.uint8), name="large")
    dock.run_button.click()
    job = dock.job
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not job.running, timeout=2_000)
    assert dock.job is None


def test_only_images_are_offered(viewer: Any, dock: SegmentDock) -> None:
    viewer.add_labels(np.zeros((4, 5), int))
    assert dock.image.layer is None
    layer = viewer.add_image(np.zeros((4, 5)), name="one")
    layer.name = "renamed"
    assert dock.image.currentText() == "renamed"
    viewer.layers.remove(layer)
    assert dock.image.layer is None
    assert isinstance(viewer.layers[0], Labels)


def test_grains_of_the_shipped_model(
    viewer: Any, open_dock: Callable[[str], Any], finish: Callable[[Any], None], told: list[str]
) -> None:
    made = polycrystal(VoronoiConfig(grains=30), ImagingConfig(), 0)
    viewer.add_image(made.image, name="steel", **layers.calibrated(NANOMETRES))
    dock = open_dock("Segment")
    assert dock.model.model.name == "grain-boundaries"
    assert dock.objects.currentText() == "grains inside boundaries"
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert [layer.name for layer in viewer.layers] == ["steel", "steel classes", "steel grains", "steel outlines"]
    assert [layer.visible for layer in viewer.layers] == [True, False, True, True]
    there = len(np.unique(made.structure.grains))
    assert len(np.unique(viewer.layers["steel grains"].data)) == pytest.approx(there, abs=0.2 * there)
    assert "grains" in dock.result.text()
    assert "nm" in dock.result.text()


def test_the_answer_replaces_the_preview(
    viewer: Any,
    dock: SegmentDock,
    open_dock: Callable[[str], Any],
    discs: np.ndarray,
    finish: Callable[[Any], None],
) -> None:
    viewer.add_image(discs, name="discs")
    annotation = {layers.KEY: {"role": "annotation", "source": "discs"}}
    known = {layers.KEY: {"role": "preview", "source": "discs", "classes": dock.model.model.classes}}
    export = open_dock("Export")
    viewer.add_labels(np.zeros_like(discs), name="discs annotation", metadata=annotation)
    preview = viewer.add_labels(np.zeros_like(discs), name="discs preview", metadata=known)
    dock.run_button.click()
    finish(dock)
    assert preview.name == "discs classes"
    assert len(viewer.layers) == 5
    assert export.classes.layer is preview
    assert preview.data.max() > 0
