import pytest
from pydantic import ValidationError

from crtcore.config import ResourcesConfig


def test_a_trial_holds_the_gpus_that_pretrain_its_network() -> None:
    resources = ResourcesConfig.model_validate({"trial": {"gpus": 4}, "pretrain": {"gpus": 4}})
    assert resources.pretrain.gpus == 4
    for held in (0, 0.5, 3):
        with pytest.raises(ValidationError, match=rf"pretrain.gpus is 4 and a trial holds {held:g}: raise"):
            ResourcesConfig.model_validate({"trial": {"gpus": held}, "pretrain": {"gpus": 4}})
    assert ResourcesConfig.model_validate({"trial": {"gpus": 0.5}}).pretrain.gpus == 1
