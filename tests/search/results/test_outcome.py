from pathlib import Path
from typing import get_args

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.results.outcome import ENDINGS, Failure, outcome_of, sweep_outcome
from search.study.attributes import ELAPSED_S, ENDED_BY, EndedBy
from search.study.study import open_study


def test_the_sentences_name_the_budget_and_group_failures_by_reason(tmp_path: Path) -> None:
    study = open_study(str(tmp_path), "demo", create=True)
    assert sweep_outcome(str(tmp_path), "demo").sentences()[0].endswith("it has not ended.")
    for state, reason in (
        (TrialState.COMPLETE, ""),
        (TrialState.FAIL, "OSError: [Errno 28] No space left on device"),
        (TrialState.PRUNED, ""),
        (TrialState.FAIL, "auc is nan after epoch 2"),
        (TrialState.FAIL, "OSError: [Errno 28] No space left on device"),
        (TrialState.WAITING, ""),
    ):
        costs = {"seconds": 60.0, "saved_seconds": 120.0} if state.is_finished() else {}
        attrs = {**costs, **({"reason": reason} if reason else {})}
        value = 0.7 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, user_attrs=attrs))
    ENDED_BY.write(study, "wall_clock")
    ELAPSED_S.write(study, 99.0)
    outcome = sweep_outcome(str(tmp_path), "demo")
    assert outcome.failures == (
        Failure(reason="OSError: [Errno 28] No space left on device", trials=(1, 4)),
        Failure(reason="auc is nan after epoch 2", trials=(3,)),
    )
    assert (outcome.num_finished, outcome.num_unfinished, outcome.elapsed_s) == (5, 1, 99.0)
    assert outcome.sentences() == (
        (
            "Sweep demo: 5 trials finished, 1 unfinished; search.wall_clock is used up; raise it and run the "
            "same command to continue."
        ),
        (
            "Computing time of the trials: 5 minutes; saved by reused stages: 10 minutes (3.0 times less "
            "than without shared stages)."
        ),
        "Failed: trials 1, 4: OSError: [Errno 28] No space left on device.",
        "Failed: trial 3: auc is nan after epoch 2.",
    )


@pytest.mark.parametrize("ended_by", ENDINGS)
def test_every_ending_has_a_sentence(ended_by: EndedBy) -> None:
    study = optuna.create_study(direction="maximize")
    ENDED_BY.write(study, ended_by)
    assert ENDINGS[ended_by] in outcome_of(study).sentences()[0]
    assert set(ENDINGS) == set(get_args(EndedBy))
