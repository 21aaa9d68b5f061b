"""A leaderboard on the terminal."""

import dataclasses
import io
import json

import pytest
from rich.console import Console
from rich.table import Table

from crtcore.config import Experiment
from search.cli.tables import (
    STYLES,
    cell,
    leaderboard_table,
    print_leaderboard,
    rules_table,
    sparkline,
    state_text,
    trial_table,
)
from search.results.leaderboard import Leaderboard, Row, build_leaderboard
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


def printed(table: Table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=80).print(table)
    return stream.getvalue()


def rendered(rows: list[Row], *, with_curves: bool = False) -> str:
    board = Leaderboard(name="test", rows=tuple(rows), corrected=None)
    return printed(leaderboard_table(board, with_curves=with_curves))


def test_a_number_has_three_digits_and_none_is_empty() -> None:
    assert [cell(0.00123456), cell(18), cell("none"), cell(None)] == ["0.00123", "18", "none", ""]


def test_complete_trials_show_scores_and_others_how_far_they_came() -> None:
    text = rendered([row(3, auc=0.7812), row(1, "PRUNED"), row(2, "FAIL", reason="loss [nan] is not finite")])
    first, pruned, failed, *caption = text.splitlines()[2:]
    assert first.split() == ["3", "complete", "18", "0.00123", "0.01", "0.781±0.050", "0.70", "0.80", "0.60"]
    assert pruned.split() == ["1", "pruned", "18", "0.00123", "0.01", "0.612", "@3"]
    assert failed.split()[:2] == ["2", "fail"]
    assert [line.strip() for line in caption] == [
        "0.612 @3: AUC after epoch 3, the last one that the trial trained",
        "trial 2: loss [nan] is not finite",
    ]


def test_at_most_twenty_rows_are_shown_and_the_rest_is_counted() -> None:
    lines = rendered([row(number, auc=0.5) for number in range(200)]).splitlines()
    assert len(lines) == 2 + 20 + 1
    assert "and 180 more" in lines[-1]


def test_a_table_with_curves_ends_each_row_with_its_curve() -> None:
    with_curve = dataclasses.replace(row(3, auc=0.75), curve=(0.5, 1.0))
    first = rendered([with_curve], with_curves=True).splitlines()[2]
    assert first.split()[-1] == "▁█"


def test_every_table_of_trials_begins_with_number_state_and_parameters() -> None:
    table = trial_table({"pretrain.depth": "depth", "finetune.learning_rate": "lr"})
    assert [column.header for column in table.columns] == ["trial", "state", "depth", "lr"]


@pytest.mark.parametrize("state", ["COMPLETE", "PRUNED", "RUNNING", "FAIL"])
def test_each_state_has_a_colour(state: str) -> None:
    text = state_text(state)
    assert (text.plain, text.style) == (state.lower(), STYLES[state])


def test_a_state_without_a_colour_is_plain() -> None:
    assert state_text("WAITING").style == ""


def test_the_rules_are_shown_with_the_lead_of_the_winner(finished: Experiment) -> None:
    rules = build_leaderboard(finished.storage, finished.name).rules
    assert rules is not None
    text = printed(rules_table(rules))
    for rule in rules.comparisons:
        (line,) = [line for line in text.splitlines() if line.startswith(rule.name)]
        assert f"{rule.auc.estimate:.3f}" in line
        assert f"{rule.test.difference:+.3f}" in line


def test_a_leaderboard_prints_both_tables_and_every_sentence(
    finished: Experiment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    board = build_leaderboard(finished.storage, finished.name)
    print_leaderboard(board, as_json=False)
    text = capsys.readouterr().out
    assert "to beat" in text
    assert " curve" in text  # 100 columns have room for learning curves
    words = " ".join(text.split())
    for sentence in board.sentences():
        assert " ".join(sentence.split()) in words


def test_a_leaderboard_as_json_is_nothing_but_json(
    finished: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    board = build_leaderboard(finished.storage, finished.name)
    print_leaderboard(board, as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads(board.to_json())


def test_a_curve_is_drawn_from_chance_to_one() -> None:
    assert sparkline([0.3, 0.5, 0.75, 1.0]) == "▁▁▅█"
    assert sparkline([]) == ""


def test_a_long_curve_keeps_its_first_and_last_point() -> None:
    short = sparkline([0.5, *[0.75] * 98, 1.0])
    assert len(short) == 12
    assert (short[0], short[-1]) == ("▁", "█")
