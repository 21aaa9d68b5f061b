"""Trials as Rich tables: which columns, how a number reads, how a trial stands."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # a table of a running sweep needs neither Optuna nor the stage store
    from search.results.leaderboard import Leaderboard, Row
    from search.results.rules import Rules

from typing import Final

from search.results.headings import headings

STYLES = {"COMPLETE": "green", "PRUNED": "yellow", "RUNNING": "cyan", "FAIL": "red"}


def cell(value: Any) -> str:
    """A parameter as it is read best: three significant digits, nothing where there is none."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def state_text(state: str) -> Text:
    """The state of a trial in its colour."""
    return Text(state.lower(), style=STYLES.get(state, ""))


def trial_table(parameters: Mapping[str, str]) -> Table:
    """An empty table with the columns that every table of trials begins with: number, state, parameters."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("trial", justify="right")
    table.add_column("state", no_wrap=True)
    for name in parameters.values():
        table.add_column(name, justify="right", no_wrap=True)
    return table


def leaderboard_table(leaderboard: "Leaderboard", *, max_rows: int = 20, with_curves: bool = False) -> Table:
    """The first `max_rows` trials in rank order; the caption says what is left out and why trials failed."""
    parameters = headings(dict.fromkeys(key for row in leaderboard.rows for key in row.params))
    table = trial_table(parameters)
    for name in ("AUC±SD", "acc.", "sens", "spec"):
        table.add_column(name, justify="right", no_wrap=True)
    if with_curves:
        table.add_column("curve", no_wrap=True)
    shown = leaderboard.rows[:max_rows]
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
        remarks.insert(0, "0.612 @3: AUC after epoch 3, where the trial stopped or stands")
    if len(leaderboard.rows) > max_rows:
        remarks.append(f"and {len(leaderboard.rows) - max_rows} more; --json lists all")
    table.caption = Text("\n".join(remarks)) if remarks else None
    table.caption_justify = "left"
    return table


def rules_table(rules: "Rules") -> Table:
    """The rules that any model must beat, by pooled AUC, and how far the winner is ahead of each."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
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


def _auc(row: "Row") -> Text:
    if row.auc is not None:
        return Text(f"{row.auc:.3f}±{row.auc_sd:.3f}")
    return Text("" if row.last_auc is None else f"{row.last_auc:.3f} @{row.num_epochs}", style="dim")


BLOCKS: Final = "▁▂▃▄▅▆▇█"
LOW, HIGH = 0.5, 1.0  # AUCs that the lowest and the highest block stand for: curves of all trials compare


def sparkline(values: Iterable[float], *, max_length: int = 12) -> str:
    """AUCs as blocks, chance the lowest and 1 the highest; of a longer curve evenly spaced points, the last
    always.
    """
    curve = list(values)
    if len(curve) > max_length:
        step = (len(curve) - 1) / (max_length - 1)
        curve = [curve[round(index * step)] for index in range(max_length)]
    return "".join(_block(value) for value in curve)


def _block(value: float) -> str:
    share = (min(max(value, LOW), HIGH) - LOW) / (HIGH - LOW)
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]
