"""A learning curve in a few characters."""

from collections.abc import Iterable
from typing import Final

BLOCKS: Final = "▁▂▃▄▅▆▇█"
LOW, HIGH = 0.5, 1.0  # AUCs that the lowest and the highest block stand for: curves of all trials compare


def sparkline(values: Iterable[float], *, max_length: int = 12) -> str:
    """AUCs as blocks, chance the lowest and 1 the highest; of a longer curve evenly spaced points, the last
    always.
    """
    curve = list(values)
    if len(curve) > max_length:
        step = (len(curve) - 1) / (max_length - 1)
        curve = [curve[round(index * step)] for index in range(max_length)]
    return "".join(_block(value) for value in curve)


def _block(value: float) -> str:
    share = (min(max(value, LOW), HIGH) - LOW) / (HIGH - LOW)
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]
