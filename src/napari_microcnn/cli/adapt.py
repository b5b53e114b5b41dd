"""``napari-microcnn adapt``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.cli.train import check_output
from napari_microcnn.config.adapting import AdaptConfig


@takes_settings("settings", AdaptConfig)
def adapt_model(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The micrograph to look like.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write (.safetensors).")],
    settings: AdaptConfig,
    model: Annotated[str, typer.Option("--model", help="Model of grain boundaries to start from.")] = (
        "grain-boundaries"
    ),
) -> None:
    """Adapt a model of grain boundaries to the look of one micrograph; nothing is annotated.

    The adapted model is written if a self-check says that it is better; otherwise the model as it was.

    Raises
    ------
    ValueError
        If the image cannot be read, or the model cannot be adapted or written.
    """
    check_output(output)

    from napari_microcnn.io.read import read_micrograph
    from napari_microcnn.models import load_model, save_model
    from napari_microcnn.predict.resemblance import measure_look, windows_of
    from napari_microcnn.train.adapting import Adapted, adapt

    micrograph, loaded = read_micrograph(image), load_model(model)
    look = measure_look(micrograph, loaded)
    say(
        f"Looks like this: {look.imaging.lines} lines of contrast {look.imaging.line_contrast:.2f}, grey steps "
        f"{look.imaging.grain_contrast:.2f}, texture {look.imaging.texture:.2f}, noise "
        f"{look.imaging.readout_noise:.2f}, blur {look.imaging.blur:.1f} px, at {look.magnification:g} times."
    )
    windows = windows_of(micrograph, loaded, look.magnification)
    result: Adapted = follow(adapt(loaded, (look.structure, look.imaging), windows, settings), "Adapting")
    path = save_model(replace(result.model, name=output.stem), output)
    typer.echo(f"{path}: {'adapted' if result.check.better else 'unchanged, the self-check found no gain'}")
