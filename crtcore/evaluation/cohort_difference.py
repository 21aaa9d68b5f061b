"""How two cohorts differ: each variable's mean and SD in both, and the standardised difference.

Legend: P patients or recordings.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

LARGE: Final = 0.5
"""Half an SD. 0.1 is the usual limit of balance (Austin 2009, Stat. Med. 28:3083); cohorts of different
hospitals rarely reach it.
"""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A variable of one cohort: mean, SD (of a sample), and the number of values."""

    mean: float
    sd: float
    num: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A variable in two cohorts.

    `standardised` is (here - training) / sqrt((SD here² + SD training²) / 2), and None if a cohort has no
    value. It is infinite if neither cohort varies and the means differ.
    """

    name: str
    training: Summary | None
    here: Summary | None
    standardised: float | None

    @property
    def is_large(self) -> bool:
        """Whether the means are half an SD or more apart."""
        return self.standardised is not None and abs(self.standardised) >= LARGE


def summarise(rows: Sequence[Mapping[str, float]]) -> dict[str, Summary]:
    """The summary of each variable over `rows`, one row per recording or patient. NaN is a missing value.

    A variable without a value is left out.
    """
    found: dict[str, Summary] = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        value_P = np.array([row.get(name, math.nan) for row in rows], dtype=np.float64)
        value_P = value_P[np.isfinite(value_P)]
        if len(value_P):
            sd = float(value_P.std(ddof=1)) if len(value_P) > 1 else 0.0
            found[name] = Summary(mean=float(value_P.mean()), sd=sd, num=len(value_P))
    return found


def differences(training: Mapping[str, Summary], here: Mapping[str, Summary]) -> tuple[Difference, ...]:
    """Every variable of either cohort, those of the training cohort first."""
    return tuple(
        Difference(
            name=name,
            training=training.get(name),
            here=here.get(name),
            standardised=_standardised(training.get(name), here.get(name)),
        )
        for name in dict.fromkeys((*training, *here))
    )


def _standardised(training: Summary | None, here: Summary | None) -> float | None:
    if training is None or here is None:
        return None
    difference = here.mean - training.mean
    scale = math.sqrt((training.sd**2 + here.sd**2) / 2)
    if scale > 0:
        return difference / scale
    return math.copysign(math.inf, difference) if difference else 0.0
