"""The note on a study, of a sweep that was really trained."""

import pytest
from optuna_dashboard import get_note, save_note

from crtcore.config import Experiment
from search.dashboard.note import OURS, OURS_UP_TO_0_1, NoteKeeper, write_note
from search.results.leaderboard import build_leaderboard
from search.study.attributes import RAY_DASHBOARD
from search.study.study import open_study


@pytest.fixture
def no_note(finished: Experiment) -> Experiment:
    save_note(open_study(finished.storage, finished.name, create=False), "")
    return finished


def test_it_has_the_result_the_rules_and_the_next_commands(no_note: Experiment) -> None:
    storage, name = no_note.storage, no_note.name
    assert write_note(storage, name)
    note = get_note(open_study(storage, name, create=False))
    board = build_leaderboard(storage, name)
    assert board.best is not None and board.rules is not None
    for sentence in board.sentences():
        assert sentence in note
    assert f"| {board.best.number} | {board.best.auc:.3f} ± {board.best.auc_sd:.3f} |" in note
    assert "objective aami5, frozen 5" in note
    assert all(rule.name in note for rule in board.rules.comparisons)
    assert board.rules.comparisons
    assert f"`crtsearch export {name} -o {name}_bundle`" in note
    assert "times less than without shared stages" in note
    assert not write_note(storage, name)  # nothing new


def test_a_note_of_an_earlier_version_is_updated(no_note: Experiment) -> None:
    study = open_study(no_note.storage, no_note.name, create=False)
    save_note(study, f"{OURS_UP_TO_0_1}\n\n## {no_note.name}")
    assert write_note(no_note.storage, no_note.name)
    assert get_note(study).startswith(OURS)


def test_a_note_that_a_user_wrote_stays(no_note: Experiment) -> None:
    study = open_study(no_note.storage, no_note.name, create=False)
    save_note(study, "Mine.")
    assert not write_note(no_note.storage, no_note.name)
    assert get_note(study) == "Mine."


def test_the_keeper_writes_only_after_trials_changed(no_note: Experiment) -> None:
    keeper = NoteKeeper(no_note.storage, no_note.name)
    assert keeper.refresh()
    assert not keeper.refresh()


def test_while_trials_are_unfinished_it_links_rays_dashboard(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    storage = str(tmp_path_factory.mktemp("running"))
    study = open_study(storage, "running", create=True)
    study.enqueue_trial({"x": 1})
    RAY_DASHBOARD.write(study, "http://127.0.0.1:8265/")
    write_note(storage, "running")
    note = get_note(study)
    assert note.startswith(OURS)
    assert "[Ray's dashboard](http://127.0.0.1:8265/)" in note
    assert "No trial of running is complete yet" in note
