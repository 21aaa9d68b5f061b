import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.model.backbones import Backbone
from crtcore.model.freezing import freeze_groups
from crtcore.searchconfig import SearchConfig
from search.scheduling.sampling.objectives import directions, foreknown, is_within


@pytest.fixture
def experiment() -> Experiment:
    return Experiment.model_validate(
        {"name": "demo", "arrhythmia": {"database": "none"}, "cohort": {"manifest": "none"}}
    )


@pytest.mark.parametrize("frozen", [0, 3, 5])
def test_trainable_weights_are_counted_without_building_them(experiment: Experiment, frozen: int) -> None:
    backbone = Backbone(18)
    freeze_groups(backbone, frozen)
    body = sum(parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)
    for fusion, amplitude, num_inputs in (
        ("concatenate", False, 3 * 512),
        ("concatenate", True, 3 * 513),
        ("mean", False, 512),
        ("mean_prediction", False, 512),
    ):
        changes = {"frozen_groups": frozen, "lead_fusion": fusion, "amplitude": amplitude}
        changed = override(experiment, {f"finetune.{key}": value for key, value in changes.items()})
        assert foreknown(changed, num_leads=3) == {"trainable_parameters": body + num_inputs + 1}


def test_auc_is_maximised_and_parameters_are_minimised(experiment: Experiment) -> None:
    assert directions(experiment) == ["maximize"]
    both = {"objectives": ["auc", "trainable_parameters"], "scheduler": {"name": "none"}}
    assert directions(override(experiment, {"search": both})) == ["maximize", "minimize"]


def test_a_bound_is_kept_up_to_its_value() -> None:
    assert is_within({"trainable_parameters": 10.0}, {"trainable_parameters": 10.0})
    assert not is_within({"trainable_parameters": 10.0}, {"trainable_parameters": 11.0})
    assert is_within({}, {})


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"objectives": ["auc", "trainable_parameters"]}, r"set search\.scheduler\.name to none"),
        ({"objectives": ["trainable_parameters"]}, "objectives must include auc"),
        ({"objectives": ["auc", "auc"]}, "lists a value twice"),
        (
            {
                "objectives": ["auc", "trainable_parameters"],
                "scheduler": {"name": "none"},
                "sampler": "cmaes",
            },
            "cmaes works with one objective",
        ),
        ({"study": "postgres"}, "neither sqlite, journal nor a database URL"),
        ({"wall_clock": "soon"}, "90m, 2h or 1d"),
        ({"wall_clock": 0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be_combined_are_refused(search: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchConfig.model_validate(search)


def test_a_time_may_have_a_unit() -> None:
    read = [
        SearchConfig.model_validate({"wall_clock": text}).wall_clock for text in (90, "90m", "1.5h", "2d")
    ]
    assert read == [90, 5400, 5400, 172800]
