"""When a trial is stopped early: asynchronous successive halving (Li et al., MLSys 2020) on epochs.

The rule of Optuna's SuccessiveHalvingPruner (same decisions, see the tests), which writes each rung it
decides to the study and, asked again after a crash between that write and the trial's end, lets the trial go
on. Here the curves are all there is, so the answer can be asked for again.
"""

from collections.abc import Iterable, Mapping

from crtcore.config import SchedulerConfig

Curve = Mapping[int, float]  # epoch -> value, higher is better


def is_out(scheduler: SchedulerConfig, epoch: int, value: float, others: Iterable[Curve]) -> bool:
    """Whether a trial that stands at `value` after `epoch` epochs is stopped.

    Rungs are at grace_epochs * reduction_factor ** k epochs. At a rung a trial goes on if it is among the
    best 1 / reduction_factor of all trials that came so far (at least: if it is the best).
    """
    if scheduler.name == "none" or not _is_rung(scheduler, epoch):
        return False
    values = sorted([value, *(curve[epoch] for curve in others if epoch in curve)], reverse=True)
    num_kept = max(1, len(values) // scheduler.reduction_factor)
    return value < values[num_kept - 1]


def _is_rung(scheduler: SchedulerConfig, epoch: int) -> bool:
    rung = scheduler.grace_epochs
    while rung < epoch:
        rung *= scheduler.reduction_factor
    return rung == epoch
