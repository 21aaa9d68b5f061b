"""When failures of trials halt a sweep."""

from search.scheduling.failures import MAX_SAME_FAILURES, FailureStreak


def test_enough_failures_in_a_row_for_one_reason_halt() -> None:
    streak = FailureStreak()
    assert [streak.add("no GPU") for _ in range(MAX_SAME_FAILURES - 1)] == [""] * (MAX_SAME_FAILURES - 1)
    assert streak.add("no GPU") == "3 trials in a row failed; first fix this cause: no GPU"


def test_another_reason_starts_a_new_streak() -> None:
    streak = FailureStreak()
    reasons = ["no GPU", "no GPU", "lost node a", "no GPU", "no GPU"]
    assert [streak.add(reason) for reason in reasons] == [""] * len(reasons)
    assert streak.add("no GPU")


def test_a_trial_that_ends_otherwise_ends_the_streak() -> None:
    streak = FailureStreak()
    for _ in range(2):
        assert not streak.add("no GPU") and not streak.add("no GPU")
        streak.end()
    assert not streak.add("no GPU")


def test_failures_without_a_known_reason_count_as_one() -> None:
    streak = FailureStreak()
    assert [bool(streak.add("")) for _ in range(3)] == [False, False, True]
