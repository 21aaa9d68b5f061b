"""The note on a sweep's study, in the dashboard: the result and the state of the sweep in words."""

import math
from collections.abc import Sequence
from typing import Final

import optuna
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note

from crtcore.errors import StorageError
from search.results.headings import headings
from search.results.leaderboard import Leaderboard, build_leaderboard
from search.results.outcome import outcome_of
from search.study.attributes import RAY_DASHBOARD
from search.study.study import open_study

OURS: Final = "*crtsearch updates this note. To keep your own text, delete this line.*"
OURS_UP_TO_0_1: Final = "*crtsearch keeps this note; begin it with other words, and it is yours.*"
NUM_BEST: Final = 5


class NoteKeeper:
    """Updates the note of sweep `name` after trials have changed their state."""

    def __init__(self, storage: str, name: str) -> None:
        self._storage = storage
        self._name = name
        self._counts: tuple[int, ...] = ()

    def refresh(self) -> bool:
        """Write the note if a trial has changed its state. Returns whether the note was written."""
        study = open_study(self._storage, self._name, create=False)
        trials = study.get_trials(deepcopy=False)
        counts = tuple(sum(trial.state == state for trial in trials) for state in TrialState)
        if counts == self._counts:
            return False
        self._counts = counts
        return write_note(self._storage, self._name)


def write_note(storage: str, name: str, board: Leaderboard | None = None) -> bool:
    """Write the note of sweep `name`, unless a user has written another one. Returns whether it was written.

    `board` is the sweep's leaderboard, if the caller has built it already.
    """
    study = open_study(storage, name, create=False)
    old = get_note(study)
    if old.strip() and not old.startswith((OURS, OURS_UP_TO_0_1)):
        return False
    try:
        result = _result(board or build_leaderboard(storage, name))
    except StorageError as error:  # stages were removed, but the study still has the state of the sweep
        result = [f"The result is not available: {error}."]
    note = "\n\n".join((OURS, f"## {name}", *result, *_state(study), _commands(name)))
    if note == old:
        return False
    save_note(study, note)
    return True


def _result(board: Leaderboard) -> list[str]:
    result = list(board.sentences())
    if board.best is not None:
        result += ["### Best trials", _table(_best_rows(board))]
    if board.rules is not None and board.rules.comparisons:
        rows = [
            (
                rule.name,
                f"{rule.auc.estimate:.3f}",
                f"{rule.test.difference:+.3f}",
                f"{rule.test.p_value:.2g}",
            )
            for rule in board.rules.comparisons
        ]
        result += ["### To beat", _table([("rule", "AUC", "winner ahead by", "p"), *rows])]
    return result


def _best_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    complete = [row for row in board.rows if row.state == "COMPLETE"][:NUM_BEST]
    names = headings(dict.fromkeys(key for row in complete for key in row.params))
    rows = [
        (
            str(row.number),
            f"{row.auc or math.nan:.3f} ± {row.auc_sd or 0.0:.3f}",
            ", ".join(f"{names[key]} {_short(value)}" for key, value in row.params.items()).replace(
                "\n", " "
            ),
        )
        for row in complete
    ]
    return [("trial", "AUC, mean ± SD over folds", "hyperparameters"), *rows]


def _state(study: optuna.Study) -> list[str]:
    outcome = outcome_of(study)
    paragraphs = ["### The sweep", *outcome.sentences()]
    address = RAY_DASHBOARD.of(study)
    if address and outcome.num_unfinished:
        paragraphs.append(f"Nodes, processes and logs while it runs: [Ray's dashboard]({address}).")
    return paragraphs


def _commands(name: str) -> str:
    return (
        f"### Next\n\n`crtsearch best {name}` ranks all trials, `crtsearch report {name}` reports on the "
        f"winner, `crtsearch export {name} -o {name}_bundle` makes a predictor of it. For research only: "
        "this is not a medical device."
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join((lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]))


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
