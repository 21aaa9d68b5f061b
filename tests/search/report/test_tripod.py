"""The checklist of a sweep that was really trained."""

import re
from dataclasses import replace

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.performance import Performance, performance
from search.report.tripod import AUTHORS, SAME_IN_ALL_RUNS, TOPICS, checklist
from search.results.winner import Winner, find_winner

SENTENCES = ("Nothing was found.", "Corrected it is 0.5.", "By chance.", "Against.")
COMMAND = "crtsearch sweep storage/config.yaml"


@pytest.fixture
def winner(finished: Experiment) -> Winner:
    return find_winner(finished.storage, finished.name)


@pytest.fixture
def metrics(winner: Winner) -> Performance:
    predictions = winner.predictions
    score_RP = predictions.score_RPC[:, :, winner.leaderboard.winner]
    return performance(predictions.label_P, score_RP, predictions.fold_RP, seed=0)


def answers(winner: Winner, metrics: Performance) -> dict[str, str]:
    return {item.number: item.answer for item in checklist(winner, metrics, SENTENCES, COMMAND)}


def test_the_items_are_those_of_tripod_ai_in_its_order() -> None:
    numbers = [int(re.sub("[a-z]", "", number)) for number in TOPICS]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 28))
    assert len(TOPICS) == 52
    assert set(SAME_IN_ALL_RUNS) <= set(TOPICS)


def test_what_a_run_cannot_know_is_left_to_the_authors(winner: Winner, metrics: Performance) -> None:
    items = checklist(winner, metrics, SENTENCES, COMMAND)
    assert [item.number for item in items] == list(TOPICS)
    left = {item.number for item in items if not item.from_run}
    assert left == {
        *("1", "2", "3a", "3c", "5b", "6a", "6c", "8b", "8c", "17"),
        *("18a", "18b", "18c", "18d", "18e", "19", "25", "27b"),
    }  # fmt: skip
    assert {item.answer for item in items if item.number in left} == {AUTHORS}


def test_the_answers_are_those_of_this_run(winner: Winner, metrics: Performance) -> None:
    found = answers(winner, metrics)
    assert found["5a"].startswith("Simulated. Cohort manifest cohort.csv; ")
    assert found["9b"] == "Spectrograms of beats on leads II, V1."
    assert found["11"] == "No clinical value is missing."
    assert found["12a"] == "2-fold cross-validation by patient, stratified, 1 repeat(s)."
    assert "3 trials (" in found["12c"]
    assert found["18f"] == f"crtsearch; the command is {COMMAND}"
    assert found["20a"] == "12 patients in the manifest, 0 excluded because of their recordings, 12 analysed."
    assert "24 beats, 48 images" in found["21"]
    auc = metrics.pooled["auc"]
    assert f"AUC is {auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f}). {SENTENCES[1]}" in found["23a"]
    assert found["26"].startswith(SENTENCES[0])


@pytest.mark.parametrize(("objective", "pretrained"), [("aami5", True), ("none", False)])
def test_pretraining_is_named_only_if_there_was_any(
    winner: Winner, metrics: Performance, objective: str, pretrained: bool
) -> None:
    experiment = override(winner.experiment, {"pretrain.objective": objective})
    found = answers(replace(winner, experiment=experiment), metrics)
    assert ("pre-training on 4 records of mitdb" in found["5a"]) is pretrained
    assert found["12c"].startswith("Transfer learning") is pretrained
    assert ("no pre-training" in found["5a"]) is not pretrained


def test_answers_name_missing_values_exclusions_and_class_weights(
    winner: Winner, metrics: Performance
) -> None:
    first, *others = winner.sources.patients
    patients = (replace(first, clinical={**first.clinical, "sex": None}), *others)
    changed = replace(
        winner,
        sources=replace(winner.sources, patients=patients),
        base=override(winner.base, {"cohort.exclude": ["noisy"]}),
        experiment=override(winner.experiment, {"finetune.class_weights": "none"}),
    )
    found = answers(changed, metrics)
    assert found["11"].startswith("1 clinical values are missing")
    assert found["6b"] == "Recordings flagged noisy were excluded."
    assert found["13"] == "Not corrected: every patient has the same weight."
