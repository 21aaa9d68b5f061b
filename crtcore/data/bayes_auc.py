"""The best possible AUC of independent variables with known distributions: no estimate, no fit.

By the Neyman-Pearson lemma no score has a higher ROC curve than the likelihood ratio. The logarithm of the ratio is a sum
over variables that are independent given the class, so its distribution in each class is a convolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import root
from scipy.signal import fftconvolve
from scipy.stats import truncnorm

STEP = 1e-3  # of the grid of log-likelihood ratios
LIMIT = 40.0  # beyond lies no probability that counts
NUM_CELLS = 200_000  # of a continuous variable
GRID_SIZE = 2 * round(LIMIT / STEP) + 1

Mass = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Binary:
    """A yes/no variable: `share` is P(yes)."""

    share: float


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """A normal variable cut off below `low`; `mean` and `sd` are those it has after the cut."""

    mean: float
    sd: float
    low: float

    def parent(self) -> tuple[float, float]:
        """Mean and standard deviation of the normal variable before the cut."""

        def miss(parent: npt.NDArray[np.float64]) -> list[float]:
            mean, variance = _truncated(parent[0], float(np.exp(parent[1])), self.low).stats("mv")
            return [float(mean) - self.mean, float(np.sqrt(variance)) - self.sd]

        solution = root(miss, [self.mean, np.log(self.sd)], tol=1e-10)
        assert solution.success, solution.message
        return float(solution.x[0]), float(np.exp(solution.x[1]))

    def draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        mean, sd = self.parent()
        return np.asarray(_truncated(mean, sd, self.low).rvs(size=size, random_state=rng), dtype=float)


Variable = Binary | Continuous


def bayes_auc(class_0: Sequence[Variable], class_1: Sequence[Variable]) -> float:
    """AUC of the likelihood ratio, given the distribution of each variable in class 0 and in class 1 (same order)."""
    totals = None
    for variable_0, variable_1 in zip(class_0, class_1, strict=True):
        masses = log_ratio_masses(variable_0, variable_1)
        totals = masses if totals is None else tuple(map(_sum_distribution, totals, masses))
    assert totals is not None, "at least one variable"
    mass_0, mass_1 = totals
    return float(mass_1 @ (np.cumsum(mass_0) - mass_0 / 2))  # a tie counts half


def log_ratio_masses(variable_0: Variable, variable_1: Variable) -> tuple[Mass, Mass]:
    """Distribution of log p1(x) / p0(x) in class 0 and in class 1, on the grid -LIMIT .. LIMIT."""
    if isinstance(variable_0, Binary) and isinstance(variable_1, Binary):
        share_0, share_1 = np.array([variable_0.share, 1 - variable_0.share]), np.array([variable_1.share, 1 - variable_1.share])
        log_ratio = np.log(share_1 / share_0)
    else:
        assert isinstance(variable_0, Continuous) and isinstance(variable_1, Continuous)
        assert variable_0.low == variable_1.low, "the classes must share their support"
        law_0, law_1 = (_truncated(*variable.parent(), variable.low) for variable in (variable_0, variable_1))
        spread = 9 * max(variable_0.sd, variable_1.sd)
        lowest = max(variable_0.low, min(variable_0.mean, variable_1.mean) - spread)
        edges = np.linspace(lowest, max(variable_0.mean, variable_1.mean) + spread, NUM_CELLS + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        share_0, share_1 = np.diff(law_0.cdf(edges)), np.diff(law_1.cdf(edges))
        log_ratio = law_1.logpdf(middles) - law_0.logpdf(middles)
    cell = np.rint((np.clip(log_ratio, -LIMIT, LIMIT) + LIMIT) / STEP).astype(np.int64)
    mass_0, mass_1 = (np.bincount(cell, weights=share, minlength=GRID_SIZE) for share in (share_0, share_1))
    return mass_0, mass_1


def _sum_distribution(first: Mass, second: Mass) -> Mass:
    centre = GRID_SIZE // 2
    return np.asarray(fftconvolve(first, second)[centre : centre + GRID_SIZE])


def _truncated(mean: float, sd: float, low: float):  # type: ignore[no-untyped-def]
    return truncnorm((low - mean) / sd, np.inf, loc=mean, scale=sd)
