"""Selecting, deleting and merging objects; regions of class maps; annotation from what was corrected."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.measure.editing import (
    Members,
    count_objects,
    delete_objects,
    merge_objects,
    merged_number,
    select_objects,
)
from napari_microcnn.measure.feedback import annotation_of_objects, translated
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.measure.regions import enclosing_classes, number_regions, remove_regions
from napari_microcnn.micrograph import Calibration

RNG = np.random.default_rng(0)
BLOCKS = np.kron(np.arange(1, 101).reshape(10, 10), np.ones((7, 5), int))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("step", [1, 2])
def test_objects_are_counted_as_they_are_measured(dtype, step):
    labels = (RNG.integers(0, 40, (61, 83)) * step).astype(dtype)
    found, table = count_objects(labels), measure_objects(labels, Calibration((0.5, 2.0), "nm", "test"))
    assert np.array_equal(found.ids, table["label"])
    assert np.array_equal(found.touches_border, table["touches_border"])
    calibrated = found.diameters(Calibration((0.5, 2.0), "nm", "test"))
    np.testing.assert_allclose(calibrated, table["equivalent_circular_diameter_nm"])
    np.testing.assert_allclose(found.diameters(), np.sqrt(4 * found.pixels / math.pi))


def test_enormous_numbers_need_no_enormous_tables():
    labels = np.array([[0, 5, 5], [2**40, 0, 2**40], [2**40, 7, 7]])
    found = count_objects(labels)
    assert found.ids.tolist() == [5, 7, 2**40]
    assert found.pixels.tolist() == [2, 2, 3]
    assert np.array_equal(delete_objects(labels, [2**40]) > 0, (labels > 0) & (labels < 2**40))


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (0, 4)])
def test_empty_images(shape):
    found = count_objects(np.zeros(shape, np.int32))
    assert len(found.ids) == 0
    assert len(select_objects(found, smallest=3)) == 0


def test_objects_are_selected_by_calibrated_size_and_by_border():
    labels = np.zeros((50, 50), np.int32)
    labels[0:4, 0:4], labels[20:30, 20:30], labels[40:42, 20:22], labels[10:14, 49] = 1, 2, 3, 4
    found, two = count_objects(labels), Calibration((2.0, 2.0), "nm", "test")
    assert select_objects(found).tolist() == [1, 2, 3, 4]
    width = math.sqrt(4 * 16 / math.pi)
    assert select_objects(found, largest=width).tolist() == [1, 3, 4]
    assert select_objects(found, two, largest=2 * width).tolist() == [1, 3, 4]
    assert select_objects(found, two, largest=2 * width - 0.01).tolist() == [3, 4]
    assert select_objects(found, two, smallest=2 * width).tolist() == [1, 2]
    assert select_objects(found, where="border").tolist() == [1, 4]
    assert select_objects(found, smallest=5, where="inside").tolist() == [2]
    with pytest.raises(ValueError, match="change one of them"):
        select_objects(found, smallest=5, largest=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_delete_and_merge_leave_the_rest_alone(dtype):
    labels = BLOCKS.astype(dtype)
    deleted, merged = delete_objects(labels, [3, 50]), merge_objects(labels, [50, 3, 0])
    assert np.array_equal(deleted == 0, np.isin(BLOCKS, [3, 50]))
    assert np.array_equal(merged == 3, np.isin(BLOCKS, [3, 50]))
    rest = ~np.isin(BLOCKS, [3, 50])
    assert np.array_equal(deleted[rest], BLOCKS[rest])
    assert np.array_equal(merged[rest], BLOCKS[rest])
    assert np.array_equal(labels, BLOCKS)
    assert deleted.dtype == merged.dtype == dtype


def test_stacks_are_edited_too_and_nothing_selected_changes_nothing():
    stack = np.stack([BLOCKS, BLOCKS])
    assert not np.isin(delete_objects(stack, [9]), 9).any()
    assert np.array_equal(delete_objects(stack, []), stack)
    with pytest.raises(ValueError, match="at least two"):
        merge_objects(stack, [9, 9, 0])
    assert merged_number([9, 4]) == 4


def test_the_largest_of_some_objects():
    objects = count_objects(np.array([[1, 2, 2, 3, 3, 3]]))
    assert objects.largest([1, 2]) == 2
    assert objects.largest([3, 2, 1]) == 3
    with pytest.raises(ValueError, match="None of these objects"):
        objects.largest([7])


def test_members_of_other_numbers_than_the_table_holds():
    assert Members([2])(np.array([0, 1, 2, 3, 60000], np.uint16)).tolist() == [False, False, True, False, False]


def test_labels_that_are_none_are_refused():
    for wrong in (np.zeros((3, 3)), np.zeros((2, 3, 3), int), np.array([[-1, 2]])):
        with pytest.raises(ValueError, match="Labels must"):
            count_objects(wrong)


def test_regions_are_connected_over_sides_and_class_0_has_regions_too():
    regions = number_regions(np.array([[0, 1, 0], [1, 0, 0]], np.uint8))
    assert len(np.unique(regions)) == 4
    assert regions[0, 2] == regions[1, 1] == regions[1, 2]
    assert regions.min() == 1


def test_a_region_goes_to_the_class_around_it():
    classes = np.ones((20, 20), np.uint8)
    classes[:, 10:] = 2
    classes[4:7, 8:11] = 3  # two columns lie in class 1, one in class 2
    classes[12:16, 14:18] = 5
    classes[13:15, 15:17] = 1  # lies within 5, which leaves too
    result = remove_regions(classes, largest=5)
    expected = np.where(np.arange(20) < 10, 1, 2)[None].repeat(20, 0)
    expected[4:7, 8:11] = 1
    assert np.array_equal(result, expected)
    assert result.dtype == np.uint8
    assert (classes == 5).any()


def test_where_everything_leaves_everything_stays():
    classes = np.full((4, 4), 7, np.uint8)
    regions = number_regions(classes)
    assert (enclosing_classes(classes, regions, [1]) == -1).all()
    assert np.array_equal(remove_regions(classes, largest=100), classes)


def test_removing_regions_is_what_a_loop_would_do():
    classes = ndimage.zoom(RNG.integers(0, 3, (12, 12)), 8, order=0).astype(np.uint8)
    classes[RNG.random(classes.shape) < 0.01] = 3
    result = remove_regions(classes, largest=3, calibration=None)
    regions = number_regions(classes)
    for number, pixels in zip(*np.unique(regions, return_counts=True), strict=True):
        inside = regions == number
        if math.sqrt(4 * pixels / math.pi) > 3:
            assert np.array_equal(result[inside], classes[inside])
        elif pixels == 1:
            (y,), (x,) = np.nonzero(inside)
            sides = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
            around = [classes[s] for s in sides if min(s) >= 0 and max(s) < len(classes)]
            assert result[y, x] in around


def test_grains_become_boundaries_and_insides_with_an_open_seam():
    grains = np.ones((20, 30), np.int32)
    grains[:, 12:] = 4
    grains[5:10, 20:25] = 0
    annotation = annotation_of_objects(grains, "grains", object_class=7, other_class=2)
    assert annotation[3, 8:16].tolist() == [2, 2, 0, 7, 7, 0, 2, 2]
    assert not annotation[5:10, 20:25].any()
    assert not (annotation[4:11, 19:26] == 7).any()
    assert annotation.dtype == np.uint8


def test_a_line_between_grains_is_boundary():
    grains = np.array([[1] * 6 + [0] + [2] * 6] * 5, np.uint16)
    assert annotation_of_objects(grains, "grains", 1, 2)[2].tolist() == [2] * 5 + [0, 1, 0] + [2] * 5


def test_particles_become_object_and_background_or_stay_open():
    labels = np.array([[0, 3, 3], [5, 0, 0]])
    assert annotation_of_objects(labels, "particles", 2, 1).tolist() == [[1, 2, 2], [2, 1, 1]]
    assert annotation_of_objects(labels, "particles", 2, 0).tolist() == [[0, 2, 2], [2, 0, 0]]


def test_class_maps_are_translated():
    assert translated(np.array([[0, 1, 9, 300]]), [(0, 2), (1, 1)]).tolist() == [[2, 1, 0, 0]]
