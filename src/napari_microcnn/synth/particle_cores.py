"""The inner parts of particles, by which a network tells those apart that touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SHELL = 4.0
"""The core of a large particle begins this many pixels from its outline."""

_SHARE = 0.4
"""That of a small one where it is so deep, in shares of its deepest place."""


def particle_cores(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which pixels lie well inside of a particle.

    Cores of particles that touch lie apart, the further the larger the particles, and no particle
    is without one: so they can be told apart where their outlines cannot.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X) int32
        Number of every particle, 0 = background.

    Returns
    -------
    numpy.ndarray
        (Y, X) bool.
    """
    rim = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        border = labels[one] != labels[other]
        rim[one] |= border
        rim[other] |= border
    if not rim.any():
        return labels > 0
    depth = ndimage.distance_transform_edt(~rim).astype(np.float32)
    deepest = np.zeros(int(labels.max()) + 1, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    least = np.minimum(_SHARE * (deepest + 0.5), SHELL)
    least = np.maximum(least, np.minimum(1, deepest))
    return np.asarray((labels > 0) & (depth >= least[labels]))
