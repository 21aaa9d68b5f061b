"""TRIPOD+AI: what the validation answers, and what is left to the authors."""

from dataclasses import replace

from search.report.tripod import AUTHORS, TOPICS
from search.report.validation.tripod import validation_checklist
from search.report.validation.verdict import validation_verdict
from search.results.validation import Validation


def answers(found: Validation) -> dict[str, str]:
    items = validation_checklist(found, validation_verdict(found))
    assert [item.number for item in items] == list(TOPICS)
    return {item.number: item.answer for item in items}


def test_the_items_of_an_evaluation_are_filled(validated: Validation) -> None:
    found = answers(validated)
    for number in ("5a", "12a", "12e", "12g", "16", "20a", "20c", "21", "23a", "23b", "24"):
        assert found[number] != AUTHORS, number
    assert f"{validated.performance.auc.estimate:.3f}" in found["23a"]
    assert f"{len(validated.patients)} patients analysed" in found["20a"]
    assert found["17"] == AUTHORS


def test_what_an_old_bundle_cannot_answer_is_left_to_the_authors(validated: Validation) -> None:
    found = answers(replace(validated, cohort_differences=None, was_checked_for_leaks=False))
    assert (found["16"], found["20c"]) == (AUTHORS, AUTHORS)
    assert "could not be checked" in found["5a"]
