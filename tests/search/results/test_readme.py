"""README.md as the Hugging Face hub reads it, and as a person does."""

from typing import Any

import pytest
import yaml

from search.results.readme import readme

CARD: dict[str, Any] = {
    "name": "demo",
    "intended_use": "Research. Not a medical device.",
    "caveat": "A note | with a bar\nand two lines.",
    "simulated_data": False,
    "outcome": "Label 1 is response.",
    "model": "a resnet18",
    "training_data": {
        "num_patients": 71,
        "num_beats": 1234,
        "num_images": 2468,
        "source": "my cohort (2).csv",
        "classes": {"non-responder": 25, "responder": 46},
        "sampling_rate_hz": 500.0,
        "pretrained_on": "mitdb",
    },
    "leads": ["II", "V1"],
    "comparators": {},
    "corrected_auc": {
        "estimate": 0.8912345,
        "low": 0.706,
        "high": 0.965,
        "naive": 0.938,
        "num_configurations": 12,
        "num_patients": 71,
    },
    "limitations": "Not validated elsewhere.",
    "provenance": {
        "seed": 0,
        "versions": {"python": "3.12", "crtsearch": "0.2.0"},
        "digests": {"cohort": "abc", "features": None},
    },
}


def front_matter(page: str) -> dict[str, Any]:
    opening, front, _ = page.split("---\n", 2)
    assert opening == ""
    content = yaml.safe_load(front)
    assert isinstance(content, dict)
    return content


def page(card: dict[str, Any] | None = None, license_id: str = "other") -> str:
    return readme(
        card or CARD, license_id=license_id, threshold=0.4321, classes=("non-responder", "responder")
    )


def test_the_front_matter_has_the_fields_that_the_hub_documents() -> None:
    """Required: the model's name, task.type, dataset.type, dataset.name, metrics[].type and .value."""
    front = front_matter(page())
    assert front["license"] == "other"
    assert front["license_name"] == "not-stated"
    assert front["library_name"] == "crtsearch"
    assert front["metrics"] == ["roc_auc"]
    assert all(isinstance(tag, str) for tag in front["tags"])
    (model,) = front["model-index"]
    assert model["name"] == "demo"
    (result,) = model["results"]
    assert set(result) == {"task", "dataset", "metrics"}
    assert result["task"]["type"] == "other"
    assert result["dataset"]["type"] == "my-cohort-2"
    assert isinstance(result["dataset"]["name"], str)
    (metric,) = result["metrics"]
    assert metric["type"] == "roc_auc"
    assert metric["value"] == 0.8912
    assert "on new patients of the same source" in metric["name"]
    assert "0.706 to 0.965" in metric["name"]


def test_a_license_of_the_config_needs_no_name() -> None:
    front = front_matter(page(license_id="apache-2.0"))
    assert front["license"] == "apache-2.0"
    assert "license_name" not in front


@pytest.mark.parametrize("tags", [(True, 1), (False, 0)])
def test_simulated_data_are_tagged(tags: tuple[bool, int]) -> None:
    front = front_matter(page(CARD | {"simulated_data": tags[0]}))
    assert front["tags"].count("simulated-data") == tags[1]


def test_the_text_says_what_it_is_for_whom_how_good_and_how_to_use_it() -> None:
    text = page()
    for part in (
        "## Intended use",
        "Not a medical device",
        "25 non-responder, 46 responder",
        "| source | my cohort (2).csv |",
        "500 Hz",
        "| pre-trained on | mitdb |",
        "AUC of **0.891** on new patients of the same source (95 % interval 0.706 to 0.965;",
        "crtsearch predict FOLDER",
        "crtsearch validate FOLDER",
        "*responder* at 0.432 or more",
        "| seed | 0 |",
        "crtsearch 0.2.0",
        r"A note \| with a bar and two lines.",
    ):
        assert part in text
    assert "None" not in text


def test_simple_models_beside_the_model_are_named() -> None:
    assert "comparators/" not in page()
    beside = {"pixels": {"trial": 2, "auc": 0.8}, "random_features": {"trial": 3, "auc": 0.7}}
    assert "in `comparators/` (pixels, random features) on the same patients." in page(
        CARD | {"comparators": beside}
    )
