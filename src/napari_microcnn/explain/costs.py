"""What a dense layer costs on an image, and what a convolution does."""

from __future__ import annotations

from dataclasses import dataclass

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Cost:
    """Weights and biases of one layer, and the bytes of its parameters and of its result, in float32."""

    weights: int
    biases: int
    results: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    @property
    def memory(self) -> int:
        """Bytes of the parameters and of the result for one image."""
        return FLOAT * (self.parameters + self.results)

    @property
    def training(self) -> int:
        """Bytes to train it with Adam: parameters, gradients and two moments, and the result for one image."""
        return FLOAT * (4 * self.parameters + self.results)


def dense_cost(channels: int, height: int, width: int, neurons: int) -> Cost:
    """Return the cost of wiring every pixel to every neuron.

    Examples
    --------
    >>> dense_cost(1, 64, 64, 512).weights
    2097152
    """
    return Cost(channels * height * width * neurons, neurons, neurons)


def convolution_cost(channels: int, height: int, width: int, filters: int, side: int = 3) -> Cost:
    """Return the cost of filters that are the same everywhere in the image, whatever its size.

    Examples
    --------
    >>> convolution_cost(1, 1024, 1024, 64).weights
    576
    """
    return Cost(channels * side * side * filters, filters, filters * height * width)
