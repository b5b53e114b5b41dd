"""``napari-microcnn explain``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.config import ExplainConfig
from napari_microcnn.io.errors import reason
from napari_microcnn.io.inputs import is_result, named_files
from napari_microcnn.io.pairs import stem_of

if TYPE_CHECKING:
    from napari_microcnn.explain.explanation import Explanation
    from napari_microcnn.explain.translation import Translation
    from napari_microcnn.explain.trust import SanityCheck
    from napari_microcnn.micrograph import Micrograph
    from napari_microcnn.models import Classifier, Model


@takes_settings("settings", ExplainConfig)
def explain_files(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Images, or folders of images.")],
    model: Annotated[str, typer.Option("--model", help="A classifier or segmenter: file, or name of a shipped one.")],
    target: Annotated[str, typer.Option("--target", help="Class to explain: its name or number.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    settings: ExplainConfig,
    pixel: Annotated[str | None, typer.Option(help="Explain the class of this pixel: ROW,COLUMN.")] = None,
    region: Annotated[Path | None, typer.Option(help="Explain the class of what is not 0 in this label image.")] = None,
    objects: Annotated[
        Path | None,
        typer.Option(
            help="Label image of the object, or of grains: tells the share of the heat outside, and warns where the "
            "network sees less than a grain."
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Check the heatmap with random weights, and the network with shifts.")
    ] = False,
) -> None:
    """Explain images; a file that cannot be done is told and does not stop the others.

    Raises
    ------
    ValueError
        If nothing can be done, or after the last file if one of them failed.
    """
    named = named_files(inputs)
    files = [path for path in named if not is_result(path)]
    if not files:
        raise ValueError("All of these images are results of earlier runs; name the micrographs.")

    from napari_microcnn.explain.explanation import class_named
    from napari_microcnn.models import open_model

    loaded = open_model(model)
    class_named(loaded, target)
    task = partial(
        _explained, loaded, target, settings, pixel=pixel, region=region, objects=objects, trust=trust, folder=output
    )
    failed: list[str] = []
    for path in files:
        try:
            written = task(path, model)
        except (ValueError, OSError) as error:
            failed.append(reason(path, error))
            if len(files) > 1:
                say(failed[-1])
            continue
        typer.echo("\n".join(str(name) for name in written))
    if failed:
        raise ValueError(failed[0] if len(files) == 1 else f"{len(failed)} of {len(files)} files were not explained.")


def _explained(
    loaded: Model | Classifier,
    target: str,
    settings: ExplainConfig,
    path: Path,
    model: str,
    *,
    pixel: str | None,
    region: Path | None,
    objects: Path | None,
    trust: bool,
    folder: Path,
) -> list[Path]:
    """Explain one file and write what was found."""
    from napari_microcnn.explain.explanation import class_named, explain_class
    from napari_microcnn.explain.report import check_replaceable, write_explanation
    from napari_microcnn.io.provenance import command_line
    from napari_microcnn.io.read import read_micrograph
    from napari_microcnn.io.scripts import options_of

    stem = stem_of(path)
    check_replaceable(folder, stem)
    micrograph = read_micrograph(path)
    if micrograph.stack_shape:
        raise ValueError(f"{path.name} is a stack; save the plane to explain as an image of its own.")
    where = _interest(micrograph, pixel, region)
    wanted = class_named(loaded, target)
    found: Explanation = follow(
        explain_class(micrograph.pixels, loaded, wanted.id, settings, where), f"Explaining {path.name}"
    )
    told = found.info() | _checked(micrograph, loaded, found, where, objects, trust=trust)
    for sentence in told.get("warnings", []):
        say(f"{path.name}: {sentence}")
    options: dict[str, Any] = {"pixel": pixel, "region": region, "objects": objects, "trust": trust}
    command = command_line("explain", [path], model=model, target=target, o=".", **options, **options_of(settings))
    return write_explanation(folder, stem, micrograph, found, loaded, told, command)


def _interest(micrograph: Micrograph, pixel: str | None, region: Path | None) -> NDArray[np.bool_] | None:
    """Return the pixels whose class is explained, (Y, X); None for the whole image."""
    if pixel is not None and region is not None:
        raise ValueError("Give either --pixel or --region, not both.")
    if region is not None:
        return _labels(region) > 0
    if pixel is None:
        return None
    try:
        row, column = (int(part) for part in pixel.split(","))
    except ValueError:
        raise ValueError(f"--pixel {pixel!r}: write row and column with a comma between them, like 120,45.") from None
    height, width = micrograph.plane_shape
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"--pixel {pixel}: the image has {height} rows and {width} columns, counted from 0.")
    where = np.zeros((height, width), bool)
    where[row, column] = True
    return where


def _labels(path: Path) -> NDArray[Any]:
    from napari_microcnn.io.read import read_labels

    labels = read_labels(path)
    if labels.ndim != 2:
        raise ValueError(f"{path.name} is a stack; a single label image is needed here.")
    return labels


def _checked(
    micrograph: Micrograph,
    model: Model | Classifier,
    found: Explanation,
    where: NDArray[np.bool_] | None,
    objects: Path | None,
    *,
    trust: bool,
) -> dict[str, Any]:
    """Return what there is to say about the trust in an explanation, ready for JSON."""
    from napari_microcnn.explain.report import doubts, shifts_told
    from napari_microcnn.explain.sight import Sight
    from napari_microcnn.explain.trust import heat_outside

    sight = Sight(micrograph.pixels, model, found.config.magnification, found.config.device)
    labels = None if objects is None else _labels(objects)
    grain = None if labels is None else _mean_diameter(labels)
    told: dict[str, Any] = {"warnings": doubts(sight, model, micrograph.calibration, grain)}
    if labels is not None:
        told["share outside"] = round(heat_outside(found.heat, (labels > 0)[found.region]), 4)
    if not trust:
        return told
    from napari_microcnn.explain.explanation import sanity_of
    from napari_microcnn.explain.translation import translation_test

    output = model.classes.index(found.target)
    sanity: SanityCheck = follow(sanity_of(sight, output, found.config, where), "Random weights")
    layer = found.layer or sight.default_layer()
    shifts: tuple[Translation, ...] = follow(translation_test(sight, output, layer), "Shifting")
    told["random weights"] = {
        "verdict": sanity.verdict,
        "rank correlation": dict(zip(sanity.layers, (round(value, 4) for value in sanity.similarity), strict=True)),
    }
    return told | {"shifts": shifts_told(shifts)}


def _mean_diameter(labels: NDArray[Any]) -> float | None:
    """Return the mean diameter of the circles that are as large as the objects, in pixels; None if there are none."""
    from skimage.measure import label

    pieces = label(labels)  # type: ignore[no-untyped-call]  # of masks, too, every object counts by itself
    areas = np.bincount(pieces.ravel())[1:]
    return float(np.sqrt(4 * areas / np.pi).mean()) if len(areas) else None
