"""Images larger than the memory: the same answer as in memory, block by block, and resumed where it stopped."""

from __future__ import annotations

import errno
import shutil
import sys
from functools import cache

import dask.array as da
import numpy as np
import pytest
from tifffile import imwrite
from yaozarrs import validate_zarr_store

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Notice, TileDone, result_of
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.multiscale import MultiscaleImage, create_multiscale, open_multiscale
from napari_microcnn.io.ome_zarr import read_ome_zarr
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict import TilePredictor, large, large_plane, segment, segment_large
from napari_microcnn.predict.large import unfinished_folder
from napari_microcnn.synth import LOOKS, PARTICLE_LOOKS, nanoparticles, polycrystal

CONFIG = SegmentConfig(precision="float32", device="cpu", tile=64, magnification=1, orientations=1)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(large, "_BLOCK", 64)


@cache
def etched():
    structure, imaging = LOOKS["etched"]
    return polycrystal(structure.model_copy(update={"height": 139, "width": 123, "grains": 30}), imaging, 0).image


@cache
def grains() -> Model:
    return load_model("grain-boundaries")


def written(result):
    classes, labels = open_multiscale(result.path)
    return classes[...], labels["objects"][...] if labels else None


def check(image, made, config, path, **about):
    axes = "YX" if image.ndim == 2 else "TYX"
    expected = result_of(segment(Micrograph(image, axes, **about), made, config))
    lazy = Micrograph(da.from_array(image, chunks=50), axes, **about)
    result = result_of(segment_large(lazy, made, config, path))
    classes, labels = written(result)
    assert np.array_equal(classes, expected.classes)
    assert sum(result.pixels.values()) == classes.size - sum(plates.mask().sum() for plates in expected.overlays)
    assert result.views == expected.views
    assert not unfinished_folder(path).exists()
    return expected, result, labels


@pytest.mark.parametrize("factor", [1, 0.71, 1.41])
def test_grains_are_those_found_in_memory(tmp_path, factor):
    config = CONFIG.model_copy(update={"magnification": factor})
    expected, _, labels = check(etched(), grains(), config, tmp_path / "out.ome.zarr")
    assert expected.labels.max() > 10
    assert np.array_equal(labels, expected.labels)


def test_the_mean_over_magnifications_is_that_in_memory(tmp_path, monkeypatch):
    for module in (large_plane, sys.modules[segment.__module__]):
        monkeypatch.setattr(module, "look_over", lambda *_: ((1.0, 0.71, 1.41), ["In doubt."]))
    expected, _, labels = check(etched(), grains(), CONFIG, tmp_path / "out.ome.zarr")
    assert len(expected.views[0]) == 3
    assert np.array_equal(labels, expected.labels)


@pytest.mark.parametrize("factor", [1, 0.71])
def test_particles_are_those_found_in_memory(tmp_path, factor):
    config = CONFIG.model_copy(update={"objects": grains().classes[0].id, "magnification": factor})
    expected, _, labels = check(etched(), grains(), config, tmp_path / "out.ome.zarr")
    assert expected.labels.max() > 2
    assert np.array_equal(labels, expected.labels)


def test_touching_particles_are_those_found_in_memory_up_to_their_order(tmp_path):
    look = PARTICLE_LOOKS["HAADF"].model_copy(update={"height": 200, "width": 190})
    expected, _, labels = check(
        nanoparticles(look).image, load_model("nanoparticles"), CONFIG, tmp_path / "out.ome.zarr"
    )
    pairs = np.unique(np.stack([labels.ravel(), expected.labels.ravel()]), axis=1)
    assert expected.labels.max() > 10
    assert pairs.shape[1] == expected.labels.max() + 1 == labels.max() + 1


def test_stacks_with_a_databar_and_a_plate_plane_by_plane(tmp_path):
    stack = np.stack([etched(), etched()[::-1]])
    drawn = {"databar": [(126, 139, 0, 123), (20, 40, 30, 90)]}
    expected, result, labels = check(stack, grains(), CONFIG, tmp_path / "out.ome.zarr", metadata=drawn)
    assert np.array_equal(labels, expected.labels)
    assert not labels[:, 126:].any()
    assert not labels[:, 20:40, 30:90].any()
    assert np.bincount(result.objects["plane"]).tolist() == [labels[0].max(), labels[1].max()]


