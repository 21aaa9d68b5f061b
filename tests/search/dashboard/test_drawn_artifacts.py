"""Artifacts that are drawn when they are requested, of a sweep that was really trained."""

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from optuna.artifacts.exceptions import ArtifactNotFound

from crtcore.config import Experiment
from crtcore.pipeline import open_store
from search.dashboard.artifacts import CALIBRATION, CONFUSION, GRAD_CAM, KINDS, OUT_OF_FOLD, SVG, artifact_id
from search.dashboard.drawn_artifacts import DrawnArtifacts
from search.study.study import open_study

CLASSES = ("stays ill", "recovers")
UNKNOWN = "0" * 32


def digest_of_first(experiment: Experiment) -> str:
    trial = open_study(experiment.storage, experiment.name, create=False).trials[0]
    return str(trial.user_attrs["stages"]["finetune"])


def test_each_kind_is_drawn_once_and_kept(finished: Experiment, tmp_path: Path) -> None:
    store = DrawnArtifacts(tmp_path, open_store(finished), lambda: CLASSES, lambda digest: None)
    digest = digest_of_first(finished)
    for kind in KINDS:
        with store.open_reader(artifact_id(digest, kind)) as reader:
            content = reader.read()
        if kind.mime_type == SVG:
            assert ElementTree.fromstring(content).tag.endswith("svg")
        if kind in (CONFUSION, CALIBRATION):
            assert all(name.encode() in content for name in CLASSES)
        drawn = tmp_path / artifact_id(digest, kind)
        assert drawn.read_bytes() == content
    drawn.write_bytes(b"kept")
    with store.open_reader(drawn.name) as reader:
        assert reader.read() == b"kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        artifact_id(digest, kind) for kind in KINDS
    )


def test_grad_cam_is_kept_as_soon_as_it_can_be_drawn(finished: Experiment, tmp_path: Path) -> None:
    digest = digest_of_first(finished)
    drawn: list[str | None] = [None, "<svg/>"]
    store = DrawnArtifacts(tmp_path, open_store(finished), lambda: CLASSES, lambda digest: drawn.pop(0))
    name = artifact_id(digest, GRAD_CAM)
    with store.open_reader(name) as reader:
        assert b"crtsearch report" in ElementTree.tostring(ElementTree.fromstring(reader.read()))
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        with store.open_reader(name) as reader:
            assert reader.read() == b"<svg/>"


def test_the_table_numbers_patients_and_names_none(finished: Experiment, tmp_path: Path) -> None:
    store = DrawnArtifacts(tmp_path, open_store(finished), lambda: CLASSES, lambda digest: None)
    with store.open_reader(artifact_id(digest_of_first(finished), OUT_OF_FOLD)) as reader:
        text = reader.read().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["patient"] for row in rows] == [f"patient {number:02}" for number in range(1, 13)]
    assert {row["label"] for row in rows} == {"0", "1"}
    assert all(0 <= float(row["score"]) <= 1 for row in rows)
    assert "sim" not in text  # how the simulated cohort's ids begin


def test_an_artifact_without_file_and_stage_is_not_found(finished: Experiment, tmp_path: Path) -> None:
    store = DrawnArtifacts(tmp_path, open_store(finished), lambda: CLASSES, lambda digest: None)
    for name in (artifact_id(UNKNOWN, KINDS[0]), "0b9c0b9e-7f52-4f0c-9c1f-2d4c0c8b4f00"):
        with pytest.raises(ArtifactNotFound):
            store.open_reader(name)


def test_a_file_that_a_user_uploads_is_kept_and_removed(finished: Experiment, tmp_path: Path) -> None:
    store = DrawnArtifacts(tmp_path, open_store(finished), lambda: CLASSES, lambda digest: None)
    store.write("ab12", io.BytesIO(b"mine"))
    with store.open_reader("ab12") as reader:
        assert reader.read() == b"mine"
    store.remove("ab12")
    with pytest.raises(ArtifactNotFound):
        store.open_reader("ab12")
