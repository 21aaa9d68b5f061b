"""How a sweep ended: which budget ended it, how much it computed, and what failed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import humanize
import optuna
from optuna.trial import FrozenTrial, TrialState

from search.study.attributes import ELAPSED_S, ENDED_BY, REASON, REBUILT, SAVED_SECONDS, SECONDS, EndedBy
from search.study.study import open_study

ENDINGS: Final[Mapping[EndedBy, str]] = {
    "trials": "all its trials are finished",
    "grid": "all points of its grid were tried",
    "wall_clock": "search.wall_clock is used up; raise it and run the same command to continue",
    "gpu_hours": "search.gpu_hours are used up; raise them and run the same command to continue",
    "halted": "it was halted; fix the cause and run the same command to resume",
    "interrupted": "it was interrupted; run the same command to resume",
}
SAME_METRIC: Final = 1e-6  # a larger difference is another result
MAX_NUMBERS: Final = 10  # trials listed by number for one reason of failure


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A reason, and the trials that failed for it."""

    reason: str
    trials: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How sweep `name` ended.

    `ended_by` is a key of ENDINGS, or None if the sweep has not ended or its driver was killed. `computed_s`
    sums the seconds of all trials; `saved_s` is what the stages that they reused had cost. `rebuilt` are
    trials whose results were lost or damaged and computed again, `changed` those of them that then had
    another metric.
    """

    name: str
    ended_by: EndedBy | None
    num_finished: int
    num_unfinished: int
    elapsed_s: float
    computed_s: float
    saved_s: float
    failures: tuple[Failure, ...]
    rebuilt: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """The outcome in words. Failures come last, one sentence for each reason."""
        unfinished = f", {self.num_unfinished} unfinished" if self.num_unfinished else ""
        why = ENDINGS[self.ended_by] if self.ended_by else "it has not ended"
        ratio = (self.computed_s + self.saved_s) / self.computed_s if self.computed_s else None
        shared = f" ({ratio:.1f} times less than without shared stages)" if ratio else ""
        return (
            f"Sweep {self.name}: {self.num_finished} trials finished{unfinished}; {why}.",
            (
                f"Computing time of the trials: {_duration(self.computed_s)}; saved by reused stages: "
                f"{_duration(self.saved_s)}{shared}."
            ),
            *self._rebuilt_sentences(),
            *(f"Failed: {_numbers(failure.trials)}: {failure.reason}." for failure in self.failures),
        )

    def _rebuilt_sentences(self) -> Iterator[str]:
        if self.rebuilt:
            yield f"Rebuilt, because the stages were lost or damaged: {_numbers(self.rebuilt)}."
        if self.changed:
            yield (
                f"Rebuilt with another result than before, so this machine computes differently: "
                f"{_numbers(self.changed)}; the leaderboard ranks them by the first result."
            )


def sweep_outcome(storage: str, name: str) -> Outcome:
    """The outcome of sweep `name`. SweepError if there is no such sweep."""
    return outcome_of(open_study(storage, name, create=False))


def outcome_of(study: optuna.Study) -> Outcome:
    """The outcome of the sweep that a study records."""
    trials = study.get_trials(deepcopy=False)
    reasons: dict[str, list[int]] = {}
    for trial in trials:
        if trial.state == TrialState.FAIL:
            reasons.setdefault(REASON.of(trial) or "unknown reason", []).append(trial.number)
    rebuilt = {int(number): metric for number, metric in REBUILT.of(study).items()}
    num_finished = sum(trial.state.is_finished() for trial in trials)
    return Outcome(
        name=study.study_name,
        ended_by=ENDED_BY.of(study),
        num_finished=num_finished,
        num_unfinished=len(trials) - num_finished,
        elapsed_s=ELAPSED_S.of(study),
        computed_s=sum(SECONDS.of(trial) or 0.0 for trial in trials),
        saved_s=sum(SAVED_SECONDS.of(trial) for trial in trials),
        failures=tuple(Failure(reason=reason, trials=tuple(numbers)) for reason, numbers in reasons.items()),
        rebuilt=tuple(sorted(rebuilt)),
        changed=tuple(
            trial.number
            for trial in trials
            if trial.number in rebuilt and abs(rebuilt[trial.number] - _last(trial)) > SAME_METRIC
        ),
    )


def _last(trial: FrozenTrial) -> float:
    curve = trial.intermediate_values
    return curve[max(curve)]


def _duration(seconds: float) -> str:
    """Hours and minutes."""
    return humanize.precisedelta(
        seconds, minimum_unit="minutes", suppress=["days", "months", "years"], format="%.1f"
    )


def _numbers(trials: tuple[int, ...]) -> str:
    named = ", ".join(map(str, trials[:MAX_NUMBERS]))
    more = f" and {len(trials) - MAX_NUMBERS} more" if len(trials) > MAX_NUMBERS else ""
    return f"trial{'s' if len(trials) > 1 else ''} {named}{more}"
