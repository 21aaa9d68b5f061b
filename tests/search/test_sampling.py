import itertools

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from crtcore.config import SearchConfig
from search.sampling import num_proposals, propose
from search.space import distributions

LISTS = {"pretrain.depth": [18, 34, 50], "finetune.frozen_groups": [0, 5]}
RANGE = {"finetune.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def config(sampler: str, trials: int = 40) -> SearchConfig:
    space = LISTS if sampler == "grid" else {**LISTS, **RANGE}
    return SearchConfig.model_validate({"sampler": sampler, "space": space, "trials": trials})


def study(search: SearchConfig, num_trials: int) -> optuna.Study:
    """A study in which depth 50 at a high rate is best."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(direction="maximize")
    space = distributions(search)
    for number in range(num_trials):
        params = propose(search, space, made, seed=1, number=number)
        value = params["pretrain.depth"] / 100 + 10 * params.get("finetune.learning_rate", 0)
        made.add_trial(create_trial(params=params, distributions=space, value=value))
    return made


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_proposal_depends_on_seed_number_and_study_alone(sampler: str) -> None:
    search = config(sampler)
    space, one, two = distributions(search), study(search, 15), study(search, 15)

    def ask(made: optuna.Study, seed: int, number: int) -> dict[str, object]:
        return propose(search, space, made, seed=seed, number=number)

    first = ask(one, 1, 15)
    ask(one, 1, 16)  # asking leaves no trace
    assert ask(one, 1, 15) == ask(two, 1, 15) == first
    assert len(one.get_trials()) == 15
    assert ask(one, 2, 15) != first
    assert ask(one, 1, 16) != first


def test_tpe_learns_from_the_study() -> None:
    search = config("tpe")
    space, made = distributions(search), study(search, 30)
    proposals = [propose(search, space, made, seed=7, number=number) for number in range(30, 60)]
    assert sum(params["pretrain.depth"] == 50 for params in proposals) > 15  # by chance: 10


def test_tpe_keeps_away_from_what_is_running() -> None:
    search = config("tpe")
    space, made = distributions(search), study(search, 30)
    params = propose(search, space, made, seed=7, number=30)
    running = create_trial(state=TrialState.RUNNING, params=params, distributions=space)
    made.add_trials([running] * 20)
    assert propose(search, space, made, seed=7, number=30) != params


def test_a_grid_visits_each_point_once_in_an_order_of_the_seed() -> None:
    search = config("grid")
    space, made = distributions(search), optuna.create_study()
    assert num_proposals(search, space) == 6
    assert num_proposals(config("grid", trials=4), space) == 4
    points = [tuple(propose(search, space, made, seed=1, number=number).values()) for number in range(6)]
    assert set(points) == set(itertools.product([18, 34, 50], [0, 5]))
    others = [tuple(propose(search, space, made, seed=2, number=number).values()) for number in range(6)]
    assert set(others) == set(points) and others != points


def test_an_empty_space_has_one_point() -> None:
    search = SearchConfig(trials=1)
    assert num_proposals(search, {}) == 1
    assert propose(search, {}, optuna.create_study(), seed=0, number=0) == {}
