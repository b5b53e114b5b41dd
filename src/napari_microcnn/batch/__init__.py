"""One file after the other: segment, measure, write, and tell of all of them together."""

from napari_microcnn.batch.files import Batch, segment_files
from napari_microcnn.batch.sureness import sureness_of_image
from napari_microcnn.batch.writing import write_segmentation

__all__ = ["Batch", "segment_files", "sureness_of_image", "write_segmentation"]
