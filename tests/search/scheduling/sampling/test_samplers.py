import itertools
import statistics

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from crtcore.errors import ConfigError
from crtcore.searchconfig import SearchConfig
from search.scheduling.sampling.samplers import Sampling
from search.scheduling.sampling.space import distributions

LISTS = {"pretrain.depth": [18, 34, 50], "finetune.frozen_groups": [0, 5]}
RANGE = {"finetune.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
SEEDED = ("tpe", "gp", "cmaes", "random")


def config(sampler: str, trials: int = 40, **more: object) -> SearchConfig:
    space = LISTS if sampler == "grid" else {**LISTS, **RANGE}
    return SearchConfig.model_validate({"sampler": sampler, "space": space, "trials": trials, **more})


def sampling(search: SearchConfig, seed: int = 1) -> Sampling:
    return Sampling(search, distributions(search), seed=seed)


def study(search: SearchConfig, num_trials: int) -> optuna.Study:
    """A study in which depth 50 at a high rate is best."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(direction="maximize")
    sampler, space = sampling(search), distributions(search)
    for number in range(num_trials):
        suggestion = sampler.propose(made, number)
        params = suggestion.params
        value = params["pretrain.depth"] / 100 + 10 * params.get("finetune.learning_rate", 0)
        attrs = dict(suggestion.system_attrs)
        made.add_trial(create_trial(params=params, distributions=space, value=value, system_attrs=attrs))
    return made


@pytest.mark.parametrize("sampler", SEEDED)
def test_a_proposal_depends_on_seed_number_and_study_alone(sampler: str) -> None:
    search = config(sampler)
    one, two = study(search, 15), study(search, 15)

    def ask(made: optuna.Study, seed: int, number: int) -> dict[str, object]:
        return sampling(search, seed).propose(made, number).params

    first = ask(one, 1, 15)
    ask(one, 1, 16)  # asking changes nothing
    assert ask(one, 1, 15) == ask(two, 1, 15) == first
    assert len(one.get_trials()) == 15
    if sampler != "gp":  # its best point may not depend on the seed
        assert ask(one, 2, 15) != first
        assert ask(one, 1, 16) != first


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_it_learns_from_the_study(sampler: str) -> None:
    value = [trial.value or 0.0 for trial in study(config(sampler), 30).get_trials()]
    assert statistics.mean(value[-10:]) > statistics.mean(value[:10]) + 0.05


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_it_avoids_points_that_run_or_wait(sampler: str) -> None:
    search = config(sampler)
    for state in (TrialState.RUNNING, TrialState.WAITING):
        made = study(search, 20)
        params = sampling(search, 7).propose(made, 20).params
        unfinished = create_trial(state=state, params=params, distributions=distributions(search))
        made.add_trials([unfinished] * 20)
        assert sampling(search, 7).propose(made, 20).params != params


def test_a_grid_visits_each_point_once_in_an_order_that_the_seed_gives() -> None:
    search = config("grid")
    one, two, made = sampling(search, 1), sampling(search, 2), optuna.create_study()
    assert one.num_proposals == 6
    assert sampling(config("grid", trials=4)).num_proposals == 4
    points = [tuple(one.propose(made, number).params.values()) for number in range(6)]
    assert set(points) == set(itertools.product([18, 34, 50], [0, 5]))
    others = [tuple(two.propose(made, number).params.values()) for number in range(6)]
    assert set(others) == set(points) and others != points


def test_an_empty_space_has_one_point() -> None:
    sampler = Sampling(SearchConfig(trials=1), {}, seed=0)
    assert sampler.num_proposals == 1
    assert sampler.propose(optuna.create_study(), 0).params == {}


@pytest.mark.parametrize("sampler", [*SEEDED, "grid"])
def test_what_is_not_allowed_is_never_proposed(sampler: str) -> None:
    search = config(sampler)
    made = study(search, 6 if sampler == "grid" else 15)  # depth 50 is best in it

    def bounded(max_depth: int) -> Sampling:
        return Sampling(
            search,
            distributions(search),
            seed=1,
            is_allowed=lambda params: bool(params["pretrain.depth"] <= max_depth),
        )

    only = bounded(18)
    numbers = range(2) if sampler == "grid" else range(15, 18)
    assert {only.propose(made, number).params["pretrain.depth"] for number in numbers} == {18}
    if sampler == "grid":
        assert only.num_proposals == 2
    with pytest.raises(ConfigError, match=r"no point of search\.space keeps search\.constraints"):
        bounded(10).propose(made, 15)


def test_given_points_are_proposed_first_and_missing_parameters_are_drawn() -> None:
    search = config("tpe")
    first = [{"pretrain.depth": 34, "finetune.learning_rate": 0.005}]
    sampler = Sampling(search, distributions(search), seed=1, first=first)
    made = optuna.create_study(direction="maximize")
    params = sampler.propose(made, 0).params
    assert params["pretrain.depth"] == 34 and params["finetune.learning_rate"] == 0.005
    assert params["finetune.frozen_groups"] in (0, 5)
    assert sampler.propose(made, 1).params == sampling(search).propose(made, 1).params


def test_samplers_of_several_objectives_get_several() -> None:
    for sampler in ("tpe", "gp", "random"):
        search = config(sampler, objectives=["auc", "trainable_parameters"], scheduler={"name": "none"})
        made = optuna.create_study(directions=["maximize", "minimize"])
        trial = create_trial(
            params=sampling(search).propose(made, 0).params,
            distributions=distributions(search),
            values=[0.7, 5e6],
        )
        made.add_trials([trial] * 12)
        assert set(sampling(search).propose(made, 12).params) == set(distributions(search))
