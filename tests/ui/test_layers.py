from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.preview import region_in_view

NANOMETRES = Calibration((0.5, 0.25), "nm", "set by the user")


def test_calibration_goes_to_a_layer_and_back() -> None:
    layer = Image(np.zeros((4, 5)), **layers.calibrated(NANOMETRES))
    found = layers.calibration_of(layer)
    assert found.pixel_size == pytest.approx((0.5, 0.25))
    assert found.unit == "nm"
    assert found.source == "napari layer"


@pytest.mark.parametrize("unit", ["nm", "µm", "Å", "mm", "m", "pm", "cm"])
def test_units_survive(unit: str) -> None:
    layer = Image(np.zeros((4, 5)), **layers.calibrated(Calibration((2, 2), unit, "x")))
    assert layers.calibration_of(layer).to(unit).pixel_size == pytest.approx((2, 2))


def test_different_units_along_y_and_x_are_made_one() -> None:
    layer = Image(np.zeros((4, 5)), scale=(1, 500), units=("um", "nm"))
    assert layers.calibration_of(layer).pixel_size == pytest.approx((1000, 500))


def test_pixels_are_no_calibration() -> None:
    assert layers.calibration_of(Image(np.zeros((4, 5)), scale=(2, 2))) is None


def test_the_source_of_the_calibration_is_kept_until_the_scale_is_changed() -> None:
    read = Calibration((0.5, 0.5), "nm", "Zeiss SEM")
    layer = Image(np.zeros((4, 5)), metadata={layers.KEY: {"calibration": read}}, **layers.calibrated(read))
    assert layers.calibration_of(layer) == read
    layer.scale = (3, 3)
    assert layers.calibration_of(layer).source == "napari layer"


@pytest.mark.parametrize(
    ("shape", "rgb", "axes"),
    [((4, 5), False, "YX"), ((2, 4, 5), False, "ZYX"), ((4, 5, 3), True, "YXC"), ((2, 2, 4, 5), False, "TZYX")],
)
def test_axes_follow_the_layer(shape: tuple[int, ...], rgb: bool, axes: str) -> None:
    layer = Image(np.zeros(shape, np.uint8), rgb=rgb, name="one")
    micrograph = layers.micrograph_of(layer)
    assert (micrograph.axes, micrograph.name) == (axes, "one")
    assert layers.shape_of(layer) == (shape[:-1] if rgb else shape)


def test_opacity_is_dropped() -> None:
    assert layers.micrograph_of(Image(np.zeros((4, 5, 4), np.uint8), rgb=True)).channels == 3


def test_five_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="5 dimensions"):
        layers.micrograph_of(Image(np.zeros((1, 1, 1, 4, 5))))


def test_a_lazy_layer_travels_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    path.touch()
    layer = Image(da.zeros((4, 5)), metadata={layers.KEY: {"lazy": True}}, name="large")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    source = layers.source_of(layer)
    assert source.path == path


def test_colours_of_a_file_are_read_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 50, 4)).astype(np.uint8)
    with h5py.File(tmp_path / "steel.h5", "w") as file:
        file["image"] = pixels
    with h5py.File(tmp_path / "steel.h5", "r") as file:
        layer = Image(file["image"], rgb=True)
        with monkeypatch.context() as patch:
            patch.setattr(h5py.Dataset, "__getitem__", None)
            micrograph = layers.micrograph_of(layer)
        assert micrograph.axes == "YXC"
        np.testing.assert_array_equal(micrograph.pixels, pixels[..., :3])


@pytest.mark.parametrize("rgb", [False, True])
def test_what_the_window_shows_is_known(rgb: bool) -> None:
    colours = (3,) * rgb
    image = Image([np.zeros((4000 >> n, 4000 >> n, *colours), np.uint8) for n in range(4)], multiscale=True, rgb=rgb)
    image.data_level = 1
    image.corner_pixels = np.array([[1200, 30], [1400, 300]])  # as napari sets it when it draws
    assert layers.in_view(image) == (slice(2400, 2802), slice(60, 602))
    stack = Image(np.zeros((3, 50, 60, *colours), np.uint8), rgb=rgb)
    stack.corner_pixels = np.array([[1, 5, 7], [1, 20, 30]])
    assert layers.in_view(stack) == region_in_view(stack) == (slice(5, 21), slice(7, 31))
    stack.corner_pixels = np.zeros((2, 3), int)  # out of sight
    assert layers.in_view(stack) == (slice(0, 50), slice(0, 60))


def test_results_are_updated_in_place() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 5)), name="steel", **layers.calibrated(NANOMETRES))
    for value in (1, 2):
        data = np.full((4, 5), value, np.uint8)
        layer = layers.put_labels(viewer, "classes", data, image, source="steel", about={"run": value}, opacity=0.5)
    assert [one.name for one in viewer.layers] == ["steel", "steel classes"]
    assert layer.data.max() == 2
    assert layer.metadata[layers.KEY]["run"] == 2
    np.testing.assert_allclose(layer.scale, image.scale)
    assert layer.units == image.units


def test_a_layer_of_the_user_with_the_same_name_is_left_alone() -> None:
    viewer = ViewerModel()
    mine = viewer.add_labels(np.ones((4, 5), int), name="steel classes")
    for _ in range(2):
        layers.put_labels(viewer, "classes", np.zeros((4, 5), np.uint8), None, source="steel", about={})
    assert mine.data.min() == 1
    assert len(viewer.layers) == 2


def test_a_result_of_other_dimensions_replaces_the_layer() -> None:
    viewer = ViewerModel()
    for shape in ((4, 5), (3, 4, 5)):
        layers.put_labels(viewer, "classes", np.zeros(shape, np.uint8), None, source="steel", about={})
    assert viewer.layers[0].data.shape == (3, 4, 5)
    assert len(viewer.layers) == 1


def test_a_result_in_memory_replaces_one_on_the_disk_of_several_magnifications() -> None:
    viewer = ViewerModel()
    known = {"role": "classes", "source": "steel"}
    levels = [np.zeros((8, 10), np.uint8), np.zeros((4, 5), np.uint8)]
    viewer.add_labels(levels, multiscale=True, metadata={layers.KEY: known})
    layers.put_labels(viewer, "classes", np.ones((8, 10), np.uint8), None, source="steel", about={})
    [layer] = viewer.layers
    assert not layer.multiscale
    assert layer.data.all()


def test_synthetic_layers_join_the_units_of_the_window() -> None:
    viewer = ViewerModel()
    assert layers.place_in(viewer, "synthetic") == {}
    viewer.add_image(np.zeros((4, 5)), **layers.calibrated(NANOMETRES))
    assert layers.place_in(viewer, "synthetic")["units"] == ("nm", "nm")
    assert isinstance(layers.find(viewer, "classes", "steel", Labels), type(None))
