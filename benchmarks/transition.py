"""The phase transition of the Ising model as networks see it, against Onsager."""

from __future__ import annotations

import time

from benchmarks.common import Table
from napari_microcnn.config import IsingConfig, TransitionConfig
from napari_microcnn.events import result_of
from napari_microcnn.measure.transition import find_transition
from napari_microcnn.synth import CRITICAL_TEMPERATURE
from napari_microcnn.train.transition import Study, study_transition

CASES = (("below or above", 0.0), ("only far from it", 0.4))


def run() -> Table:
    """Teach with all configurations, and only with those far from the critical temperature."""
    table = Table(
        "Phase transition of our own configurations, 64 x 64, three networks of a minute each",
        ("learnt from configurations", "crossing, 95 %", "Onsager", "off", "within the error bar", "seconds", "bar"),
    )
    for name, gap in CASES:
        start = time.perf_counter()
        study: Study = result_of(study_transition(IsingConfig(), TransitionConfig(gap=gap)))
        found = find_transition(study.temperatures, study.outputs)
        off = f"{found.temperature / CRITICAL_TEMPERATURE - 1:+.2%}"
        inside = "yes" if found.contains(CRITICAL_TEMPERATURE) else "no"
        spent = time.perf_counter() - start
        bar = "1 %, yes" if gap == 0 else ""
        table.add(name, str(found), f"{CRITICAL_TEMPERATURE:.4f}", off, inside, spent, bar)
        if bar:
            table.at_most("transition off (%)", 100 * abs(found.temperature / CRITICAL_TEMPERATURE - 1), 1)
            table.at_least("Onsager's temperature within the error bar", found.contains(CRITICAL_TEMPERATURE), 1)
        print(table.rows[-1], flush=True)
    return table
