import re
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState, create_trial
from sqlalchemy import event

from crtcore.errors import SweepError
from search.study import study as study_module
from search.study.folder import JOURNAL_FILE, STUDY_FILE, URL_FILE, sweep_exists, sweep_names
from search.study.study import Direction, open_study, study_storage, transaction


def test_a_study_is_created_once_and_opened_again(tmp_path: Path) -> None:
    assert not sweep_exists(str(tmp_path), "demo")
    open_study(str(tmp_path), "demo", create=True).add_trial(create_trial(value=0.7))
    assert sweep_exists(str(tmp_path), "demo")
    study = open_study(str(tmp_path), "demo", create=True)
    assert study.study_name == "demo"
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [trial.value for trial in open_study(str(tmp_path), "demo", create=False).trials] == [0.7]


def test_a_study_whose_creation_was_interrupted_is_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(optuna, "create_study", die)
        with pytest.raises(KeyboardInterrupt):
            open_study(str(tmp_path), "demo", create=True)
    assert not sweep_exists(str(tmp_path), "demo")
    open_study(str(tmp_path), "demo", create=True)
    assert (tmp_path / "sweeps" / "demo" / STUDY_FILE).is_file()


def test_the_error_for_an_unknown_sweep_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"no sweep 'demo'.*crtsearch sweep CONFIG"):
        open_study(str(tmp_path), "demo", create=False)
    open_study(str(tmp_path), "paper", create=True)
    with pytest.raises(SweepError, match=r"no sweep 'demo'.*sweeps there: paper"):
        open_study(str(tmp_path), "demo", create=False)


@pytest.mark.parametrize(
    ("kind", "file"), [("sqlite", STUDY_FILE), ("journal", JOURNAL_FILE), ("sqlite:///{}/other.db", URL_FILE)]
)
def test_a_study_of_any_kind_is_found_again_by_name(tmp_path: Path, kind: str, file: str) -> None:
    both: list[Direction] = ["maximize", "minimize"]
    kind = kind.format(tmp_path)
    open_study(str(tmp_path), "demo", create=True, kind=kind)
    # Without trials, the objectives may still change.
    made = open_study(str(tmp_path), "demo", create=True, kind=kind, directions=both)
    made.add_trial(create_trial(values=[0.7, 5e6]))
    assert (tmp_path / "sweeps" / "demo" / file).is_file()
    assert sweep_names(str(tmp_path)) == ("demo",)
    for study in (
        open_study(str(tmp_path), "demo", create=False),
        open_study(str(tmp_path), "demo", create=True, kind=kind),
        optuna.load_study(study_name="demo", storage=study_storage(str(tmp_path), "demo")),
    ):
        assert [trial.values for trial in study.get_trials()] == [[0.7, 5e6]]
        assert [direction.name.lower() for direction in study.directions] == both


def test_a_sweep_cannot_change_its_kind_of_study(tmp_path: Path) -> None:
    open_study(str(tmp_path), "demo", create=True)
    with pytest.raises(SweepError, match=r"keeps its study in .*study\.db; set search\.study back"):
        open_study(str(tmp_path), "demo", create=True, kind="journal")


@pytest.mark.parametrize(
    "url",
    ["postgresql+nosuch://me:secret@host/db", "sqlite:////nowhere/at/all.db", "who://me:secret@host/db"],
)
def test_the_error_for_an_unusable_database_hides_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(SweepError, match=r"search\.study: the database .* cannot be used") as caught:
        open_study(str(tmp_path), "demo", create=True, kind=url)
    assert "secret" not in str(caught.value)
    assert not sweep_exists(str(tmp_path), "demo")


def a_running_trial(folder: Path, kind: str) -> tuple[optuna.Study, int]:
    study = open_study(str(folder), "demo", create=True, kind=kind)
    study.add_trial(create_trial(state=TrialState.RUNNING))
    return study, study._storage.get_trial_id_from_study_id_trial_number(study._study_id, 0)


