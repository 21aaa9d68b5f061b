"""What a committed stage `finetune` says of its predictions."""

from pathlib import Path

import numpy as np
import pytest

from crtcore.evaluation.metrics import auc
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.commit import commit_finetune, committed_reports
from crtcore.training.finetuning.predictions import OutOfFold, read_out_of_fold


def test_reports_predictions_and_facts_are_read_back(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    stage = Stage(name="finetune", config={}, inputs=(), version=1)
    score_RP = np.array([[0.9, 0.4, 0.6, 0.2], [0.7, 0.6, 0.3, 0.5]])
    found = OutOfFold(
        id_P=np.array(["a", "b", "c", "d"]),
        label_P=np.array([1, 0, 1, 0]),
        fold_RP=np.array([[0, 1, 0, 1]] * 2),
        score_RP=score_RP,
    )
    reports = [
        EpochReport(
            stage="finetune",
            epoch=epoch,
            num_epochs=2,
            metrics={"auc": 0.5 + epoch / 10, "auc_sd": 0.1},
            num_images=5,
            seconds=1.5,
        )
        for epoch in (1, 2)
    ]
    commit_finetune(store, stage, found, reports, num_beats_P=np.array([1, 2, 3, 4]), num_leads=2)
    assert committed_reports(store, stage) == reports
    assert np.array_equal(read_out_of_fold(store, stage.digest).score_RP, score_RP)
    manifest = store.find(stage)
    assert manifest is not None
    facts = manifest.facts
    assert facts["auc"] == 0.7 and facts["seconds"] == 3.0
    assert facts["pooled_auc"] == pytest.approx(np.mean([auc(found.label_P, row) for row in score_RP]))
    assert facts["sensitivity"] == pytest.approx((1 + 0.5) / 2)
    assert (facts["num_patients"], facts["num_beats"], facts["num_images"]) == (4, 10, 20)
