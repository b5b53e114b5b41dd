"""``napari-microcnn demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow
from napari_microcnn.cli.segment import segment_micrograph
from napari_microcnn.cli.train import train_and_save
from napari_microcnn.config import SegmentConfig, TrainConfig
from napari_microcnn.io.atomic import make_folder

if TYPE_CHECKING:
    from napari_microcnn.micrograph import Micrograph
    from napari_microcnn.models import Model
    from napari_microcnn.predict.segment import Segmentation

MINUTES = 0.7
"""Training time; the whole demo stays under 90 s on two cores."""

_GRAINS_MODEL, _GRAINS_SEED, _GRAINS_SIDE, _GRAINS_NUMBER = "grain-boundaries", 1, 512, 240


@takes_settings("settings", TrainConfig, without=("dense",))
def demo(
    settings: TrainConfig,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("demo"),
) -> None:
    """Teach a network the built-in micrograph, segment it, measure it; then grains of a synthetic polycrystal."""
    start = time.monotonic()
    make_folder(output)
    if not {"minutes", "epochs"} & settings.model_fields_set:
        settings = settings.model_copy(update={"minutes": MINUTES})
    _pores(output, settings)
    _grains(output, SegmentConfig(device=settings.device))
    typer.echo(f"{time.monotonic() - start:.0f} s in all; the files are in {output}")


def _pores(output: Path, settings: TrainConfig) -> None:
    """Learn pores and ligaments of nanoporous gold from ten strokes each."""
    from napari_microcnn.data.annotations import Annotated as AnnotatedImage
    from napari_microcnn.io.samples import NANOPOROUS_CLASSES, nanoporous
    from napari_microcnn.train.segmenter import train_segmenter

    micrograph, strokes = nanoporous()
    typer.echo(f"Nanoporous gold, SEM, {micrograph.calibration}")
    data = [AnnotatedImage(micrograph.pixels, strokes, micrograph.name, micrograph.calibration)]
    job = train_segmenter(data, NANOPOROUS_CLASSES, settings)
    name = f"{micrograph.name}.safetensors"
    model = train_and_save(job, output / name)
    pore = NANOPOROUS_CLASSES[0].id
    result = _segment_and_write(micrograph, model, SegmentConfig(device=settings.device, objects=pore), output, name)
    typer.echo(f"pores: {_described(result)}")


def _grains(output: Path, settings: SegmentConfig) -> None:
    """Find the grains of a synthetic polycrystal with the shipped model, which was never taught any."""
    from napari_microcnn.micrograph import Micrograph
    from napari_microcnn.models import load_model
    from napari_microcnn.synth import LOOKS, polycrystal

    structure, imaging = LOOKS["etched"]
    size = {"height": _GRAINS_SIDE, "width": _GRAINS_SIDE, "grains": _GRAINS_NUMBER}
    made = polycrystal(structure.model_copy(update=size), imaging, _GRAINS_SEED)
    micrograph = Micrograph(made.image, name="polycrystal")
    typer.echo(f"Synthetic polycrystal with {made.structure.grains.max()} grains, no annotation")
    result = _segment_and_write(micrograph, load_model(_GRAINS_MODEL), settings, output, _GRAINS_MODEL)
    typer.echo(f"grains: {_described(result)}")


def _segment_and_write(
    micrograph: Micrograph, model: Model, settings: SegmentConfig, output: Path, model_name: str
) -> Segmentation:
    """Segment, and write the image itself beside the results, so that a folder holds all there is to look at."""
    from napari_microcnn.batch import write_segmentation
    from napari_microcnn.io.write import write_image

    result = segment_micrograph(micrograph, model, settings)
    source = Path(f"{micrograph.name}.tif")
    write_image(output / source, micrograph.pixels, calibration=micrograph.calibration)
    follow(write_segmentation(result, output, source, model_name), f"Writing {micrograph.name}")
    return result


def _described(result: Segmentation) -> str:
    """Return the area fraction of the objects, unless they fill the image, their number and their mean diameter."""
    from napari_microcnn.measure import summarise
    from napari_microcnn.measure.units import length_unit

    labels, calibration = result.labels, result.micrograph.calibration
    if labels is None:
        return "none"
    summary = summarise(labels=labels, calibration=calibration)
    unit = length_unit(calibration)
    diameter = summary[f"mean_equivalent_circular_diameter_{unit}"]
    share = (labels > 0).mean()
    fraction = f"area fraction {share:.3f}, " if share < 1 else ""
    return f"{fraction}{summary['objects']}, mean diameter {diameter:.1f} {unit}"
