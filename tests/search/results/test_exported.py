"""What is exported of a network, by `export.networks`, on a sweep that was really trained."""

from dataclasses import replace

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import SweepError
from crtcore.prediction.predictor import beat_logits
from search.results.exported import exported_model, fold_mean
from search.results.refit import refit
from search.results.winner import Winner, cohort_inputs, find_winner


@pytest.fixture
def winner(finished: Experiment) -> Winner:
    return find_winner(finished.storage, finished.name)


def changed(winner: Winner, **values: object) -> Winner:
    changes = {key.replace("__", "."): value for key, value in values.items()}
    return replace(
        winner, base=override(winner.base, changes), experiment=override(winner.experiment, changes)
    )


def test_one_is_the_refit_and_the_mean_is_another_model(winner: Winner) -> None:
    inputs = cohort_inputs(winner)
    one = beat_logits(exported_model(winner), inputs)
    assert (one == beat_logits(refit(winner), inputs)).all()
    mean = exported_model(changed(winner, export__networks="fold_mean"))
    assert (beat_logits(mean, inputs) != one).any()


def test_a_second_export_only_reads(winner: Winner) -> None:
    first = beat_logits(fold_mean(winner), cohort_inputs(winner))
    again = fold_mean(winner, lambda what, done, total: pytest.fail("it was trained again"))
    assert (beat_logits(again, cohort_inputs(winner)) == first).all()


def test_too_many_networks_are_refused(winner: Winner) -> None:
    many = changed(winner, finetune__repeats=60)
    with pytest.raises(SweepError, match=r"would write 120 networks.*at most 100; set export.networks"):
        fold_mean(many)
