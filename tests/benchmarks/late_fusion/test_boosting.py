import numpy as np

from benchmarks.late_fusion.boosting import boosted_log_probabilities


def test_premature_beats_are_found_and_unseen_classes_are_improbable() -> None:
    rng = np.random.default_rng(0)
    label_N = (rng.random(3000) < 0.1).astype(np.int64)
    feature_ND = rng.normal(0, 0.1, (3000, 7)).astype(np.float32)
    feature_ND[:, 0] += 1 - 0.5 * label_N
    train, test = np.arange(2000), np.arange(2000, 3000)
    log_probability_NK = boosted_log_probabilities(
        feature_ND, label_N, train=train, test=test, num_classes=3, seed=0
    )
    assert (log_probability_NK.argmax(axis=1) == label_N[test]).mean() > 0.98
    np.testing.assert_allclose(np.exp(log_probability_NK).sum(axis=1), 1)
    assert np.exp(log_probability_NK[:, 2]).max() < 1e-4
    again = boosted_log_probabilities(feature_ND, label_N, train=train, test=test, num_classes=3, seed=0)
    assert np.array_equal(log_probability_NK, again)
