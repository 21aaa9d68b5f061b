from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from crtcore.errors import SweepError
from search.objectives import Direction
from search.study import (
    JOURNAL_FILE,
    STUDY_FILE,
    URL_FILE,
    open_study,
    study_storage,
    sweep_dir,
    sweep_exists,
    sweep_names,
)


def test_the_record_lies_beside_the_stages(tmp_path: Path) -> None:
    assert sweep_dir(str(tmp_path), "demo") == tmp_path / "sweeps" / "demo"
    assert sweep_dir(f"file://{tmp_path}", "demo") == tmp_path / "sweeps" / "demo"
    assert sweep_dir("storage", "demo") == Path.cwd() / "storage" / "sweeps" / "demo"


def test_the_record_of_a_sweep_in_an_object_store_lies_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    folder = sweep_dir("s3://bucket/crt/", "demo")
    assert folder == Path("/home/someone/.local/share/crtsearch/s3/bucket/crt/sweeps/demo")


def test_a_study_is_created_once_and_opened_again(tmp_path: Path) -> None:
    assert not sweep_exists(str(tmp_path), "demo")
    open_study(str(tmp_path), "demo", create=True).add_trial(create_trial(value=0.7))
    assert sweep_exists(str(tmp_path), "demo")
    study = open_study(str(tmp_path), "demo", create=True)
    assert study.study_name == "demo"
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [trial.value for trial in open_study(str(tmp_path), "demo", create=False).trials] == [0.7]


def test_a_study_that_was_cut_short_is_no_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(optuna, "create_study", die)
        with pytest.raises(KeyboardInterrupt):
            open_study(str(tmp_path), "demo", create=True)
    assert not sweep_exists(str(tmp_path), "demo")
    open_study(str(tmp_path), "demo", create=True)
    assert (tmp_path / "sweeps" / "demo" / STUDY_FILE).is_file()


def test_an_unknown_sweep_names_those_there_are(tmp_path: Path) -> None:
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


def test_a_sweep_keeps_to_its_kind_of_study(tmp_path: Path) -> None:
    open_study(str(tmp_path), "demo", create=True)
    with pytest.raises(SweepError, match=r"keeps its study in .*study\.db; set search\.study back"):
        open_study(str(tmp_path), "demo", create=True, kind="journal")


@pytest.mark.parametrize(
    "url",
    ["postgresql+nosuch://me:secret@host/db", "sqlite:////nowhere/at/all.db", "who://me:secret@host/db"],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(SweepError, match=r"search\.study: the database .* cannot be used") as caught:
        open_study(str(tmp_path), "demo", create=True, kind=url)
    assert "secret" not in str(caught.value)
    assert not sweep_exists(str(tmp_path), "demo")
