"""A leaderboard on the terminal: Rich tables, and learning curves as a row of blocks."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from search.results.headings import headings

if TYPE_CHECKING:  # the table of a running sweep needs neither Optuna nor the stage store
    from search.results.leaderboard import Leaderboard, Row
    from search.results.rules import Rules

STYLES: Final = {"COMPLETE": "green", "PRUNED": "yellow", "RUNNING": "cyan", "FAIL": "red"}
WIDE: Final = 100  # columns; a terminal this wide has room for learning curves
MAX_ROWS: Final = 20
MAX_BLOCKS: Final = 12
BLOCKS: Final = "▁▂▃▄▅▆▇█"
LOWEST, HIGHEST = 0.5, 1.0  # the AUCs of the first and the last block, the same for all trials


def print_leaderboard(leaderboard: "Leaderboard", *, as_json: bool) -> None:
    """Print a leaderboard to stdout: tables and sentences, or JSON."""
    if as_json:
        typer.echo(leaderboard.to_json())
        return
    console = Console()
    console.print(leaderboard_table(leaderboard, with_curves=console.width >= WIDE))
    if leaderboard.rules is not None:
        if leaderboard.rules.comparisons:
            console.print(rules_table(leaderboard.rules))
        for remark in leaderboard.rules.remarks:
            console.print(remark, markup=False, highlight=False)
    for sentence in leaderboard.sentences():
        console.print(sentence, markup=False, highlight=False)


def leaderboard_table(leaderboard: "Leaderboard", *, with_curves: bool = False) -> Table:
    """The first `MAX_ROWS` trials in rank order. The caption says how many are left out and why trials
    failed.
    """
    parameters = headings(dict.fromkeys(key for row in leaderboard.rows for key in row.params))
    table = trial_table(parameters)
    for name in ("AUC±SD", "acc.", "sens", "spec"):
        table.add_column(name, justify="right", no_wrap=True)
    if with_curves:
        table.add_column("curve", no_wrap=True)
    shown = leaderboard.rows[:MAX_ROWS]
    for row in shown:
        table.add_row(
            str(row.number),
            state_text(row.state),
            *(cell(row.params.get(key)) for key in parameters),
            _auc(row),
            *(
                f"{row.metrics[key]:.2f}" if row.metrics else ""
                for key in ("accuracy", "sensitivity", "specificity")
            ),
            *([sparkline(row.curve)] if with_curves else []),
        )
    remarks = [f"trial {row.number}: {row.reason}" for row in shown if row.reason]
    if any(row.auc is None and row.last_auc is not None for row in shown):
        remarks.insert(0, "0.612 @3: AUC after epoch 3, the last one that the trial trained")
    if len(leaderboard.rows) > MAX_ROWS:
        remarks.append(f"and {len(leaderboard.rows) - MAX_ROWS} more; --json lists all")
    table.caption = Text("\n".join(remarks)) if remarks else None
    table.caption_justify = "left"
    return table


def rules_table(rules: "Rules") -> Table:
    """The rules that any model must beat, by pooled AUC, and how far the winner is ahead of each."""
    table = _plain_table()
    table.add_column("to beat", no_wrap=True)
    for name in ("AUC (95 % interval)", "acc.", "sens", "spec", "winner ahead by", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for rule in rules.comparisons:
        table.add_row(
            rule.name,
            f"{rule.auc.estimate:.3f} ({rule.auc.low:.2f}-{rule.auc.high:.2f})",
            *(f"{rule.metrics[key]:.2f}" for key in ("accuracy", "sensitivity", "specificity")),
            f"{rule.test.difference:+.3f}",
            f"{rule.test.p_value:.2g}",
        )
    return table


def trial_table(parameters: Mapping[str, str]) -> Table:
    """An empty table with the first columns of every table of trials: number, state, one per parameter."""
    table = _plain_table()
    table.add_column("trial", justify="right")
    table.add_column("state", no_wrap=True)
    for name in parameters.values():
        table.add_column(name, justify="right", no_wrap=True)
    return table


def cell(value: Any) -> str:
    """A parameter's value with at most three significant digits; None is empty."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def state_text(state: str) -> Text:
    """The state of a trial in its colour."""
    return Text(state.lower(), style=STYLES.get(state, ""))


def sparkline(aucs: Iterable[float]) -> str:
    """A learning curve as blocks: the lowest is AUC 0.5 or less, the highest is 1. Of a curve longer than
    `MAX_BLOCKS`, evenly spaced points are drawn, with the first and the last.
    """
    curve = list(aucs)
    if len(curve) > MAX_BLOCKS:
        step = (len(curve) - 1) / (MAX_BLOCKS - 1)
        curve = [curve[round(index * step)] for index in range(MAX_BLOCKS)]
    return "".join(_block(auc) for auc in curve)


def _block(auc: float) -> str:
    share = (min(max(auc, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]


def _auc(row: "Row") -> Text:
    if row.auc is not None:
        return Text(f"{row.auc:.3f}±{row.auc_sd:.3f}")
    return Text("" if row.last_auc is None else f"{row.last_auc:.3f} @{row.num_epochs}", style="dim")


def _plain_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
