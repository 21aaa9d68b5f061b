import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from crtcore.errors import ConfigError
from crtcore.searchconfig import SearchConfig
from search.scheduling.sampling.space import SEARCHABLE_KEYS, distributions


def search(sampler: str = "tpe", **space: object) -> SearchConfig:
    keys = {key.replace("__", "."): options for key, options in space.items()}
    return SearchConfig.model_validate({"sampler": sampler, "space": keys})


def test_lists_and_ranges_become_distributions_under_the_config_s_own_keys() -> None:
    found = distributions(
        search(
            pretrain__depth=[18, 34],
            spectrogram__window=["hamming", "hann"],
            finetune__learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
            finetune__batch_size={"low": 16, "high": 2048, "log": True},
            finetune__frozen_groups={"low": 0, "high": 5},
        )
    )
    assert found == {
        "pretrain.depth": CategoricalDistribution((18, 34)),
        "spectrogram.window": CategoricalDistribution(("hamming", "hann")),
        "finetune.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "finetune.batch_size": IntDistribution(16, 2048, log=True),
        "finetune.frozen_groups": IntDistribution(0, 5),
    }


def test_choices_are_converted_as_the_config_converts_them() -> None:
    found = distributions(search(finetune__weight_decay=["1e-3", 0]))
    assert found == {"finetune.weight_decay": CategoricalDistribution((0.001, 0.0))}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"finetune.lerning_rate": [1]}, "did you mean 'finetune.learning_rate'"),
        ({"seed": [1, 2]}, "'seed' cannot be searched; choose from spectrogram.window"),
        ({"finetune.folds": [5, 10]}, "finetune.folds must be the same for all trials"),
        ({"pretrain.depth": [18, 19]}, "pretrain.depth: 19 is not allowed"),
        ({"finetune.batch_size": [64, 4096]}, "finetune.batch_size: 4096 is not allowed"),
        ({"finetune.batch_size": {"low": 64, "high": 4096}}, "finetune.batch_size: 4096.0 is not allowed"),
        ({"finetune.batch_size": {"low": 64.5, "high": 128}}, "finetune.batch_size: 64.5 is not allowed"),
        ({"finetune.batch_size": [64, 64.0]}, "lists a value twice"),
        ({"pretrain.learning_rate": {"low": 0.1, "high": 0.2}}, "must be a list: trials share"),
        ({"finetune.lead_fusion": {"low": 0.1, "high": 0.2}}, "must be a list: the setting is not a number"),
        ({}, "search.space is empty"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_remedy(space: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        distributions(SearchConfig.model_validate({"space": space}))


def test_a_grid_takes_lists_only() -> None:
    with pytest.raises(ConfigError, match="cannot cover a range"):
        distributions(search("grid", finetune__learning_rate={"low": 1e-4, "high": 1e-2}))


def test_one_trial_needs_no_space() -> None:
    assert distributions(SearchConfig(trials=1)) == {}


def test_the_required_settings_can_be_searched() -> None:
    required = {"pretrain.depth", "finetune.frozen_groups", "finetune.learning_rate", "finetune.batch_size"}
    assert required < set(SEARCHABLE_KEYS)
    assert "finetune.repeats" not in SEARCHABLE_KEYS
