"""A leaderboard of rows that a test knows: no sweep ran."""

from search.results.leaderboard import Leaderboard, Row
from search.study.update import State

METRICS = {"accuracy": 0.7, "sensitivity": 0.8, "specificity": 0.6}


def row(
    number: int,
    params: dict[str, object],
    *,
    state: State = "COMPLETE",
    auc: float = 0.75,
    stages: dict[str, str | None] | None = None,
) -> Row:
    complete = state == "COMPLETE"
    return Row(
        number=number,
        state=state,
        params=params,
        num_epochs=2,
        last_auc=auc,
        auc=auc if complete else None,
        auc_sd=0.05 if complete else None,
        metrics=METRICS if complete else {},
        counts={},
        seconds=12.4 if complete else None,
        stages=stages or {},
        reason=None,
    )


def board(*rows: Row) -> Leaderboard:
    return Leaderboard(name="test", rows=rows)