def read_again(folder: Path) -> optuna.trial.FrozenTrial:
    return open_study(str(folder), "demo", create=False).get_trials()[0]


@pytest.mark.parametrize("kind", ["sqlite", "journal", "sqlite:///{}/other.db"])
def test_a_transaction_sees_its_own_writes_and_is_stored_at_its_end(tmp_path: Path, kind: str) -> None:
    study, trial_id = a_running_trial(tmp_path, kind.format(tmp_path))
    storage = study._storage
    for epoch in (1, 2):
        with transaction(study):
            storage.set_trial_user_attr(trial_id, "node", "here")
            storage.set_trial_intermediate_value(trial_id, epoch, 0.7)
            assert max(storage.get_trial(trial_id).intermediate_values) == epoch
            if kind == "sqlite":  # others do not see it yet
                assert len(read_again(tmp_path).intermediate_values) == epoch - 1
        assert len(read_again(tmp_path).intermediate_values) == epoch
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.7])  # a single write still works
    assert read_again(tmp_path).value == 0.7


def test_a_transaction_waits_for_the_disk_once(tmp_path: Path) -> None:
    study, trial_id = a_running_trial(tmp_path, "sqlite")
    commits: list[object] = []
    event.listen(study._storage._backend.engine, "commit", commits.append)  # type: ignore[attr-defined]
    with transaction(study):
        for number in range(5):
            study._storage.set_trial_user_attr(trial_id, f"key{number}", number)
        study._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.7])
    assert len(commits) == 1
    assert len(read_again(tmp_path).user_attrs) == 5


def test_an_interrupted_transaction_writes_nothing(tmp_path: Path) -> None:
    study, trial_id = a_running_trial(tmp_path, "sqlite")

    def cut_short() -> None:
        with transaction(study):
            study._storage.set_trial_user_attr(trial_id, "node", "here")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_short()
    assert read_again(tmp_path).user_attrs == {}
    with transaction(study):
        study._storage.set_trial_user_attr(trial_id, "node", "there")
    assert read_again(tmp_path).user_attrs == {"node": "there"}


KILLED = """
import os, signal, sys
from search.study.study import open_study, transaction

study = open_study(sys.argv[1], "demo", create=False)
with transaction(study):
    study._storage.set_trial_user_attr(int(sys.argv[2]), "node", "here")
with transaction(study):
    study._storage.set_trial_intermediate_value(int(sys.argv[2]), 1, 0.7)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_whole_transactions(tmp_path: Path) -> None:
    _, trial_id = a_running_trial(tmp_path, "sqlite")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(trial_id)], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    trial = read_again(tmp_path)
    assert (trial.user_attrs, trial.intermediate_values) == ({"node": "here"}, {})


def test_a_failing_database_raises_optuna_s_error(tmp_path: Path) -> None:
    study, trial_id = a_running_trial(tmp_path, "sqlite")
    engine = study._storage._backend.engine  # type: ignore[attr-defined]
    event.listen(engine, "connect", lambda connection, record: connection.execute("PRAGMA query_only = 1"))
    with pytest.raises(StorageInternalError), transaction(study):
        study._storage.set_trial_user_attr(trial_id, "node", "here")
    assert read_again(tmp_path).user_attrs == {}


def test_only_this_folder_uses_optuna_s_private_api() -> None:
    """pyproject.toml bounds Optuna's version because of it."""
    root = Path(study_module.__file__).parents[1]
    private = re.compile(
        r"study\._storage|study\._study_id|trial\._trial_id|_CachedStorage|\._backend\b|distribution\._"
        r"|from optuna\._|from optuna\.\w+\._|set_trial_|create_new_trial"
    )
    outside = [path for path in sorted(root.rglob("*.py")) if path.parent.name != "study"]
    assert len(outside) > 50
    assert [str(path) for path in outside if private.search(path.read_text())] == []
    assert private.search((root / "study" / "ledger.py").read_text())
