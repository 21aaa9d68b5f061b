"""Table 1 against scipy's tests on hand-made groups, and against the paper's LBBB counts."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind

from crtcore.data.manifest import Patient
from crtcore.evaluation.table_one import left_out_columns, table_one


def cohort(column: str, positive: list[Any], negative: list[Any]) -> list[Patient]:
    return [
        Patient(patient_id=f"{label}-{number}", label=label, clinical={column: value})
        for label, values in ((1, positive), (0, negative))
        for number, value in enumerate(values)
    ]


def test_numbers_get_mean_sd_and_welch() -> None:
    positive, negative = [60.5, 70.0, 65.0, 72.0, 68.0, 61.0], [50.0, 55.5, 80.0, 58.0, 59.0, 62.0]
    (row,) = table_one(cohort("age_years", [*positive, None], negative))
    assert row.p_value == ttest_ind(positive, negative, equal_var=False).pvalue
    assert row.positive == f"{np.mean(positive):.1f} ± {np.std(positive, ddof=1):.1f}"
    assert (row.test, row.num_missing) == ("Welch's t", 1)


def test_the_papers_lbbb_counts() -> None:
    rows = table_one(cohort("lbbb", [1.0] * 44 + [0.0] * 2, [1.0] * 13 + [0.0] * 12))
    head, absent, present = rows
    # 14 of 71 have no LBBB, and 25 no response: a cell expects 4.9.
    assert (head.test, head.p_value) == ("Fisher's exact", fisher_exact(np.array([[2, 44], [12, 13]])).pvalue)
    assert (present.category, present.positive, present.negative) == ("1", "44 (96 %)", "13 (52 %)")
    assert (absent.positive, absent.overall) == ("2 (4 %)", "14 (20 %)")


def test_larger_counts_get_chi_square() -> None:
    head, *_ = table_one(
        cohort("nyha", [2.0] * 9 + [3.0] * 11 + [4.0] * 3, [2.0] * 4 + [3.0] * 8 + [4.0] * 9)
    )
    expected = chi2_contingency([[9, 11, 3], [4, 8, 9]], correction=False).pvalue
    assert (head.test, head.p_value) == ("chi-square", expected)


def test_small_expected_counts_get_fishers_exact_test() -> None:
    head, *_ = table_one(cohort("sex", ["male"] * 5 + ["female"], ["male"] * 2 + ["female"] * 4))
    assert (head.test, head.p_value) == ("Fisher's exact", fisher_exact(np.array([[1, 5], [4, 2]])).pvalue)


@pytest.mark.parametrize("values", [["same"] * 4, [None] * 4])
def test_a_column_without_difference_has_no_test(values: list[Any]) -> None:
    assert all(row.p_value is None for row in table_one(cohort("remark", values, values)))


def test_free_text_is_left_out() -> None:
    assert table_one(cohort("remark", list("abcd"), list("efgh"))) == ()


def test_columns_that_are_left_out_are_named_with_the_reason() -> None:
    assert left_out_columns(cohort("remark", list("abcd"), list("efgh"))) == (
        "remark (text of 8 kinds, such as 'a')",
    )
    mixed = cohort("age_years", [60.5, 70.0, 65.0, "72,5"], [50.0, 55.0, 80.0])
    assert left_out_columns(mixed) == ("age_years (text of 7 kinds, such as '72,5')",)
    assert left_out_columns(cohort("lvef_percent", [None, None], [None])) == ("lvef_percent (no value)",)
    for kept in (
        cohort("age_years", [60.5, None, 1e3], list(map(float, range(9)))),
        cohort("sex", ["m"], ["f"]),
    ):
        assert left_out_columns(kept) == () and table_one(kept)
