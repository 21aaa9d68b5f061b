"""The artifacts of a complete trial, figures and a table: their names in the study, and their files.

A sweep stores only their names, a few rows in the study. Each artifact can be drawn from the trial's last
stage, so the dashboard draws it when it is first opened (`drawn_artifacts.py`). The driver would need about a
second per trial to draw them.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna

from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from search.study.attributes import artifact_item, write_artifacts
from search.study.folder import sweep_dir
from search.study.update import TrialUpdate

STAGE: Final = "finetune"
SVG: Final = "image/svg+xml"


@dataclass(frozen=True, kw_only=True)
class ArtifactKind:
    """One kind of file that complete trials have."""

    file_name: str
    mime_type: str


ROC = ArtifactKind(file_name="roc.svg", mime_type=SVG)
CONFUSION = ArtifactKind(file_name="confusion.svg", mime_type=SVG)
LEARNING = ArtifactKind(file_name="learning.svg", mime_type=SVG)
CALIBRATION = ArtifactKind(file_name="calibration.svg", mime_type=SVG)
OUT_OF_FOLD = ArtifactKind(file_name="out_of_fold.csv", mime_type="text/csv")
KINDS: Final = (ROC, CONFUSION, LEARNING, CALIBRATION, OUT_OF_FOLD)
GRAD_CAM = ArtifactKind(file_name="grad_cam.svg", mime_type=SVG)
"""Only for trials that were the best when they ended, because it needs the winner's refitted network."""
_NUMBERED: Final = (*KINDS, GRAD_CAM)


def artifacts_dir(storage: str, name: str) -> Path:
    """The folder of the drawn files of sweep `name`."""
    return sweep_dir(storage, name) / "artifacts"


def artifact_id(digest: str, kind: ArtifactKind) -> str:
    """The id of an artifact of the trial whose last stage is `digest`: hexadecimal digits and hyphens, which
    the dashboard's URLs require.
    """
    return f"{digest}-{_NUMBERED.index(kind):02x}"


def parse_artifact_id(name: str) -> tuple[str, ArtifactKind] | None:
    """The digest and kind of an artifact; None if it is not one of ours, such as a user's upload."""
    digest, _, index = name.rpartition("-")
    kinds = {f"{number:02x}": kind for number, kind in enumerate(_NUMBERED)}
    return (digest, kinds[index]) if digest and "-" not in digest and index in kinds else None


def artifact_links(digest: str, *, leads: bool = False) -> dict[str, str]:
    """Optuna's attributes for the artifacts of the trial whose last stage is `digest`. `leads` says that no
    complete trial is better.
    """
    links: dict[str, str] = {}
    for kind in _NUMBERED if leads else KINDS:
        name = artifact_id(digest, kind)
        meta = {"artifact_id": name, "filename": kind.file_name, "mimetype": kind.mime_type, "encoding": None}
        links |= artifact_item(name, json.dumps(meta))
    return links


class ArtifactLinks:
    """Names each trial's artifacts in the study just before the trial is finished, because Optuna does not
    allow it later.

    A listener: it needs every update of a sweep. A trial's last stage exists from its last report on, or from
    the start if it was built before.
    """

    def __init__(self, study: optuna.Study, store: StageStore) -> None:
        self._study = study
        self._store = store
        self._best = -math.inf  # AUC of the complete trials

    def on_update(self, update: TrialUpdate) -> None:
        """Link the artifacts of a trial that is about to be complete."""
        if update.state == "COMPLETE" and update.value is not None:
            self._best = max(self._best, update.value)
        is_last = update.stage == STAGE and update.epoch == update.num_epochs
        if update.state != "RUNNING" or not (is_last or update.stage is None):
            return
        digest = str(update.stages[STAGE])
        manifest = self._store.find(StageKey(name=STAGE, digest=digest))
        if manifest is not None:
            leads = manifest.facts["auc"] >= self._best
            write_artifacts(self._study, update.number, artifact_links(digest, leads=leads))
