"""The names of a trial's artifacts, and when they are written into the study."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from search.dashboard.artifacts import (
    GRAD_CAM,
    KINDS,
    OUT_OF_FOLD,
    ROC,
    ArtifactLinks,
    artifact_id,
    parse_artifact_id,
)
from search.study.study import open_study
from search.study.update import State, TrialUpdate

STAGE = Stage(name="finetune", config={"frozen_groups": 5}, inputs=(), version=1)


def update(state: State = "RUNNING", stage: str | None = "finetune", epoch: int = 4) -> TrialUpdate:
    return TrialUpdate(
        number=0,
        state=state,
        params={},
        stages={"pretrain": "0", "features": None, "finetune": STAGE.digest},
        stage=stage,
        epoch=epoch,
        num_epochs=4,
        value=0.7,
    )


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    study = open_study(str(tmp_path / "storage"), "one", create=True)
    study.add_trial(
        create_trial(
            state=TrialState.RUNNING,
            params={"frozen_groups": 5},
            distributions={"frozen_groups": IntDistribution(0, 5)},
        )
    )
    return study


def linked(study: optuna.Study) -> list[str]:
    return [meta.filename for meta in get_all_artifact_meta(study.trials[0], storage=study._storage)]


def test_a_trial_that_reported_its_last_epoch_gets_its_links_once(
    study: optuna.Study, store: StageStore
) -> None:
    links = ArtifactLinks(study, store)
    links.on_update(update(epoch=3))
    assert linked(study) == []
    store.commit(STAGE, {"oof.parquet": b"scores"}, {"auc": 0.7})
    links.on_update(update(epoch=3))
    links.on_update(update(stage="pretrain"))
    assert linked(study) == []
    links.on_update(update())
    links.on_update(update())  # lost and tried again
    assert linked(study) == [kind.file_name for kind in (*KINDS, GRAD_CAM)]
    study.tell(0, 0.7)
    links.on_update(update("COMPLETE"))
    assert linked(study) == [kind.file_name for kind in (*KINDS, GRAD_CAM)]


def test_a_trial_whose_last_stage_is_reused_gets_its_links_at_the_start(
    study: optuna.Study, store: StageStore
) -> None:
    store.commit(STAGE, {"oof.parquet": b"scores"}, {"auc": 0.7})
    ArtifactLinks(study, store).on_update(update(stage=None, epoch=0))
    assert linked(study) == [kind.file_name for kind in (*KINDS, GRAD_CAM)]


@pytest.mark.parametrize(("best", "leads"), [(0.69, True), (0.7, True), (0.71, False)])
def test_grad_cam_is_linked_only_for_the_best_trial_so_far(
    study: optuna.Study, store: StageStore, best: float, leads: bool
) -> None:
    store.commit(STAGE, {"oof.parquet": b"scores"}, {"auc": 0.7})
    links = ArtifactLinks(study, store)
    other = TrialUpdate(number=1, state="COMPLETE", params={}, value=best)
    links.on_update(other)
    links.on_update(update())
    assert linked(study) == [kind.file_name for kind in ((*KINDS, GRAD_CAM) if leads else KINDS)]
    assert parse_artifact_id(artifact_id(STAGE.digest, GRAD_CAM)) == (STAGE.digest, GRAD_CAM)


def test_a_finished_trial_is_not_changed(study: optuna.Study, store: StageStore) -> None:
    store.commit(STAGE, {"oof.parquet": b"scores"}, {"auc": 0.7})
    study.tell(0, state=TrialState.PRUNED)
    ArtifactLinks(study, store).on_update(update("PRUNED"))
    assert linked(study) == []


def test_an_id_encodes_the_stage_and_the_kind() -> None:
    assert parse_artifact_id(artifact_id(STAGE.digest, OUT_OF_FOLD)) == (STAGE.digest, OUT_OF_FOLD)
    assert parse_artifact_id(artifact_id("ab12", ROC)) == ("ab12", ROC)
    # What a user uploads on the dashboard has a UUID.
    assert parse_artifact_id("0b9c0b9e-7f52-4f0c-9c1f-2d4c0c8b4f00") is None
    assert parse_artifact_id("ab12-63") is None


def test_the_attribute_has_the_keys_that_optuna_writes(study: optuna.Study, store: StageStore) -> None:
    store.commit(STAGE, {"oof.parquet": b"scores"}, {"auc": 0.7})
    ArtifactLinks(study, store).on_update(update())
    attrs = study.trials[0].system_attrs
    assert set(json.loads(attrs[f"artifacts:{artifact_id(STAGE.digest, ROC)}"])) == {
        "artifact_id",
        "filename",
        "mimetype",
        "encoding",
    }