def test_objects_are_added_up_over_the_seams(tmp_path):
    _, result, labels = check(etched(), grains(), CONFIG, tmp_path / "out.ome.zarr")
    for number, label in enumerate(result.objects["label"]):
        rows, cols = np.nonzero(labels == label)
        found = {key: values[number] for key, values in result.objects.items()}
        assert found["pixels"] == len(rows)
        assert (found["row"], found["column"]) == pytest.approx((rows.mean(), cols.mean()))
        box = (rows.min(), rows.max() + 1, cols.min(), cols.max() + 1)
        assert tuple(found[side] for side in ("top", "bottom", "left", "right")) == box


def test_a_tiff_becomes_a_valid_ome_zarr_with_levels_and_pixel_size(tmp_path):
    imwrite(tmp_path / "steel.tif", np.pad(etched()[:, :64], ((0, 381), (0, 0)), mode="symmetric"), tile=(64, 64))
    config = CONFIG.model_copy(update={"tile": 128})
    micrograph = large.open_lazily(tmp_path / "steel.tif")
    micrograph = Micrograph(micrograph.pixels, "YX", Calibration.parse("0.5 um"), "steel", micrograph.path)
    result = result_of(segment_large(micrograph, grains(), config, tmp_path / "out.ome.zarr"))
    validate_zarr_store(result.path)
    validate_zarr_store(result.path / "labels" / "objects")
    classes, labels = open_multiscale(result.path)
    for image in (classes, labels["objects"]):
        assert [level.shape for level in image.levels] == [(520, 64), (260, 32)]
        assert np.array_equal(image.levels[1][...], image.levels[0][::2, ::2])
    again = read_ome_zarr(result.path)
    assert again.calibration.pixel_size == (0.5, 0.5)
    assert np.array_equal(np.asarray(again.pixels), classes[...])


def test_an_ome_zarr_is_segmented(tmp_path):
    create_multiscale(tmp_path / "in.ome.zarr", (139, 123), 64, calibration=Calibration.parse("2 nm"), name="steel")
    open_multiscale(tmp_path / "in.ome.zarr", "r+")[0][0:139, 0:123] = etched()
    result = result_of(segment_large(tmp_path / "in.ome.zarr", grains(), CONFIG, tmp_path / "out.ome.zarr"))
    expected = result_of(segment(Micrograph(etched()), grains(), CONFIG))
    assert np.array_equal(written(result)[1], expected.labels)
    assert result.micrograph.calibration.pixel_size == (2, 2)


@pytest.mark.parametrize("stop", [3, 20, 40])
def test_an_interrupted_job_goes_on_where_it_stopped(tmp_path, monkeypatch, stop):
    output, tiles = tmp_path / "out.ome.zarr", []
    predicted = TilePredictor.tiles
    monkeypatch.setattr(TilePredictor, "tiles", lambda self, *args: (tiles.append(args[2]), predicted(self, *args))[1])
    lazy = Micrograph(da.from_array(etched(), chunks=64))
    whole = list(segment_large(lazy, grains(), CONFIG, tmp_path / "whole.ome.zarr"))
    assert len(whole) > 45
    tiles.clear()
    job = segment_large(lazy, grains(), CONFIG, output)
    before = [next(job) for _ in range(stop)]
    job.close()
    if stop < 6:
        assert open_multiscale(output)[0][before[-1].region].tolist() == before[-1].classes.tolist()
    after = list(segment_large(lazy, grains(), CONFIG, output))
    assert isinstance(after[0], Notice)
    assert len(tiles) == len(set(tiles)) == 6
    # The tile that is being written when the job is closed is written, but not told of.
    assert len([event for event in before + after if isinstance(event, TileDone)]) == (5 if stop < 6 else 6)
    assert all(np.array_equal(*pair) for pair in zip(written(after[-1].result), written(whole[-1].result), strict=True))


def test_what_is_looked_at_comes_first(tmp_path):
    lazy = Micrograph(da.from_array(etched(), chunks=64))
    job = segment_large(lazy, grains(), CONFIG, tmp_path / "out.ome.zarr", first=(slice(80, 100), slice(70, 80)))
    assert next(job).region == (slice(64, 128), slice(64, 123))
    job.close()


