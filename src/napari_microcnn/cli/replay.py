"""``napari-microcnn replay``."""

from __future__ import annotations

import platform
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from napari_microcnn.cli.replay_measure import MEASURE, differences_of_measurement, different_values
from napari_microcnn.cli.running import follow, say
from napari_microcnn.cli.segment import segment_micrograph
from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Finished
from napari_microcnn.io.results import RESULTS, read_record
from napari_microcnn.micrograph import BY_HAND, DRAWN, Calibration

if TYPE_CHECKING:
    from napari_microcnn.events import Job
    from napari_microcnn.micrograph import Micrograph
    from napari_microcnn.models import Model


def replay(
    record: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="What `segment` or `measure` wrote beside its results.")
    ],
    image: Annotated[
        Path | None, typer.Option("--input", help="The micrograph, where it is no longer at its place.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The model, where it is no longer at its place.")] = None,
) -> None:
    """Repeat what a JSON file of `segment` or `measure` tells, and say whether the result is the same.

    ``batch.json`` repeats every image of a batch. What is made stays in no folder.

    Raises
    ------
    ValueError
        If input or model are missing or changed, or if the result is not the same.
    """
    told = read_record(record)
    if not told:
        raise ValueError(f"{record} does not say how results of napari-microcnn were made; name STEM.json.")
    if told.get("command", "").startswith(MEASURE):
        _replay_measurement(told, record)
        return
    names = told.get("records")
    if names is not None and image is not None:
        raise ValueError(f"{record} tells of {len(names)} images; --input goes with the JSON file of one of them.")
    paths = [record] if names is None else [record.with_name(name) for name in names]
    differing = [path for path in paths if not _is_same(path, image, model)]
    if differing:
        raise ValueError(f"{len(differing)} of {len(paths)} not the same: {', '.join(path.name for path in differing)}")


def _replay_measurement(told: Mapping[str, Any], record: Path) -> None:
    """Measure again and print what was found."""
    differences = list(differences_of_measurement(told, record))
    for line in (*_other_circumstances(told), *differences):
        typer.echo(f"{record.name}: {line}")
    if differences:
        raise ValueError(f"{record.name} is not the same.")
    typer.echo(f"{record.name}: the same, number for number.")


def _is_same(path: Path, image: Path | None, model: str | None) -> bool:
    """Repeat one image and print what was found."""
    from napari_microcnn.batch import write_segmentation

    told = read_record(path)
    if "input" not in told or not told.get("model") or not told.get("command", "").strip():
        raise ValueError(f"{path} tells of no segmentation that could be repeated.")
    words = shlex.split(told["command"])
    large = "--large" in words
    micrograph = _same_input(told, image or Path(words[2]), path, lazily=large)
    loaded = _same_model(told, model or words[words.index("--model") + 1], path)
    others = list(_other_circumstances(told))
    called, settings = words[words.index("--model") + 1], _settings(told, others)
    with tempfile.TemporaryDirectory(prefix=".replay-", dir=path.parent if large else None) as folder:
        if large:
            follow(_segment_large(micrograph, loaded, called, settings, Path(folder), path.stem), path.stem)
        else:
            result = segment_micrograph(micrograph, loaded, settings, path.stem)
            follow(write_segmentation(result, Path(folder), micrograph.path or path, called), f"Writing {path.stem}")
        differences = list(_differences(told, path.parent, Path(folder)))
    for other in others:
        typer.echo(f"{path.name}: {other}")
    for difference in differences:
        typer.echo(f"{path.name}: {difference}")
    if not differences:
        typer.echo(f"{path.name}: the same, pixel for pixel.")
    return not differences


def _segment_large(
    micrograph: Micrograph, model: Model, called: str, settings: SegmentConfig, folder: Path, stem: str
) -> Job[list[Path]]:
    from napari_microcnn.batch.large import segment_large_file

    source = micrograph.path or Path(micrograph.name)
    written = yield from segment_large_file(micrograph, model, called, settings, folder, source, stem=stem)
    yield Finished(written)


def _same_input(told: Mapping[str, Any], source: Path, record: Path, *, lazily: bool = False) -> Micrograph:
    """Read the micrograph and make sure that it is the one that was segmented."""
    from napari_microcnn.io.provenance import describe_input
    from napari_microcnn.io.read import read_micrograph
    from napari_microcnn.predict.large import open_lazily

    made = told["input"]
    places = [source, record.parent / source, record.parent / source.name]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise ValueError(f"The micrograph {source} is missing; say with --input where it is.")
    micrograph = open_lazily(path) if lazily else read_micrograph(path)
    known = made.get("calibration")
    if known and known["source"].startswith(BY_HAND):
        by_hand = Calibration(tuple(known["pixel_size"]), known["unit"], known["source"])
        micrograph = replace(micrograph, calibration=by_hand)
    if DRAWN in made:
        micrograph = replace(micrograph, metadata={**micrograph.metadata, DRAWN: made[DRAWN]})
    found = describe_input(micrograph)
    hashed = "sha256" if made.get("sha256") else "pixels_sha256"
    if made.get(hashed) is None:
        raise ValueError(f"{record} has no hash of its micrograph, so nobody knows whether {path} is the same.")
    if hashed == "pixels_sha256":
        found = describe_input(replace(micrograph, path=None))
    if found.get(hashed) != made[hashed]:
        raise ValueError(f"{path} is not the micrograph that was segmented: it was changed, or is another one.")
    if found["calibration"] != known:
        say(f"{path.name}: the pixel size is read otherwise than then, so measurements will differ.")
    return micrograph


