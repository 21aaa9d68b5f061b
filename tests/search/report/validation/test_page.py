"""The files of a validation: one page that loads nothing, JSON, CSV; none of them names a patient."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from crtcore.errors import ConfigError
from search.report.validation.content import validation_content
from search.report.validation.page import PAGE, RESULTS, default_folder, render, write_validation
from search.results.validation import Validation


@pytest.fixture(scope="module")
def folder(model_folder: Path, elsewhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("validation") / "out"
    write_validation(model_folder, elsewhere, path)
    return path


def test_page_json_and_tables_are_written(folder: Path, validated: Validation) -> None:
    page = (folder / PAGE).read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert f"{validated.performance.auc.estimate:.3f}" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page
    results = json.loads((folder / RESULTS).read_text(), parse_constant=pytest.fail)
    assert results["performance"]["num_patients"] == len(validated.patients)
    with (folder / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["probability"]) for row in rows] == pytest.approx(validated.probability_P, abs=1e-6)


def test_no_patient_is_named(folder: Path, validated: Validation) -> None:
    shown = "".join(path.read_text() for path in folder.iterdir())
    assert not [patient.patient_id for patient in validated.patients if patient.patient_id in shown]


def test_an_earlier_validation_is_replaced_and_other_files_are_not_touched(
    folder: Path, model_folder: Path, elsewhere: Path, tmp_path: Path
) -> None:
    (folder / "refused.csv").write_text("stale")
    before = (folder / "performance.csv").read_text()
    write_validation(model_folder, elsewhere, folder)
    assert (folder / "performance.csv").read_text() == before
    assert not (folder / "refused.csv").exists() or (folder / "refused.csv").read_text() != "stale"
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no earlier validation"):
        write_validation(model_folder, elsewhere, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_default_folder_names_model_and_cohort(tmp_path: Path) -> None:
    assert default_folder(tmp_path / "model", Path("far/north.csv")) == Path("model_on_north")


def test_a_page_without_what_an_old_bundle_lacks(validated: Validation) -> None:
    bare = replace(
        validated,
        model_card={},
        cohort_differences=None,
        was_checked_for_leaks=False,
        performance=replace(validated.performance, subgroups=()),
        classes=("<b>", "&"),
    )
    page = render(validation_content(bare))
    assert "the bundle does not describe its training cohort" in page
    assert "Not available: the manifest has none of the columns" in page
    assert "AUC that its sweep expects" not in page
    assert "&lt;b&gt;" in page and "<b></b>" not in page
