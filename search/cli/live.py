"""A running sweep on the terminal: trials and progress bars; where there is no terminal, a line an event."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from search.cli.tables import cell, state_text, trial_table
from search.results.headings import headings
from search.study.update import STATES

if TYPE_CHECKING:  # the session loads torch and Optuna, which a progress bar has no use for
    from search.study.update import TrialUpdate

MAX_RUNNING = 16
QUIET_S = 2.0  # what takes no longer needs no forecast
MAX_BEST = 10
UNFINISHED = ("RUNNING", "WAITING")


class LiveView:
    """Shows what `run_sweep` and `prepare` report; use as a context manager around them.

    `parameters` are the dotted keys of the search space, `num_trials` the trial budget. On a terminal it
    redraws the running trials, the best finished ones and the bars; elsewhere (a file, a pipe, CI) it prints
    a line per event.
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
            TextColumn("{task.fields[pace]}"),
            console=console,
        )
        self._clock_s = clock_s
        self._began: dict[str, tuple[float, int]] = {}  # when first heard of, and how much was done then
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
        """`done` of `total` pieces of `what` are there."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, pace="")
            self._began[what] = (self._clock_s(), done)
        forecast = self._forecast(what, done, total)
        self._progress.update(self._tasks[what], completed=done, total=total, pace=forecast)
        if not self._console.is_terminal:
            tenth = 10 * done // total if total else 10
            if tenth != self._tenths.get(what):
                self._tenths[what] = tenth
                self._print(f"{what}: {done} of {total}" + (f", {forecast}" if forecast else ""))

    def on_update(self, update: "TrialUpdate") -> None:
        """A trial started, finished an epoch, or ended."""
        self._trials[update.number] = update
        if not self._console.is_terminal:
            self._print(line(update))
        if self._num_trials is not None and update.state not in UNFINISHED:
            finished = sum(trial.state not in UNFINISHED for trial in self._trials.values())
            self.on_progress("trials", finished, max(self._num_trials, finished))

    def render(self) -> RenderableType:
        """The view as it stands: running trials first, then the best complete ones, then the bars."""
        by_state: dict[str, list[TrialUpdate]] = {state: [] for state in STATES}
        for trial in self._trials.values():
            by_state[trial.state].append(trial)
        running = sorted(by_state["RUNNING"], key=lambda trial: trial.number)
        best = sorted(by_state["COMPLETE"], key=lambda trial: (-(trial.value or 0.0), trial.number))
        shown = [*running[:MAX_RUNNING], *best[:MAX_BEST]]
        tally = ", ".join(f"{len(trials)} {state.lower()}" for state, trials in by_state.items())
        return Group(self._table(shown), tally, self._progress)

    def _forecast(self, what: str, done: int, total: int) -> str:
        """Rate and time left of what has taken a while, and is not over."""
        start_s, done_before = self._began[what]
        elapsed_s, num_done = self._clock_s() - start_s, done - done_before
        if elapsed_s <= QUIET_S or num_done <= 0 or done >= total:
            return ""
        left_s = (total - done) * elapsed_s / num_done
        return f"{_rate(num_done / elapsed_s)}, {_duration(left_s)} left"

    def _table(self, trials: list["TrialUpdate"]) -> Table:
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


def line(update: "TrialUpdate") -> str:
    """One event of one trial as one line of text."""
    auc = "" if update.value is None else f" AUC {update.value:.3f}"
    message = f" ({update.message})" if update.message else ""
    where = f" {update.stage} epoch {_epoch(update)}" if update.stage else ""
    return f"trial {update.number} {update.state.lower()}{where}{auc}{message}"


def _epoch(update: "TrialUpdate") -> str:
    if not update.epoch:
        return ""
    # Of a trial that an earlier run finished, only the epoch it reached is known.
    return f"{update.epoch}/{update.num_epochs}" if update.num_epochs else str(update.epoch)


def _rate(per_s: float) -> str:
    """In the unit in which there is at least one."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_s * seconds >= 1:
            return f"{per_s * seconds:.3g}/{unit}"
    return f"{per_s * 3600:.3g}/h"


def _duration(seconds: float) -> str:
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.0f} s"
