"""Which stages a search space can ask for."""

from typing import Any

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.pipeline import open_store, plan, prepare, read_sources
from search.sweep.stage_counts import stage_counts, variants_of


def searching(tiny: Experiment, space: dict[str, Any]) -> Experiment:
    return Experiment.model_validate(tiny.model_dump() | {"search": {"space": space}})


def test_only_settings_of_shared_stages_make_variants(tiny: Experiment) -> None:
    space = {
        "pretrain.depth": (18, 34),
        "finetune.frozen_groups": (3, 5),
        "finetune.batch_size": (16, 32, 64),
        "finetune.learning_rate": {"low": 1e-4, "high": 1e-2},
    }
    variants = [
        (each.pretrain.depth, each.finetune.frozen_groups) for each in variants_of(searching(tiny, space))
    ]
    assert variants == [(18, 3), (18, 5), (34, 3), (34, 5)]


def test_without_a_space_the_only_variant_is_the_experiment(tiny: Experiment) -> None:
    assert list(variants_of(tiny)) == [tiny]


def test_a_range_of_whole_numbers_is_every_number_in_it(tiny: Experiment) -> None:
    ranged = searching(tiny, {"finetune.frozen_groups": {"low": 2, "high": 4}})
    assert [each.finetune.frozen_groups for each in variants_of(ranged)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({}, {"shard": 16, "prepare": 2, "pretrain": 1, "features": 1}),
        # A spectrogram of its own needs images, pre-training and features of its own.
        (
            {"spectrogram.window": ("hamming", "hann")},
            {"shard": 32, "prepare": 4, "pretrain": 2, "features": 2},
        ),
        # Pre-training reads no cohort, and features exist only where something is frozen.
        (
            {"pretrain.epochs": (1, 2), "finetune.frozen_groups": (0, 5)},
            {"shard": 16, "prepare": 2, "pretrain": 2, "features": 2},
        ),
    ],
)
def test_a_stage_that_two_variants_share_counts_once(
    tiny: Experiment, space: dict[str, Any], expected: dict[str, int]
) -> None:
    experiment = searching(tiny, space)
    counts = stage_counts(open_store(experiment), experiment, read_sources(experiment))
    assert {count.name: count.num_stages for count in counts} == expected
    assert {count.num_built for count in counts} == {0}


def test_what_is_in_the_store_is_counted_as_built(tiny: Experiment) -> None:
    experiment = searching(tiny, {"pretrain.depth": (18, 34)})
    store, sources = open_store(experiment), read_sources(experiment)
    prepare(store, plan(experiment, sources))
    store.commit(plan(override(experiment, {"pretrain.depth": 34}), sources).pretrain, {"a": b"1"}, {})
    counts = {
        count.name: (count.num_built, count.num_stages) for count in stage_counts(store, experiment, sources)
    }
    assert counts == {"shard": (16, 16), "prepare": (2, 2), "pretrain": (1, 2), "features": (0, 2)}


@pytest.mark.parametrize(
    ("head", "heads", "expected"),
    [
        ("linear", None, {4, 5}),
        ("svm", None, {5}),  # the head of all trials
        ("svm", ["svm", "random_forest"], {5}),
        ("svm", ["svm", "linear"], {4, 5}),
        ("linear", ["svm"], {5}),
    ],
)
def test_frozen_groups_that_no_head_allows_are_left_out(
    tiny: Experiment, head: str, heads: list[str] | None, expected: set[int]
) -> None:
    space = {"finetune.frozen_groups": [4, 5], **({} if heads is None else {"finetune.head": heads})}
    experiment = override(tiny, {"finetune.head": head, "search.space": space})
    variants = list(variants_of(experiment))
    assert {variant.finetune.frozen_groups for variant in variants} == expected
    assert len(variants) == len(expected)
