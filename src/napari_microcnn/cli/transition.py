"""``napari-microcnn classify transition``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.config import IsingConfig, TransitionConfig
from napari_microcnn.events import Event
from napari_microcnn.io.atomic import make_folder


@takes_settings("config", TransitionConfig)
@takes_settings("lattice", IsingConfig)
def transition(
    lattice: IsingConfig,
    config: TransitionConfig,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for networks, tables and a picture.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
) -> None:
    """Teach networks the two phases of the Ising model, and find where their output crosses one half.

    An interruption keeps the networks that are finished, and the result that they give.

    Raises
    ------
    ValueError
        If the temperatures do not lie on both sides of the critical one, the outputs do not cross
        one half, or the folder cannot be written.
    """
    from napari_microcnn.io.transitions import write_transition
    from napari_microcnn.measure.transition import find_transition
    from napari_microcnn.models import save_classifier
    from napari_microcnn.synth import CRITICAL_TEMPERATURE
    from napari_microcnn.train.transition import NetworkDone, Study, study_transition

    make_folder(output)
    reached: list[Study] = []

    def keep(event: Event) -> None:
        if isinstance(event, NetworkDone):
            reached[:] = [event.study]
            number = len(event.study.classifiers)
            save_classifier(event.study.classifiers[-1], output / f"network-{number}.safetensors")

    def conclude(study: Study) -> None:
        found = find_transition(study.temperatures, study.outputs, seed)
        about = {"lattice": lattice.model_dump(), "study": config.model_dump(), "seed": seed}
        exact = CRITICAL_TEMPERATURE
        written = write_transition(
            output,
            outputs=study.table(),
            means=found.table(),
            curves=found.curves(exact),
            about={**found.about(exact), **about},
        )
        typer.echo("\n".join(map(str, written)))
        typer.echo(found.sentence(exact))

    try:
        study: Study = follow(study_transition(lattice, config, seed), "Phase transition", keep)
    except KeyboardInterrupt:
        if not reached:
            say("No network was finished, so there is no result.")
            raise
        say(f"The result is that of the first {len(reached[0].classifiers)} of {config.networks} networks.")
        conclude(reached[0])
        raise
    conclude(study)
