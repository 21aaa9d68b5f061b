"""What the page of a validation holds."""

from dataclasses import replace

from search.report.validation.content import validation_content
from search.results.validation import Validation
from tests.search.svg import texts


def test_tables_figures_and_numbers_are_there(validated: Validation) -> None:
    content = validation_content(validated)
    assert set(content.figures) == {"roc", "calibration", "decision"}
    assert "the model" in texts(content.figures["roc"].svg)
    assert "the model" in texts(content.figures["decision"].svg)
    assert "winner" not in " ".join(
        texts(content.figures["roc"].svg) + texts(content.figures["decision"].svg)
    )
    assert {"performance", "rules", "subgroups", "recalibrations", "cohort_differences"} <= set(
        content.tables
    )
    assert content.results["performance"]["auc"]["estimate"] == validated.performance.auc.estimate
    assert content.banner == validated.caveat


def test_empty_tables_are_left_out(validated: Validation) -> None:
    bare = replace(
        validated,
        cohort_differences=None,
        refused=(),
        performance=replace(validated.performance, subgroups=()),
    )
    left = set(validation_content(bare).tables)
    assert not {"cohort_differences", "refused", "subgroups"} & left


def test_without_a_caveat_the_banner_says_what_the_model_is_not(validated: Validation) -> None:
    assert "Not a medical device" in validation_content(replace(validated, caveat="")).banner
