"""Learning curves in a few characters."""

from search.cli.tables import sparkline


def test_chance_is_the_lowest_block_and_one_the_highest() -> None:
    assert sparkline([0.3, 0.5, 0.75, 1.0]) == "▁▁▅█"
    assert sparkline([]) == ""


def test_of_a_long_curve_first_and_last_stay() -> None:
    short = sparkline([0.5, *[0.75] * 98, 1.0], max_length=10)
    assert len(short) == 10
    assert (short[0], short[-1]) == ("▁", "█")
