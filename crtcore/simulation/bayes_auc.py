"""The best possible AUC of variables with known distributions, computed and not estimated from samples.

By the Neyman-Pearson lemma no score has a higher ROC curve than the likelihood ratio. The variables are
independent in each class, so the logarithm of the ratio is a sum over them, and its distribution in each
class is a convolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.optimize import root
from scipy.signal import fftconvolve
from scipy.special import log_ndtr, ndtr, ndtri

from crtcore.simulation.dipole import Float64Array

STEP = 1e-3  # of the grid of log-likelihood ratios
LIMIT = 40.0  # the probability beyond it is negligible
NUM_CELLS = 200_000  # of a continuous variable
GRID_SIZE = 2 * round(LIMIT / STEP) + 1


@dataclass(frozen=True, kw_only=True)
class Binary:
    """A yes/no variable: `share` is P(yes)."""

    share: float


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """A normal variable cut off below `low`. `mean` and `sd` are those after the cut."""

    mean: float
    sd: float
    low: float

    def parent(self) -> tuple[float, float]:
        """Mean and standard deviation before the cut (Greene, Econometric Analysis, 19.2)."""

        def miss(parent: Float64Array) -> Float64Array:
            mean, sd = parent[0], np.exp(parent[1])
            cut = (self.low - mean) / sd
            hazard = np.exp(-0.5 * cut**2 - log_ndtr(-cut)) / np.sqrt(2 * np.pi)
            return np.array([mean + sd * hazard, sd * np.sqrt(1 + cut * hazard - hazard**2)]) - (
                self.mean,
                self.sd,
            )

        solution = root(miss, np.array([self.mean, np.log(self.sd)]), tol=1e-10)
        assert solution.success, solution.message
        return float(solution.x[0]), float(np.exp(solution.x[1]))

    def draw(self, rng: np.random.Generator, size: int) -> Float64Array:
        mean, sd = self.parent()
        return np.asarray(mean + sd * ndtri(rng.uniform(ndtr((self.low - mean) / sd), 1, size=size)))

    def log_density(self, value: Float64Array) -> Float64Array:
        mean, sd = self.parent()
        kept = log_ndtr((mean - self.low) / sd)
        return np.asarray(-0.5 * ((value - mean) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi)) - kept)


Variable = Binary | Continuous


def bayes_auc(class_0: Sequence[Variable], class_1: Sequence[Variable]) -> float:
    """AUC of the likelihood ratio. Both classes list the same variables in the same order."""
    masses = [_log_ratio_masses(*pair) for pair in zip(class_0, class_1, strict=True)]
    mass_0, mass_1 = (reduce(_convolve, of_class) for of_class in zip(*masses, strict=True))
    return float(mass_1 @ (np.cumsum(mass_0) - mass_0 / 2))  # a tie counts half


def _log_ratio_masses(variable_0: Variable, variable_1: Variable) -> tuple[Float64Array, Float64Array]:
    """Distribution of log p1(x) / p0(x) in class 0 and in class 1, on the grid -LIMIT .. LIMIT."""
    if isinstance(variable_0, Binary) and isinstance(variable_1, Binary):
        share_0 = np.array([variable_0.share, 1 - variable_0.share])
        share_1 = np.array([variable_1.share, 1 - variable_1.share])
        log_ratio = np.log(share_1 / share_0)
    else:
        assert isinstance(variable_0, Continuous) and isinstance(variable_1, Continuous)
        assert variable_0.low == variable_1.low, "the classes must share their support"
        spread = 9 * max(variable_0.sd, variable_1.sd)
        lowest = max(variable_0.low, min(variable_0.mean, variable_1.mean) - spread)
        edges = np.linspace(lowest, max(variable_0.mean, variable_1.mean) + spread, NUM_CELLS + 1)
        middles, cell_width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
        log_density_0, log_density_1 = variable_0.log_density(middles), variable_1.log_density(middles)
        share_0, share_1 = np.exp(log_density_0) * cell_width, np.exp(log_density_1) * cell_width
        log_ratio = log_density_1 - log_density_0
    place = np.rint((np.clip(log_ratio, -LIMIT, LIMIT) + LIMIT) / STEP).astype(np.int64)
    return _histogram(place, share_0), _histogram(place, share_1)


def _histogram(place: np.ndarray[tuple[int], np.dtype[np.int64]], share: Float64Array) -> Float64Array:
    mass = np.zeros(GRID_SIZE)
    np.add.at(mass, place, share)
    return mass


def _convolve(first: Float64Array, second: Float64Array) -> Float64Array:
    centre = GRID_SIZE // 2
    return np.asarray(fftconvolve(first, second)[centre : centre + GRID_SIZE])