def _same_model(told: Mapping[str, Any], name: str, record: Path) -> Model:
    """Load the model and make sure that its weights are those that were used."""
    from napari_microcnn.models import load_model

    beside = record.parent / name
    loaded = load_model(str(beside) if beside.is_file() and not Path(name).is_file() else name)
    if loaded.sha256 != told["model"]["sha256"]:
        raise ValueError(f"The model {name} is not the one that was used: its weights differ; name that with --model.")
    return loaded


def _settings(told: Mapping[str, Any], others: list[str]) -> SegmentConfig:
    """Return the settings with what ``"auto"`` meant; another device is noted in `others`."""
    from napari_microcnn.device import resolve_device

    known = {name: value for name, value in told["settings"].items() if name in SegmentConfig.model_fields}
    others += [f"the setting {name} is none of this version." for name in told["settings"] if name not in known]
    kept = [name for name, field in SegmentConfig.model_fields.items() if not field.exclude]
    others += [f"the setting {name} is new; its default is taken." for name in kept if name not in known]
    computed = told.get("computed") or {}
    wanted = computed.get("device", "cpu")
    settings = {**known, "precision": computed.get("precision", known.get("precision", "auto"))}
    try:
        resolve_device(wanted)
    except ValueError:
        others.append(f"computed on {wanted} then, which is not here; repeated on what is.")
        return SegmentConfig(**{**settings, "device": "auto"})
    return SegmentConfig(**{**settings, "device": wanted})


def _other_circumstances(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as it was: versions and computer."""
    from napari_microcnn.io.provenance import versions

    then, now = told.get("versions", {}), versions()
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            yield f"{name} was {then.get(name, 'not there')}, is {now.get(name, 'not there')}."
    for name, here in (("python", platform.python_version()), ("platform", platform.platform())):
        if told.get(name) != here:
            yield f"{name} was {told.get(name)}, is {here}."


def _differences(told: Mapping[str, Any], old: Path, new: Path) -> Iterator[str]:
    """Yield what differs between the files that are there and those that were made now."""
    from napari_microcnn.io.provenance import file_sha256
    from napari_microcnn.io.write import plain

    made = next(new.glob("*.json"))
    hashes = told.get("sha256", {})
    for name in told["files"]:
        file, kind = old / name, Path(name).stem.rpartition("_")[2]
        if not file.exists():
            yield f"{name} is missing."
            continue
        touched = "" if hashes.get(name) in (None, file_sha256(file)) else " The file was changed since it was written."
        if file.is_dir() and (new / name).is_dir():
            yield from _other_blocks(file, new / name)
        elif kind in RESULTS:
            yield from (other + touched for other in _other_pixels(file, new / f"{made.stem}_{kind}.tif"))
        elif name.endswith(".csv"):
            yield from (other + touched for other in different_values(file, new / f"{made.stem}.csv"))
        elif touched:
            yield f"{name}:{touched}"
    then, again = plain(told.get("results") or {}), read_record(made).get("results") or {}
    if others := [key for key in then if then[key] != again.get(key)]:
        yield f"{len(others)} of {len(then)} numbers in the record are others: {', '.join(others)}."


def _other_blocks(old: Path, new: Path) -> Iterator[str]:
    """Yield how masks of images larger than the memory differ."""
    from napari_microcnn.io.multiscale import open_multiscale

    (then_classes, then_labels), (now_classes, now_labels) = open_multiscale(old), open_multiscale(new)
    then, now = {"classes": then_classes, **then_labels}, {"classes": now_classes, **now_labels}
    for name in sorted({*then, *now}):
        if name not in then or name not in now or then[name].levels[0].shape != now[name].levels[0].shape:
            yield f"{old.name}: other {name}."
            continue
        *stack, height, width = then[name].levels[0].shape
        step = then[name].levels[0].chunks[-2]
        bands = [(*at, slice(top, top + step)) for at in np.ndindex(*stack) for top in range(0, height, step)]
        if count := sum(int((then[name][band] != now[name][band]).sum()) for band in bands):
            yield f"{old.name}: {count:,} of {np.prod([*stack, height, width]):,} pixels of the {name} differ."


def _other_pixels(old: Path, new: Path) -> Iterator[str]:
    from napari_microcnn.io.read import read_labels, read_micrograph

    if not new.is_file():
        yield f"{old.name} is not made by this record."
        return
    whole = old.stem.endswith(("_classes", "_labels"))
    then, now = (np.asarray(read_labels(file) if whole else read_micrograph(file).pixels) for file in (old, new))
    if then.shape != now.shape:
        yield f"{old.name}: {then.shape} pixels then, {now.shape} now."
    elif count := int((then != now).sum()):
        yield f"{old.name}: {count:,} of {then.size:,} pixels differ."
