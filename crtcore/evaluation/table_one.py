"""Table 1: the cohort's variables in both classes, with a test for each.

Numbers have mean and SD, and Welch's t-test. Categories have counts and shares, and the chi-square test
without continuity correction, or Fisher's exact test if a cell of a 2 x 2 table has an expected count below
5. The p-values are not corrected for the number of variables: the table is descriptive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind

from crtcore.data.manifest import Patient
from crtcore.evaluation.clinical import MAX_CATEGORIES

SMALL_EXPECTED: Final = 5


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row: a variable, or one of its categories (then `variable` is empty and `category` is not).

    `test` and `p_value` are in the variable's row. `p_value` is None if no test is possible.
    """

    variable: str
    category: str
    overall: str
    positive: str
    negative: str
    test: str
    p_value: float | None
    num_missing: int


def table_one(patients: Sequence[Patient]) -> tuple[TableRow, ...]:
    """The manifest's clinical columns in their order, label 1 (`positive`) against label 0 (`negative`).

    Text and columns with at most 5 different whole numbers are categories. Text with more than 5 different
    values is left out.
    """
    columns = dict.fromkeys(name for patient in patients for name in patient.clinical)
    rows: list[TableRow] = []
    for name in columns:
        values = [patient.clinical.get(name) for patient in patients]
        present = [value for value in values if value is not None]
        if not present:
            continue
        is_number = all(isinstance(value, float) for value in present)
        kinds = sorted(set(present), key=lambda value: (isinstance(value, str), value))
        whole = is_number and all(float(value).is_integer() for value in kinds)
        if is_number and not (whole and len(kinds) <= MAX_CATEGORIES):
            rows.append(_number_row(name, values, patients))
        elif len(kinds) <= MAX_CATEGORIES:
            rows.extend(_category_rows(name, values, kinds, patients))
    return tuple(rows)


def left_out_columns(patients: Sequence[Patient]) -> tuple[str, ...]:
    """The clinical columns that are not in Table 1, each with the reason."""
    reasons = []
    for name in dict.fromkeys(name for patient in patients for name in patient.clinical):
        present = [value for patient in patients if (value := patient.clinical.get(name)) is not None]
        words = {value for value in present if not isinstance(value, float)}
        if not present:
            reasons.append(f"{name} (no value)")
        elif words and len(set(present)) > MAX_CATEGORIES:
            example = min(map(str, words))[:40]
            reasons.append(f"{name} (text of {len(set(present))} kinds, such as {example!r})")
    return tuple(reasons)


def _groups(values: Sequence[Any], patients: Sequence[Patient]) -> tuple[list[Any], list[Any]]:
    """The values of patients with label 1 and of those with label 0, without missing values."""
    both = [
        [value for value, patient in zip(values, patients, strict=True) if patient.label == label]
        for label in (1, 0)
    ]
    positive, negative = ([value for value in group if value is not None] for group in both)
    return positive, negative


def _number_row(name: str, values: Sequence[Any], patients: Sequence[Patient]) -> TableRow:
    positive, negative = _groups(values, patients)
    p_value = None
    if min(len(positive), len(negative)) >= 2 and (np.ptp(positive) > 0 or np.ptp(negative) > 0):
        p_value = float(ttest_ind(positive, negative, equal_var=False).pvalue)
    return TableRow(
        variable=name,
        category="",
        overall=_mean_sd([*positive, *negative]),
        positive=_mean_sd(positive),
        negative=_mean_sd(negative),
        test="Welch's t" if p_value is not None else "",
        p_value=p_value,
        num_missing=sum(value is None for value in values),
    )


def _category_rows(
    name: str, values: Sequence[Any], kinds: Sequence[Any], patients: Sequence[Patient]
) -> list[TableRow]:
    positive, negative = _groups(values, patients)
    count_GK = np.array([[group.count(kind) for kind in kinds] for group in (positive, negative)])
    test, p_value = _category_test(count_GK)
    head = TableRow(
        variable=name,
        category="",
        overall="",
        positive="",
        negative="",
        test=test,
        p_value=p_value,
        num_missing=sum(value is None for value in values),
    )
    lines = [
        TableRow(
            variable="",
            category=f"{kind:g}" if isinstance(kind, float) else str(kind),
            overall=_share(int(count_GK[:, k].sum()), int(count_GK.sum())),
            positive=_share(int(count_GK[0, k]), len(positive)),
            negative=_share(int(count_GK[1, k]), len(negative)),
            test="",
            p_value=None,
            num_missing=0,
        )
        for k, kind in enumerate(kinds)
    ]
    return [head, *lines]


def _category_test(count_GK: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[str, float | None]:
    if count_GK.shape[1] < 2 or (count_GK.sum(axis=1) == 0).any():
        return "", None
    result = chi2_contingency(count_GK, correction=False)
    if count_GK.shape == (2, 2) and (result.expected_freq < SMALL_EXPECTED).any():
        return "Fisher's exact", float(fisher_exact(count_GK).pvalue)
    return "chi-square", float(result.pvalue)


def _mean_sd(values: Sequence[float]) -> str:
    if not values:
        return ""
    sd = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{sd}"


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.0f} %)" if total else f"{count}"
