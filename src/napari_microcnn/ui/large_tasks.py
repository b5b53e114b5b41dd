"""What the Segment dock lets a worker do with images larger than the memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Finished, Job
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui.pairing import OnDisk, opened


@dataclass(frozen=True)
class LargeSegmented:
    """Where a segmentation is that does not fit into memory, and what it found, for people."""

    path: Path
    summary: str


def segment_large_image(
    source: Micrograph | OnDisk,
    model: Path,
    called: str,
    config: SegmentConfig,
    output: Path,
    first: tuple[int | slice, ...],
) -> Job[LargeSegmented]:
    """Segment an image block by block, what is in view first, and write its table and record beside it."""
    from napari_microcnn.batch.large import segment_large_file
    from napari_microcnn.io.atomic import make_folder
    from napari_microcnn.io.results import read_record
    from napari_microcnn.models import load_model

    micrograph, loaded = opened(source), load_model(model)
    folder = make_folder(output.parent)
    stem = output.name.removesuffix(".ome.zarr")
    name = micrograph.path or Path(stem)
    yield from segment_large_file(micrograph, loaded, called, config, folder, name, stem=stem, first=first)
    numbers = read_record(folder / f"{stem}.json").get("results", {})
    yield Finished(LargeSegmented(output, _in_words(numbers)))


def _in_words(numbers: dict[str, float]) -> str:
    fractions = {name: value for name, value in numbers.items() if name.startswith("area_fraction_")}
    text = " · ".join(f"{name.removeprefix('area_fraction_')} {100 * value:.1f} %" for name, value in fractions.items())
    return f"{text}\n{numbers['objects']} objects" if "objects" in numbers else text
