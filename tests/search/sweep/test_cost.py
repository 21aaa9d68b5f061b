"""The estimate is the sum of what each stage costs; a probe measures one image."""

from typing import Any

import pytest
import torch

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.model.backbones import Backbone
from crtcore.pipeline import open_store, plan, prepare, read_sources
from search.sweep.cost import Estimate, Probe, estimate, estimate_missing, expected_beats, probe_of

CPU = torch.device("cpu")


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image takes 1 s in the frozen groups (and 10 bytes), 2 s in the others."""

    def probe(experiment: Experiment, frozen_groups: int, device: torch.device) -> Probe:
        return Probe(prefix_s=1.0, prefix_bytes=10, tail_s=2.0, num_weights=100)

    monkeypatch.setattr("search.sweep.cost.probe_of", probe)


def cost(
    *,
    pretrain: list[Experiment],
    features: list[Experiment],
    finetune: list[Experiment],
    num_trials: int,
) -> Estimate:
    return estimate_missing(
        pretrain=pretrain,
        features=features,
        finetune=finetune,
        num_trials=num_trials,
        num_arrhythmia_images=300,
        num_cohort_images=24,
        device=CPU,
    )


@pytest.mark.usefixtures("one_second")
class TestTheSum:
    def test_pretraining_costs_all_its_images_in_each_epoch(self, tiny: Experiment) -> None:
        config = override(tiny, {"pretrain.epochs": 3})
        whole = cost(pretrain=[config], features=[], finetune=[], num_trials=1)
        assert whole.hours * 3600 == pytest.approx(3 * 300 * 2.0)
        assert whole.num_bytes == 400
        drawn = override(config, {"pretrain.images_per_epoch": 50})
        assert cost(pretrain=[drawn], features=[], finetune=[], num_trials=1).hours * 3600 == pytest.approx(
            3 * 50 * 2.0
        )

    def test_an_untrained_network_costs_only_its_bytes(self, tiny: Experiment) -> None:
        untrained = override(tiny, {"pretrain.objective": "none"})
        result = cost(pretrain=[untrained], features=[], finetune=[], num_trials=1)
        assert (result.hours, result.num_bytes) == (0.0, 400)

    def test_features_cost_one_pass_over_the_cohort(self, tiny: Experiment) -> None:
        result = cost(pretrain=[], features=[tiny], finetune=[], num_trials=1)
        assert result.hours * 3600 == pytest.approx(24 * 1.0)
        assert result.num_bytes == 240

    def test_a_trial_trains_on_all_folds_but_one_and_scores_that_one(self, tiny: Experiment) -> None:
        config = override(tiny, {"finetune.epochs": 4, "finetune.folds": 5, "finetune.repeats": 2})
        result = cost(pretrain=[], features=[], finetune=[config], num_trials=3)
        assert result.hours * 3600 == pytest.approx(3 * 24 * 4 * 2 * (4 + 1 / 3) * 2.0)

    def test_one_trial_builds_one_pretraining_of_several(self, tiny: Experiment) -> None:
        several = [tiny, tiny, tiny]
        assert cost(pretrain=several, features=[], finetune=[], num_trials=1).num_pretrainings == 1
        one = cost(pretrain=several, features=several, finetune=[], num_trials=1)
        alone = cost(pretrain=[tiny], features=[tiny], finetune=[], num_trials=1)
        assert one.hours == pytest.approx(alone.hours)
        assert one.num_bytes == alone.num_bytes

    def test_no_trials_cost_nothing(self, tiny: Experiment) -> None:
        result = cost(pretrain=[tiny], features=[tiny], finetune=[tiny], num_trials=0)
        assert (result.num_pretrainings, result.hours, result.num_bytes) == (0, 0.0, 0)

    def test_only_missing_stages_are_counted_and_a_prepared_set_knows_its_images(
        self, tiny: Experiment
    ) -> None:
        store, sources = open_store(tiny), read_sources(tiny)
        before = estimate(store, tiny, sources, num_trials=1, num_database_beats=7, num_cohort_beats=9)
        assert before is not None
        trial_s = 2 * (1 + 1 / 3) * 2.0  # epochs, passes, seconds per image
        assert before.hours * 3600 == pytest.approx(7 * 2.0 + 18 * 1.0 + 18 * trial_s)  # 9 beats, 2 leads
        prepare(store, plan(tiny, sources))
        store.commit(plan(tiny, sources).pretrain, {"a": b"1"}, {})
        after = estimate(store, tiny, sources, num_trials=1, num_database_beats=7, num_cohort_beats=9)
        assert after is not None
        manifest = store.find(plan(tiny, sources).cohort)
        assert manifest is not None
        num_images = manifest.facts["num_images"]
        assert after.num_pretrainings == 0
        assert after.hours * 3600 == pytest.approx(num_images * (1.0 + trial_s))


def test_a_trial_with_a_gpu_is_not_timed_on_a_machine_without(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with_gpu = override(tiny, {"resources.trial.gpus": 1.0})
    sources = read_sources(with_gpu)
    store = open_store(with_gpu)
    assert estimate(store, with_gpu, sources, num_trials=1, num_database_beats=1, num_cohort_beats=1) is None


@pytest.mark.parametrize(("most", "expected"), [(None, 12 + 75), (20, 12 + 20)])
def test_beats_are_expected_at_75_per_minute_up_to_the_limit(
    tiny: Experiment, most: int | None, expected: int
) -> None:
    cohort = override(tiny, {"cohort.max_beats_per_recording": most}).cohort
    assert expected_beats(cohort, [10.0, 60.0]) == expected


@pytest.mark.parametrize(
    ("frozen_groups", "prefix_floats", "trains"), [(0, 0, True), (4, 256 * 4 * 4, True), (5, 512, False)]
)
def test_a_probe_measures_what_the_frozen_groups_and_the_others_cost(
    tiny: Experiment, frozen_groups: int, prefix_floats: int, trains: bool
) -> None:
    probe = probe_of(tiny, frozen_groups, CPU)
    assert (probe.prefix_s > 0) == (frozen_groups > 0)
    assert probe.prefix_bytes == 4 * prefix_floats
    assert (probe.tail_s > 0) == trains
    assert probe.num_weights == sum(parameter.numel() for parameter in Backbone(18).parameters())
    assert probe_of(tiny, frozen_groups, CPU) is probe  # measured once


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "at most about 1 hour and 30 minutes (2 pre-trainings)"),
        ({"hours": 0.4, "num_pretrainings": 1}, "at most about 24 minutes (1 pre-training)"),
        ({"hours": 0.0}, "at most about 1 minute ("),
        ({"num_bytes": 1_250_000_000}, "about 1.2 GB."),
    ],
)
def test_the_estimate_in_words(changes: dict[str, Any], words: str) -> None:
    values: dict[str, Any] = {"num_pretrainings": 2, "hours": 1.5, "num_bytes": 10} | changes
    assert words in Estimate(**values).sentence()
