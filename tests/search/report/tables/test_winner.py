"""The winner's tables, from numbers that are known."""

import math

import numpy as np

from crtcore.data.manifest import Patient
from crtcore.evaluation.comparators import Comparison
from crtcore.evaluation.delong import PairedTest
from crtcore.evaluation.intervals import Interval
from crtcore.evaluation.metrics import MeanSd
from crtcore.evaluation.performance import Performance, performance
from crtcore.evaluation.table_one import table_one
from search.report.competitors import Competition
from search.report.tables.winner import (
    METRICS,
    beat_table,
    cohort_table,
    competitor_table,
    performance_table,
)


def test_table_1_counts_both_outcomes_and_marks_categories() -> None:
    patients = [
        Patient(patient_id=str(number), label=int(number < 6), clinical={"age_years": age, "sex": sex})
        for number, (age, sex) in enumerate(
            zip([*np.linspace(50, 70, 9).tolist(), None], ["male", "female"] * 5, strict=True)
        )
    ]
    table = cohort_table(table_one(patients), ("ill", "well"), 6, 4)
    assert table.headings == ("variable", "all (10)", "well (6)", "ill (4)", "missing", "test", "p")
    age, sex, *categories = table.rows
    assert (age[0], age[1], age[4], age[5]) == ("age_years", "60.0 ± 6.8", "1", "Welch's t")
    assert sex[0] == "sex"
    assert [row[0] for row in categories] == ["– female", "– male"]
    assert [row[4] for row in categories] == ["", ""]


def test_metrics_are_shown_over_folds_and_pooled() -> None:
    rng = np.random.default_rng(0)
    label_P = np.array([0, 1] * 20)
    found = performance(
        label_P, (rng.random(40) + label_P / 2)[None] / 1.5, np.arange(40)[None] // 2 % 4, seed=0
    )
    rows = {row[0]: row[1:] for row in performance_table(found).rows}
    assert list(rows) == [
        *METRICS.values(),
        "calibration intercept",
        "calibration slope",
        "calibration in the large",
    ]
    auc = found.pooled["auc"]
    assert rows["AUC"] == (
        f"{found.over_folds['auc'].mean:.3f} ± {found.over_folds['auc'].sd:.3f}",
        f"{auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f})",
    )
    assert found.calibration is not None
    assert rows["calibration slope"] == ("", f"{found.calibration.slope:.3f}")


def test_undefined_metrics_are_named_so() -> None:
    undefined = Performance(
        over_folds=dict.fromkeys(METRICS, MeanSd(mean=math.nan, sd=math.nan)), pooled={}, calibration=None
    )
    rows = {row[0]: row[1:] for row in performance_table(undefined).rows}
    assert rows["PPV"] == ("undefined in a fold", "undefined")
    assert rows["calibration slope"] == ("", "undefined")


def test_the_table_by_beat_says_how_many_images_a_beat_has() -> None:
    table = beat_table(
        dict.fromkeys(METRICS, MeanSd(mean=0.75, sd=0.0625)), {"num_beats": 1200, "num_images": 3600}
    )
    assert "not by patient (1,200 beats, 3,600 images)" in table.title
    assert "Each beat has 3 image(s)" in table.note
    assert table.rows[0] == ("AUC", "0.750 ± 0.062")


def test_competitors_come_with_the_difference_or_with_what_they_lack() -> None:
    scored = Comparison(
        name="QRS area alone",
        auc=Interval(estimate=0.8, low=0.7, high=0.9),
        test=PairedTest(difference=-0.05, low=-0.1, high=0.01, p_value=0.0001),
        metrics={},
    )
    table = competitor_table(
        Competition(comparisons=(scored,), missing={"LBBB alone": "lbbb"}, scores={}), 71
    )
    assert table.rows == (
        ("QRS area alone", "0.800 (0.700 to 0.900)", "", "", "", "-0.050 (-0.100 to +0.010)", "< 0.001"),
        ("LBBB alone", "not available: it needs lbbb", "", "", "", "", ""),
    )
    assert table.note.startswith("The same 71 patients")


def test_table_one_names_the_columns_that_are_not_in_it() -> None:
    table = cohort_table((), ("ill", "well"), 6, 4, left_out=("remark (text of 8 kinds)", "x (no value)"))
    assert table.note.endswith(
        "Columns of the manifest that are not in it: remark (text of 8 kinds); x (no value)."
    )
    assert "not in it" not in cohort_table((), ("ill", "well"), 6, 4).note
