"""What a stage `finetune` holds, whichever model it is of: predictions, history and facts."""

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from crtcore.evaluation.metrics import auc, classification
from crtcore.signal.recording import IntArray
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import HISTORY_FILE, EpochReport, decode_history, encode_history
from crtcore.training.finetuning.predictions import OutOfFold, encode_out_of_fold

CLASSIFICATION_FACTS: Final = ("accuracy", "sensitivity", "specificity")


def committed_reports(store: StageStore, stage: Stage) -> list[EpochReport]:
    """The reports of a committed stage, one per epoch."""
    return decode_history(json.loads(store.path(stage, HISTORY_FILE).read_bytes()))


def commit_finetune(
    store: StageStore,
    stage: Stage,
    found: OutOfFold,
    reports: Sequence[EpochReport],
    *,
    num_beats_P: IntArray,
    num_leads: int,
) -> None:
    """Commit the out-of-fold predictions (see `predictions.py`), `history.json`, and the metrics as facts."""
    classified = [classification(found.label_P, score_P) for score_P in found.score_RP]
    num_beats = int(num_beats_P.sum())
    facts = {
        "auc": reports[-1].metrics["auc"],
        "auc_sd": reports[-1].metrics["auc_sd"],
        "pooled_auc": float(np.mean([auc(found.label_P, score_P) for score_P in found.score_RP])),
        **{name: float(np.mean([metrics[name] for metrics in classified])) for name in CLASSIFICATION_FACTS},
        "num_patients": len(found.id_P),
        "num_beats": num_beats,
        "num_images": num_beats * num_leads,
        "seconds": sum(report.seconds for report in reports),
    }
    files = encode_out_of_fold(found, num_beats_P=num_beats_P, num_leads=num_leads)
    history = json.dumps(encode_history(list(reports)), indent=1).encode()
    store.commit(stage, {**files, HISTORY_FILE: history}, facts)
