"""Progress on the terminal: the trials of a sweep and a bar for each long step."""

import math
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from search.cli.tables import cell, state_text, trial_table
from search.results.headings import headings
from search.study.update import STATES, TrialUpdate

MAX_RUNNING: Final = 16
MAX_BEST: Final = 10
QUIET_S: Final = 2.0  # a log says the time left only of steps that take longer
UNFINISHED: Final = ("RUNNING", "WAITING")
TIME_LEFT: Final = TimeRemainingColumn()


class LiveView:
    """Shows what `run_sweep`, `prepare` and other long functions report. Use it as a context manager.

    `parameters` are the dotted keys of the search space, `num_trials` is the number of trials to run. On a
    terminal it redraws the running trials, the best finished ones and the bars. Elsewhere (a file, a pipe,
    CI) it prints one line per event.
    """

    def __init__(
        self,
        console: Console,
        *,
        parameters: Iterable[str] = (),
        num_trials: int | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._headings = headings(parameters)
        self._trials: dict[int, TrialUpdate] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TIME_LEFT,
            console=console,
            get_time=clock_s,
            speed_estimate_period=math.inf,  # trials may take hours each; Rich would forget them after 30 s
        )
        self._tasks: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}
        self._num_trials = num_trials
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=4, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def on_progress(self, what: str, done: int, total: int) -> None:
        """`done` of `total` pieces of `what` are finished."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, completed=done)
            self._progress.advance(self._tasks[what], 0)  # from here on Rich measures the speed
        self._progress.update(self._tasks[what], completed=done, total=total)
        if not self._console.is_terminal:
            tenth = 10 * done // total if total else 10
            if tenth != self._tenths.get(what):
                self._tenths[what] = tenth
                self._print(f"{what}: {done} of {total}{self._time_left(what)}")

    def on_update(self, update: TrialUpdate) -> None:
        """A trial started, finished an epoch, or ended."""
        self._trials[update.number] = update
        if not self._console.is_terminal:
            self._print(line(update))
        if self._num_trials is not None and update.state not in UNFINISHED:
            finished = sum(trial.state not in UNFINISHED for trial in self._trials.values())
            self.on_progress("trials", finished, max(self._num_trials, finished))

    def render(self) -> RenderableType:
        """The current view: running trials first, then the best complete ones, then the bars."""
        by_state: dict[str, list[TrialUpdate]] = {state: [] for state in STATES}
        for trial in self._trials.values():
            by_state[trial.state].append(trial)
        running = sorted(by_state["RUNNING"], key=lambda trial: trial.number)
        best = sorted(by_state["COMPLETE"], key=lambda trial: (-(trial.value or 0.0), trial.number))
        shown = [*running[:MAX_RUNNING], *best[:MAX_BEST]]
        tally = ", ".join(f"{len(trials)} {state.lower()}" for state, trials in by_state.items())
        return Group(self._table(shown), tally, self._progress)

    def _time_left(self, what: str) -> str:
        task = self._progress.tasks[self._tasks[what]]
        if task.finished or task.time_remaining is None or (task.elapsed or 0.0) <= QUIET_S:
            return ""
        return f", {TIME_LEFT.render(task).plain} left"

    def _table(self, trials: list[TrialUpdate]) -> Table:
        table = trial_table(self._headings)
        table.add_column("stage", no_wrap=True)
        table.add_column("epoch", justify="right", no_wrap=True)
        table.add_column("AUC", justify="right", no_wrap=True)
        for trial in trials:
            table.add_row(
                str(trial.number),
                state_text(trial.state),
                *(cell(trial.params.get(key)) for key in self._headings),
                trial.stage or "",
                _epoch(trial),
                "" if trial.value is None else f"{trial.value:.3f}",
            )
        return table

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def line(update: TrialUpdate) -> str:
    """One event of one trial as one line of text."""
    auc = "" if update.value is None else f" AUC {update.value:.3f}"
    message = f" ({update.message})" if update.message else ""
    where = f" {update.stage} epoch {_epoch(update)}" if update.stage else ""
    return f"trial {update.number} {update.state.lower()}{where}{auc}{message}"


def _epoch(update: TrialUpdate) -> str:
    if not update.epoch:
        return ""
    # For a trial of an earlier run, only the last epoch is known, not how many were planned.
    return f"{update.epoch}/{update.num_epochs}" if update.num_epochs else str(update.epoch)
