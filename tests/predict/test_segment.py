"""Segmentation from a micrograph to classes, objects and probabilities."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.events import Finished, Notice, TileDone, result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, ModelError
from napari_microcnn.nets import UNet
from napari_microcnn.predict import predict_plane, segment

RNG = np.random.default_rng(1)
IMAGE = RNG.integers(0, 255, (90, 70), dtype=np.uint8)
BLANK = "All pixels of the image have the same value, so there is nothing to find in it."
EXACT = SegmentConfig(precision="float32", device="cpu", min_size=1)


def model(ids=(1, 2, 3), objects=None, channels=1, typical_intercept=None):
    torch.manual_seed(3)
    net = UNet(UNetConfig(channels=channels, classes=len(ids), width=4, depth=2)).eval()
    classes = tuple(ClassInfo(id=i, name=f"class {i}", colour="#e69f00") for i in ids)
    return Model(net, classes, objects, typical_intercept=typical_intercept)


def test_classes_are_the_most_probable_ones_with_their_ids():
    made = model(ids=(2, 5, 9))
    result = result_of(segment(Micrograph(IMAGE), made, EXACT.model_copy(update={"keep_probabilities": True})))
    expected = predict_plane(made, IMAGE, EXACT)
    assert np.array_equal(result.probabilities, expected)
    assert np.array_equal(result.classes, np.array([2, 5, 9])[expected.argmax(0)])
    assert result.classes.dtype == np.uint8
    assert result.labels is None
    assert result.magnification == (1.0,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (33, 64)])
def test_any_size(shape):
    result = result_of(segment(Micrograph(np.ones(shape, np.float32)), model(), EXACT))
    assert result.classes.shape == shape


def test_stacks_are_segmented_plane_by_plane_and_lazily():
    stack = RNG.integers(0, 255, (3, 40, 50), dtype=np.uint8)
    rule = ObjectRule(kind="particles", class_id=2)
    lazy = Micrograph(da.from_array(stack, chunks=(1, 20, 25)), "TYX")
    events = list(segment(lazy, model(objects=rule), EXACT.model_copy(update={"tile": 32})))
    result = events[-1].result
    single = [result_of(segment(Micrograph(plane), model(objects=rule), EXACT)) for plane in stack]
    assert np.array_equal(result.classes, [one.classes for one in single])
    assert np.array_equal(result.labels, [one.labels for one in single])
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert [tile.done for tile in tiles] == list(range(1, 13))
    assert {tile.total for tile in tiles} == {12}
    assert [tile.plane for tile in tiles[::4]] == [(0,), (1,), (2,)]
    assert tiles[-1].seconds_left == 0


def test_tiles_show_the_classes_as_they_come():
    events = list(segment(Micrograph(IMAGE), model(), EXACT.model_copy(update={"tile": 32})))
    shown = np.zeros(IMAGE.shape, np.uint8)
    for event in events[:-1]:
        shown[event.region] = event.classes
    assert isinstance(events[-1], Finished)
    assert np.array_equal(shown, events[-1].result.classes)


@pytest.mark.parametrize("factor", [0.5, 0.71, 1.41, 2])
def test_another_magnification_gives_results_in_pixels_of_the_image(factor):
    config = EXACT.model_copy(update={"magnification": factor, "tile": 32, "keep_probabilities": True})
    events = list(segment(Micrograph(IMAGE), model(objects=ObjectRule(kind="particles", class_id=1)), config))
    result, covered = events[-1].result, np.zeros(IMAGE.shape, bool)
    assert result.classes.shape == result.labels.shape == IMAGE.shape
    assert result.probabilities.shape == (3, *IMAGE.shape)
    assert np.allclose(result.probabilities.sum(0), 1, atol=1e-4)
    for event in events[:-1]:
        covered[event.region] = True
        assert event.classes.shape == covered[event.region].shape
    assert covered.all()


def test_objects_of_another_class_on_demand():
    chosen = result_of(segment(Micrograph(IMAGE), model(), EXACT.model_copy(update={"objects": 3})))
    assert np.array_equal(chosen.labels > 0, chosen.classes == 3)
    with pytest.raises(ValueError, match=r"no class 7 .* its classes are 1 \(class 1\), 2"):
        result_of(segment(Micrograph(IMAGE), model(), EXACT.model_copy(update={"objects": 7})))


def test_colour_images_are_turned_grey_for_a_grey_model_and_it_is_said():
    colours = np.stack([IMAGE] * 3, -1)
    events = list(segment(Micrograph(colours, "YXC"), model(), EXACT))
    assert isinstance(events[0], Notice)
    assert "luminance" in events[0].message
    grey = result_of(segment(Micrograph(IMAGE), model(), EXACT))
    assert (events[-1].result.classes == grey.classes).mean() > 0.999


@pytest.mark.parametrize("factor", [1, 0.5])
def test_grey_images_are_colours_for_a_colour_model_and_it_is_said(factor):
    made, config = model(channels=3), EXACT.model_copy(update={"magnification": factor})
    events = list(segment(Micrograph(IMAGE), made, config))
    assert isinstance(events[0], Notice)
    assert "all three colours" in events[0].message
    colours = result_of(segment(Micrograph(np.stack([IMAGE] * 3, -1), "YXC"), made, config))
    assert np.array_equal(events[-1].result.classes, colours.classes)
    lazy = result_of(segment(Micrograph(da.from_array(IMAGE, chunks=20)), made, config))
    assert np.array_equal(lazy.classes, colours.classes)


def test_a_model_for_other_channels_is_refused():
    with pytest.raises(ModelError, match="5 channel"):
        result_of(segment(Micrograph(np.ones((20, 20, 2)), "YXC"), model(channels=5), EXACT))


def test_a_constant_image_and_nan_give_an_answer():
    for pixels in (np.full((40, 40), 7, np.uint16), np.full((40, 40), np.nan, np.float32)):
        assert result_of(segment(Micrograph(pixels), model(), EXACT)).classes.shape == (40, 40)


@pytest.mark.parametrize("shape", [(1, 1), (40, 40), (1200, 1300)])
def test_a_blank_image_is_told_and_not_searched(shape):
    grains = model(ids=(0, 1), objects=ObjectRule(kind="grains", class_id=1), typical_intercept=30.0)
    events = list(segment(Micrograph(np.full(shape, 7, np.uint16)), grains, EXACT))
    assert [event.message for event in events if isinstance(event, Notice)] == [BLANK]
    assert events[-1].result.magnification == (1.0,)
    sparse = np.full((1200, 1300), 7, np.uint16)
    sparse[400:404] = 9  # in none of the windows that stand for the image
    assert not [e for e in segment(Micrograph(sparse), model(), EXACT) if isinstance(e, Notice)]


def test_what_is_true_of_every_plane_is_told_once():
    stack = np.full((5, 40, 40), 3, np.float32)
    stack[:, 3, 4] = np.inf
    events = list(segment(Micrograph(stack, "ZYX"), model(), EXACT))
    told = [event.message for event in events if isinstance(event, Notice)]
    assert told == ["Pixels that are NaN or infinite are treated as medium grey.", BLANK]


def test_the_result_tells_how_it_was_computed():
    result = result_of(segment(Micrograph(IMAGE), model(), EXACT.model_copy(update={"magnification": 0.5})))
    assert (result.device, result.precision, result.views) == ("cpu", "float32", ((0.5,),))


def test_eight_and_sixteen_bits_and_floats_of_one_picture_agree():
    eight = result_of(segment(Micrograph(IMAGE), model(), EXACT)).classes
    for same in (IMAGE.astype(np.uint16) * 257, IMAGE / np.float32(255), IMAGE.astype(np.int32) - 4000):
        assert (result_of(segment(Micrograph(same), model(), EXACT)).classes == eight).mean() > 0.999


def test_closing_the_job_stops_it():
    job = segment(Micrograph(IMAGE), model(), EXACT.model_copy(update={"tile": 32}))
    next(job)
    job.close()
    assert list(job) == []


def test_databars_and_plates_are_left_out():
    field = np.random.default_rng(0).integers(0, 256, (200, 256), dtype=np.uint8)
    picture = Image.fromarray(field)
    draw = ImageDraw.Draw(picture)
    for box, ink in (((0, 170, 255, 199), 255), ((180, 10, 239, 39), 0)):
        draw.rectangle(box, fill=255 - ink)
        draw.text((box[0] + 8, box[1] + 4), "20 kV x5,000 SE 1 µm" if ink else "2 µm", fill=ink)
    draw.rectangle((185, 30, 230, 32), fill=0)
    picture = np.asarray(picture)
    made = model(ids=(1, 2), objects=ObjectRule(kind="particles", class_id=2))
    keep = EXACT.model_copy(update={"keep_uncertainty": True})
    for seen, rows in ((picture, slice(0, 170)), (np.concatenate([picture[170:], picture[:170]]), slice(30, 200))):
        events = list(segment(Micrograph(seen), made, keep))
        found, alone = events[-1].result, result_of(segment(Micrograph(picture[:170]), made, keep))
        covered = np.ones((200, 256), bool)
        covered[rows] = False
        covered[rows.start + 10 : rows.start + 40, 180:240] = True
        for name in ("classes", "labels", "uncertainty"):
            part, expected = getattr(found, name), getattr(alone, name)
            assert not part[covered].any()
            assert np.array_equal(part[rows], expected)
        assert (found.classes[~covered] > 0).all()
        regions = [event.region[0] for event in events if isinstance(event, TileDone)]
        assert (regions[0].start, regions[-1].stop) == (rows.start, rows.stop)
        assert next(event.message for event in events if isinstance(event, Notice)).startswith("The databar")
