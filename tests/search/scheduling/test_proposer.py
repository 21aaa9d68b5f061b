import optuna
import pytest

from crtcore.config import Experiment
from crtcore.errors import ConfigError
from crtcore.pipeline import Plan
from search.scheduling.proposer import Proposer
from search.study.ledger import Ledger
from tests.search.fake_sweep import plan_of


def proposer(
    sampler: str, heads: list[str], frozen: list[int], planned: list[Experiment] | None = None
) -> Proposer:
    """A proposer of 12 trials that adds each experiment that it plans to `planned`."""
    planned = [] if planned is None else planned
    space = {"finetune.head": heads, "finetune.frozen_groups": frozen}
    experiment = Experiment.model_validate(
        {
            "name": "demo",
            "arrhythmia": {"database": "none"},
            "cohort": {"manifest": "none"},
            "search": {"sampler": sampler, "space": space, "trials": 12},
        }
    )

    def counted_plan(experiment: Experiment) -> Plan:
        planned.append(experiment)
        return plan_of(experiment)

    return Proposer(
        experiment,
        plan_of=counted_plan,
        prepare=lambda plan: None,
        foreknown=lambda experiment: {},
        first=(),
    )


@pytest.mark.parametrize("sampler", ["random", "tpe", "grid"])
def test_settings_that_cannot_be_combined_are_not_proposed(sampler: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ledger = Ledger(optuna.create_study(direction="maximize"))
    planned: list[Experiment] = []
    made = proposer(sampler, ["linear", "svm"], [4, 5], planned)
    points = [tuple(made.propose(ledger).params.values()) for _ in range(made.num_proposals)]
    assert set(points) == {("linear", 4), ("linear", 5), ("svm", 5)}
    assert len(points) == (3 if sampler == "grid" else 12)
    assert len(planned) == len(points)  # points that are refused are not planned
    assert len(ledger) == len(ledger.study.get_trials()) == len(points)


def test_a_space_without_a_usable_point_is_refused() -> None:
    with pytest.raises(ConfigError, match="settings that can be combined"):
        proposer("grid", ["svm"], [3, 4])
