"""How a sweep ended: by which budget, and what failed in it, for the report at its end."""

from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from search.study.attributes import ELAPSED_S, ENDED_BY, REASON, SAVED_SECONDS, SECONDS
from search.study.study import open_study

ENDINGS = {
    "trials": "all its trials are finished",
    "grid": "all points of its grid are tried",
    "wall_clock": "search.wall_clock was used up; a larger one goes on where it was",
    "gpu_hours": "search.gpu_hours were used up; more of them go on where it was",
    "halted": "it was halted; once that is mended, the same command goes on where it was",
    "interrupted": "it was interrupted; the same command goes on where it was",
}
MAX_NUMBERS = 10  # of trials that failed alike, named one by one


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A reason, and the trials that failed for it."""

    reason: str
    trials: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How sweep `name` ended. `ended_by` is a key of ENDINGS, None while it runs for the first time or after
    its driver was killed; the seconds are of its trials together, `saved_s` what they did not compute
    because another one had.
    """

    name: str
    ended_by: str | None
    num_finished: int
    num_unfinished: int
    elapsed_s: float
    computed_s: float
    saved_s: float
    failures: tuple[Failure, ...]

    def sentences(self) -> tuple[str, ...]:
        """The outcome in words; failures last, one sentence for each reason."""
        left = f", {self.num_unfinished} wait" if self.num_unfinished else ""
        why = ENDINGS[self.ended_by] if self.ended_by else "it has not come to an end"
        ratio = (self.computed_s + self.saved_s) / self.computed_s if self.computed_s else None
        shared = f", {ratio:.1f} times less than without shared stages" if ratio else ""
        return (
            f"Sweep {self.name}: {self.num_finished} trials finished{left}; {why}.",
            f"Computed: {_hours(self.computed_s)}; read instead of computed: {_hours(self.saved_s)}{shared}.",
            *(f"Failed: {_numbers(failure.trials)}: {failure.reason}." for failure in self.failures),
        )


def sweep_outcome(storage: str, name: str) -> Outcome:
    """The outcome of sweep `name` as its study tells it. SweepError if there is no such sweep."""
    return outcome_of(open_study(storage, name, create=False))


def outcome_of(study: optuna.Study) -> Outcome:
    """The outcome of a study."""
    trials = study.get_trials(deepcopy=False)
    reasons: dict[str, list[int]] = {}
    for trial in trials:
        if trial.state == TrialState.FAIL:
            reasons.setdefault(REASON.of(trial) or "no reason known", []).append(trial.number)
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
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _numbers(trials: tuple[int, ...]) -> str:
    named = ", ".join(map(str, trials[:MAX_NUMBERS]))
    more = f" and {len(trials) - MAX_NUMBERS} more" if len(trials) > MAX_NUMBERS else ""
    return f"trial{'s' if len(trials) > 1 else ''} {named}{more}"
