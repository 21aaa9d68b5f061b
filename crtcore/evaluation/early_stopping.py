"""At which epochs a scheduler decides on a trial. `search/scheduling/pruning.py` decides in a running sweep,
`replay.py` repeats the decisions in each bootstrap draw, and both ask here.
"""

import binascii
import math

from crtcore.searchconfig import SchedulerConfig


def is_rung(scheduler: SchedulerConfig, bracket: int, epoch: int) -> bool:
    """Whether successive halving decides after this epoch: rungs are at
    grace_epochs * reduction_factor ** (bracket + k) epochs.
    """
    rung: int = scheduler.grace_epochs * scheduler.reduction_factor**bracket
    while rung < epoch:
        rung *= scheduler.reduction_factor
    return rung == epoch


def bracket_of(scheduler: SchedulerConfig, name: str, number: int, *, num_epochs: int) -> int:
    """Hyperband's bracket of trial `number` of sweep `name`; 0 for other schedulers. A hash of name and
    number chooses it, in proportion to the trials that each bracket should get. Optuna's HyperbandPruner does
    the same.
    """
    if scheduler.name != "hyperband":
        return 0
    shares = _shares(scheduler, num_epochs)
    place = binascii.crc32(f"{name}_{number}".encode()) % sum(shares)
    bracket = 0
    while place >= shares[bracket]:
        place -= shares[bracket]
        bracket += 1
    return bracket


def _shares(scheduler: SchedulerConfig, num_epochs: int) -> list[int]:
    span = max(1.0, num_epochs / scheduler.grace_epochs)
    num_brackets = math.floor(math.log(span, scheduler.reduction_factor)) + 1
    return [
        math.ceil(num_brackets * scheduler.reduction_factor**left / (left + 1))
        for left in reversed(range(num_brackets))
    ]
