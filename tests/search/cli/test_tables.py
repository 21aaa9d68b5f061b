"""What a reader sees of the trials."""

import io

from rich.console import Console

from search.cli.tables import cell, leaderboard_table
from search.results.headings import headings
from search.results.leaderboard import Leaderboard, Row
from search.study.update import State


def row(
    number: int, state: State = "COMPLETE", *, auc: float | None = None, reason: str | None = None
) -> Row:
    complete = state == "COMPLETE"
    return Row(
        number=number,
        state=state,
        params={"pretrain.depth": 18, "finetune.learning_rate": 0.00123456, "pretrain.learning_rate": 0.01},
        num_epochs=3,
        last_auc=0.612,
        auc=auc,
        auc_sd=0.05 if complete else None,
        metrics={"accuracy": 0.7, "sensitivity": 0.8, "specificity": 0.6} if complete else {},
        counts={},
        seconds=12.3,
        stages={},
        reason=reason,
    )


def rendered(rows: list[Row]) -> str:
    stream = io.StringIO()
    board = Leaderboard(name="test", rows=tuple(rows), corrected=None)
    Console(file=stream, width=80).print(leaderboard_table(board))
    return stream.getvalue()


def test_headings_are_short_and_name_the_section_only_where_two_keys_read_alike() -> None:
    keys = ["pretrain.depth", "pretrain.learning_rate", "finetune.learning_rate", "finetune.frozen_groups"]
    assert list(headings(keys).values()) == ["depth", "pretrain\nlr", "finetune\nlr", "frozen"]


def test_a_number_is_read_with_three_digits_and_nothing_as_nothing() -> None:
    assert [cell(0.00123456), cell(18), cell("none"), cell(None)] == ["0.00123", "18", "none", ""]


def test_the_table_shows_scores_of_complete_trials_and_what_became_of_the_others() -> None:
    text = rendered([row(3, auc=0.7812), row(1, "PRUNED"), row(2, "FAIL", reason="loss [nan] is not finite")])
    first, pruned, failed, *caption = text.splitlines()[2:]
    assert first.split() == ["3", "complete", "18", "0.00123", "0.01", "0.781±0.050", "0.70", "0.80", "0.60"]
    assert pruned.split() == ["1", "pruned", "18", "0.00123", "0.01", "0.612", "@3"]
    assert failed.split()[:2] == ["2", "fail"]
    assert [line.strip() for line in caption] == [
        "0.612 @3: AUC after epoch 3, where the trial stopped or stands",
        "trial 2: loss [nan] is not finite",
    ]


def test_at_most_twenty_rows_and_a_word_on_the_rest() -> None:
    lines = rendered([row(number, auc=0.5) for number in range(200)]).splitlines()
    assert len(lines) == 2 + 20 + 1
    assert "and 180 more" in lines[-1]