def test_the_plane_that_is_looked_at_comes_first_and_the_result_is_the_same(tmp_path):
    stack = np.stack([etched(), etched()[::-1], 255 - etched()])[:, :100, :90]
    lazy = Micrograph(da.from_array(stack, chunks=64), "TYX")
    expected = result_of(segment_large(lazy, grains(), CONFIG, tmp_path / "whole.ome.zarr"))
    output = tmp_path / "out.ome.zarr"
    job = segment_large(lazy, grains(), CONFIG, output, first=(1, slice(80, 100), slice(None)))
    before = [next(job) for _ in range(2)]
    job.close()  # the third tile is written, but not told of
    assert before[0].region[0] == slice(64, 100)
    after = list(segment_large(lazy, grains(), CONFIG, output, first=(2, slice(0, 10), slice(0, 10))))
    tiles = [event.plane[0] for event in before + after if isinstance(event, TileDone)]
    assert tiles == [1, 1, 2, 2, 2, 2, 1, 0, 0, 0, 0]
    result = after[-1].result
    assert all(np.array_equal(*pair) for pair in zip(written(result), written(expected), strict=True))
    assert result.pixels == expected.pixels
    assert all(np.array_equal(result.objects[key], expected.objects[key]) for key in expected.objects)


def test_other_settings_do_not_go_on_with_what_was_begun(tmp_path):
    output = tmp_path / "out.ome.zarr"
    job = segment_large(Micrograph(etched()), grains(), CONFIG, output)
    next(job)
    job.close()
    other = CONFIG.model_copy(update={"min_size": 3})
    with pytest.raises(ValueError, match="unfinished result of another image, model or setting"):
        next(segment_large(Micrograph(etched()), grains(), other, output))
    with pytest.raises(ValueError, match="unfinished result of another image"):
        next(segment_large(Micrograph(etched()[::-1]), grains(), CONFIG, output))


def test_a_deleted_output_is_begun_again(tmp_path):
    output = tmp_path / "out.ome.zarr"
    job = segment_large(Micrograph(etched()), grains(), CONFIG, output)
    next(job)
    job.close()
    shutil.rmtree(output)
    other = CONFIG.model_copy(update={"min_size": 3})
    events = list(segment_large(Micrograph(etched()), grains(), other, output))
    assert not isinstance(events[0], Notice)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_what_is_there_is_not_replaced(tmp_path):
    (tmp_path / "out.ome.zarr").mkdir()
    with pytest.raises(ValueError, match="is there already; choose another name"):
        next(segment_large(Micrograph(etched()), grains(), CONFIG, tmp_path / "out.ome.zarr"))
    with pytest.raises(ValueError, match="not kept; leave them out"):
        next(segment_large(Micrograph(etched()), grains(), SegmentConfig(keep_uncertainty=True), tmp_path / "new"))


def test_a_disk_that_is_too_small_is_told_at_once(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(large.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"but 0\.0 GB are free there; make room"):
        next(segment_large(Micrograph(etched()), grains(), CONFIG, tmp_path / "out.ome.zarr"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_that_name_that_came_later_is_not_replaced(tmp_path, monkeypatch):
    output = tmp_path / "out.ome.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(large, "_sides", None)  # killed before the output was created
        with pytest.raises(TypeError):
            next(segment_large(Micrograph(etched()), grains(), CONFIG, output))
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already"):
        next(segment_large(Micrograph(etched()), grains(), CONFIG, output))
    assert (output / "mine.txt").read_text() == "mine"


def test_a_disk_that_fills_up_is_told_and_the_job_goes_on_later(tmp_path, monkeypatch):
    output, write = tmp_path / "out.ome.zarr", MultiscaleImage.put
    count = iter(range(1000))

    def full(self, *args):
        if next(count) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(MultiscaleImage, "put", full)
        with pytest.raises(WriteError, match="the disk is full; make room"):
            list(segment_large(Micrograph(etched()), grains(), CONFIG, output))
    events = list(segment_large(Micrograph(etched()), grains(), CONFIG, output))
    assert len([event for event in events if isinstance(event, TileDone)]) == 2
    expected = result_of(segment(Micrograph(etched()), grains(), CONFIG))
    assert np.array_equal(written(events[-1].result)[1], expected.labels)
