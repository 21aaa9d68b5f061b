"""The card of a model that was really trained."""

import json
from dataclasses import replace

from crtcore.config import Experiment
from crtcore.configfile import override
from search.results.model_card import model_card
from search.results.training_record import training_record
from search.results.winner import find_winner


def test_it_says_what_the_model_is_and_what_trained_it(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    training = training_record(winner)
    card = model_card(winner, training, {})
    json.dumps(card, allow_nan=False)
    data = card["training_data"]
    names = finished.cohort.class_names
    label_P = winner.predictions.label_P
    assert data["classes"] == {names[0]: int((label_P == 0).sum()), names[1]: int((label_P == 1).sum())}
    assert data["source"] == "cohort.csv"
    assert data["sampling_rate_hz"] == 500.0
    assert data["pretrained_on"] == ("mitdb" if winner.is_pretrained else None)
    assert "fine-tuned on all patients" in card["model"]
    assert "new patients of the same source" in card["limitations"]
    assert not any(patient_id in json.dumps(card) for patient_id in winner.predictions.patient_ids)


def test_the_mean_of_the_folds_is_called_so(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    change = {"export.networks": "fold_mean"}
    winner = replace(
        winner, base=override(winner.base, change), experiment=override(winner.experiment, change)
    )
    card = model_card(winner, training_record(winner), {})
    assert card["model"].startswith("the mean logit of 2 networks, one for each fold")
    assert "out-of-fold scores are those of these very networks" in card["limitations"]
