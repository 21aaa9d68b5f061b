import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from crtcore.config import FinetuneConfig
from crtcore.evaluation.classifiers import CLASSIFIERS, classifier, scores

LABELS = np.arange(30) % 2
FEATURES = np.random.default_rng(0).normal(size=(30, 4)) + LABELS[:, None]


def test_each_head_of_the_config_but_the_linear_one_is_a_classifier() -> None:
    heads = FinetuneConfig.model_json_schema()["properties"]["head"]["enum"]
    assert set(heads) == {"linear", *CLASSIFIERS}


def test_one_vote_of_logistic_regression_is_its_probability() -> None:
    fitted = LogisticRegression().fit(FEATURES, LABELS)
    score_P = scores("logistic_regression", fitted, FEATURES[:, None])
    assert np.array_equal(score_P, fitted.predict_proba(FEATURES)[:, 1])


def test_votes_of_a_forest_are_averaged_as_probabilities_and_others_as_decision_values() -> None:
    vote_PVD = np.stack([FEATURES, FEATURES[::-1], -FEATURES], axis=1)
    forest = classifier("random_forest", seed=0).fit(FEATURES, LABELS)
    probability_PV = np.stack([forest.predict_proba(vote_PVD[:, vote])[:, 1] for vote in range(3)], axis=1)
    assert scores("random_forest", forest, vote_PVD) == pytest.approx(probability_PV.mean(axis=1))
    machine = SVC().fit(FEATURES, LABELS)
    decision_PV = np.stack([machine.decision_function(vote_PVD[:, vote]) for vote in range(3)], axis=1)
    expected_P = 1 / (1 + np.exp(-decision_PV.mean(axis=1)))
    assert scores("svm", machine, vote_PVD) == pytest.approx(expected_P)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_balanced_weights_raise_the_scores_of_the_rarer_class(name: str) -> None:
    rare = np.concatenate([np.flatnonzero(LABELS == 0), np.flatnonzero(LABELS == 1)[:3]])
    plain, balanced = (
        scores(
            name,
            classifier(name, seed=0, balanced=each).fit(FEATURES[rare], LABELS[rare]),
            FEATURES[:, None],
        )
        for each in (False, True)
    )
    assert not np.array_equal(plain, balanced)
    if name != "random_forest":  # its probabilities are those of leaves, which the weights hardly change
        assert balanced.mean() > plain.mean()


def test_a_seed_beyond_32_bits_works_and_gives_the_same_forest_again() -> None:
    first, second, other = (
        scores(
            "random_forest", classifier("random_forest", seed=seed).fit(FEATURES, LABELS), FEATURES[:, None]
        )
        for seed in (2**40 + 1, 2**40 + 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
