import pytest
from pydantic import ValidationError

from crtcore.config import NUM_GROUPS, Experiment, ResourcesConfig
from crtcore.configfile import override
from crtcore.errors import ConfigError
from crtcore.model.backbones import GROUPS


def test_a_trial_holds_the_gpus_that_pretrain_its_network() -> None:
    resources = ResourcesConfig.model_validate({"trial": {"gpus": 4}, "pretrain": {"gpus": 4}})
    assert resources.pretrain.gpus == 4
    for held in (0, 0.5, 3):
        with pytest.raises(ValidationError, match=rf"pretrain.gpus is 4 and a trial holds {held:g}: raise"):
            ResourcesConfig.model_validate({"trial": {"gpus": held}, "pretrain": {"gpus": 4}})
    assert ResourcesConfig.model_validate({"trial": {"gpus": 0.5}}).pretrain.gpus == 1


@pytest.fixture
def experiment() -> Experiment:
    return Experiment.model_validate(
        {"name": "demo", "arrhythmia": {"database": "mitdb"}, "cohort": {"manifest": "cohort.csv"}}
    )


@pytest.mark.parametrize("head", ["logistic_regression", "svm", "cubic_svm", "random_forest"])
def test_heads_of_scikit_learn_need_a_frozen_network(experiment: Experiment, head: str) -> None:
    with pytest.raises(
        ConfigError,
        match=rf"^search space: finetune.head {head} .*\.frozen_groups is 4; set it to 5, or the head",
    ):
        override(experiment, {"finetune.head": head, "finetune.frozen_groups": 4})
    frozen = override(experiment, {"finetune.head": head, "finetune.frozen_groups": 5})
    assert frozen.finetune.head == head


def test_a_simple_model_that_cannot_exist_is_refused(experiment: Experiment) -> None:
    with pytest.raises(ConfigError, match="pixels reads spectrograms, and resnet1d reads waveforms"):
        override(experiment, {"finetune.model": "pixels", "pretrain.architecture": "resnet1d"})
    with pytest.raises(ConfigError, match="needs a network that is pre-trained"):
        override(experiment, {"finetune.model": "pretrained_features", "pretrain.objective": "none"})
    assert experiment.finetune.model == "network"


def test_all_groups_of_a_network_can_be_frozen() -> None:
    assert len(GROUPS) == NUM_GROUPS
