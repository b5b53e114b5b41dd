"""Where a model is unsure, and which regions are proposed."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.events import TileDone, result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.predict import predict_plane, segment
from napari_microcnn.predict.uncertainty import entropy, rank_regions, where_to_annotate

IMAGE = np.random.default_rng(1).integers(0, 255, (150, 130), dtype=np.uint8)
EXACT = SegmentConfig(precision="float32", device="cpu", tile=64)


def model(classes=3, objects=None):
    torch.manual_seed(3)
    net = UNet(UNetConfig(classes=classes, width=4, depth=2)).eval()
    infos = tuple(ClassInfo(id=i + 1, name=f"class {i}", colour="#e69f00") for i in range(classes))
    return Model(net, infos, objects)


def sure(shape=(512, 512)):
    return np.zeros(shape, np.uint8), np.ones(shape, np.uint8)


def overlap(one, other):
    return all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in zip(one.slices, other.slices, strict=True))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_entropy_is_a_share_of_the_largest_one(classes):
    equal = np.full((classes, 1, 1), 1 / classes, np.float32)
    certain = np.eye(classes, 1, dtype=np.float32)[:, :, None]
    assert entropy(equal)[0, 0] == 255
    assert entropy(certain)[0, 0] == 0
    mixed = (equal + certain) / 2
    expected = 255 * -(mixed * np.log(mixed)).sum() / np.log(classes)
    assert abs(int(entropy(mixed)[0, 0]) - expected) < 1


def test_the_map_is_the_entropy_of_the_whole_plane_whatever_the_tiles():
    made = model()
    found = result_of(where_to_annotate(Micrograph(da.from_array(IMAGE, chunks=40)), made, None, EXACT))
    expected = entropy(predict_plane(made, IMAGE, EXACT))
    assert np.array_equal(found.uncertainty, expected)
    assert np.array_equal(found.classes, result_of(segment(Micrograph(IMAGE), made, EXACT)).classes)


def test_tiles_show_the_uncertainty_as_they_come():
    events = list(where_to_annotate(Micrograph(IMAGE), model(), None, EXACT))
    shown = np.zeros(IMAGE.shape, np.uint8)
    tiles = [event for event in events if isinstance(event, TileDone)]
    for tile in tiles:
        shown[tile.region] = tile.uncertainty
    assert len(tiles) == 9
    assert np.array_equal(shown, events[-1].result.uncertainty)


@pytest.mark.parametrize("factor", [0.5, 1.41])
def test_another_magnification_gives_a_map_in_pixels_of_the_image(factor):
    config = EXACT.model_copy(update={"magnification": factor})
    events = list(where_to_annotate(Micrograph(IMAGE), model(), None, config))
    assert events[-1].result.uncertainty.shape == IMAGE.shape
    assert all(e.uncertainty.shape == e.classes.shape for e in events if isinstance(e, TileDone))


def test_a_segmentation_keeps_the_uncertainty_of_every_plane_when_asked():
    stack = np.stack([IMAGE, IMAGE[::-1]])
    keep = EXACT.model_copy(update={"keep_uncertainty": True})
    found = result_of(segment(Micrograph(stack, "ZYX"), model(), keep))
    single = result_of(where_to_annotate(Micrograph(IMAGE), model(), None, EXACT))
    assert found.uncertainty.shape == stack.shape
    assert np.array_equal(found.uncertainty[0], single.uncertainty)
    assert result_of(segment(Micrograph(IMAGE), model(), EXACT)).uncertainty is None


def test_grains_are_not_closed_for_it(monkeypatch):
    monkeypatch.delattr("napari_microcnn.predict.answer.close_grains")
    rule = ObjectRule(kind="grains", class_id=1)
    assert result_of(where_to_annotate(Micrograph(IMAGE), model(2, rule), None, EXACT)).regions


def test_closing_the_job_stops_it():
    job = where_to_annotate(Micrograph(IMAGE), model(), None, EXACT)
    next(job)
    job.close()
    assert list(job) == []


def test_stacks_and_annotations_of_another_size_are_refused():
    with pytest.raises(ValueError, match="not a stack"):
        result_of(where_to_annotate(Micrograph(np.zeros((2, 40, 40), np.uint8), "ZYX"), model()))
    with pytest.raises(ValueError, match="annotation of the image's size"):
        result_of(where_to_annotate(Micrograph(IMAGE), model(), np.zeros((3, 3), np.uint8)))


def test_wide_unsure_areas_win_over_the_seams_between_classes():
    unsure, classes = sure()
    unsure[40:44] = 255  # a seam: more unsure pixels in a region of 128 than in the area below, but narrow
    unsure[:, 300:303] = 255
    unsure[400:425, 60:85] = 255
    best = rank_regions(unsure, classes)[0]
    assert best.rows.start <= 400
    assert best.rows.stop >= 425
    assert best.cols.start <= 60
    assert best.cols.stop >= 85


def test_seams_are_still_proposed_where_there_is_nothing_else():
    unsure, classes = sure()
    unsure[:, 300:303] = 200
    assert rank_regions(unsure, classes)[0].cols.start <= 300 < rank_regions(unsure, classes)[0].cols.stop


def test_what_is_annotated_already_is_not_proposed_again():
    unsure, classes = sure()
    unsure[50:90, 50:90] = 255
    unsure[400:430, 400:430] = 255
    assert rank_regions(unsure, classes)[0].rows.start < 90
    annotation = np.zeros(unsure.shape, np.int32)
    annotation[60:80:5, 40:100] = 2
    first = rank_regions(unsure, classes, annotation)[0]
    assert first.rows.start <= 400 < first.rows.stop


def test_an_unsure_spot_lies_in_the_middle_of_its_region():
    unsure, classes = sure()
    unsure[200:220, 300:320] = 255
    best = rank_regions(unsure, classes)[0]
    assert abs((best.rows.start + best.rows.stop) / 2 - 210) <= 32
    assert abs((best.cols.start + best.cols.stop) / 2 - 310) <= 32


@pytest.mark.parametrize(("shape", "side"), [((700, 533), 128), ((410, 900), 102), ((64, 90), 16)])
def test_regions_lie_in_the_image_and_do_not_overlap(shape, side):
    rng = np.random.default_rng(0)
    unsure = rng.integers(0, 255, shape, dtype=np.uint8)
    regions = rank_regions(unsure, rng.integers(0, 3, unsure.shape, dtype=np.uint8), count=50)
    assert len(regions) > 8
    for index, region in enumerate(regions):
        height, width = region.rows.stop - region.rows.start, region.cols.stop - region.cols.start
        assert side - 6 <= height == width <= side
        assert region.rows.start >= 0
        assert region.cols.start >= 0
        assert region.rows.stop <= shape[0]
        assert region.cols.stop <= shape[1]
        assert not any(overlap(region, other) for other in regions[:index])
        assert region.uncertainty == pytest.approx(unsure[region.slices].mean() / 255)


def test_the_second_region_asks_another_question():
    unsure, classes = sure((1024, 1024))
    for top, left, level in ((64, 64, 255), (64, 600, 250), (600, 64, 220)):
        unsure[top : top + 100, left : left + 100] = level
    classes[500:, :] = 2
    first, second, third = rank_regions(unsure, classes)[:3]
    assert first.rows.start < 164
    assert first.cols.start < 164
    assert second.rows.stop > 600  # less unsure than the third, but of another class than the first
    assert third.cols.stop > 600


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (20, 20), (129, 131)])
def test_small_images(shape):
    assert rank_regions(np.full(shape, 9, np.uint8), np.ones(shape, np.uint8))
    assert rank_regions(*sure(shape)) == ()


def test_arrays_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="equally large"):
        rank_regions(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
