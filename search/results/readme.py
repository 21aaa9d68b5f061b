"""README.md of an exported model: a model card as the Hugging Face hub shows it.

It opens with YAML: https://huggingface.co/docs/hub/model-cards, and for `model-index`
https://github.com/huggingface/hub-docs/blob/main/modelcard.md. No patient is named in it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

README_FILE: Final = "README.md"
SAME_SOURCE: Final = "on new patients of the same source"
OTHER_LICENSE: Final = "other"
COMMANDS: Final = """```
crtsearch predict FOLDER recording.hea
crtsearch validate FOLDER patients.csv
```"""


def readme(card: Mapping[str, Any], *, license_id: str, threshold: float, classes: tuple[str, str]) -> str:
    """The page for the model of `card` (see `model_card.py`)."""
    front = yaml.safe_dump(_front_matter(card, license_id), sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{front}---\n\n{_text(card, threshold, classes)}"


def _front_matter(card: Mapping[str, Any], license_id: str) -> dict[str, Any]:
    corrected = card["corrected_auc"]
    return {
        "license": license_id,
        **({"license_name": "not-stated"} if license_id == OTHER_LICENSE else {}),
        "library_name": "crtsearch",
        "tags": [
            "ecg",
            "electrocardiogram",
            "medical",
            "transfer-learning",
            *(["simulated-data"] if card["simulated_data"] else []),
        ],
        "metrics": ["roc_auc"],
        "model-index": [
            {
                "name": card["name"],
                "results": [
                    {
                        "task": {"type": "other", "name": "ECG classification, by patient"},
                        "dataset": {
                            "type": _slug(card["training_data"]["source"]),
                            "name": f"{card['training_data']['source']}, cross-validated by patient",
                        },
                        "metrics": [
                            {
                                "type": "roc_auc",
                                "value": round(corrected["estimate"], 4),
                                "name": (
                                    f"AUC {SAME_SOURCE}, corrected for the search (95 % interval "
                                    f"{corrected['low']:.3f} to {corrected['high']:.3f})"
                                ),
                            }
                        ],
                    }
                ],
            }
        ],
    }


def _text(card: Mapping[str, Any], threshold: float, classes: tuple[str, str]) -> str:
    sections = {
        "Intended use": [card["intended_use"]],
        "Training data": [_table(_training_rows(card)), _line(card["outcome"])],
        "How good it is": [_metrics(card), card["limitations"]],
        "How to use it": [*_usage(card, threshold, _line(classes[1]))],
        "Seeds and versions": [_table(_provenance_rows(card["provenance"]))],
    }
    paragraphs = [
        f"# {card['name']}",
        *([f"> **{_line(card['caveat'])}**"] if card["caveat"] else []),
        f"From an ECG to a probability of *{_line(classes[1])}*. The model is {card['model']}.",
    ]
    for title, content in sections.items():
        paragraphs += [f"## {title}", *content]
    return "\n\n".join(paragraphs) + "\n"


def _usage(card: Mapping[str, Any], threshold: float, positive: str) -> Iterator[str]:
    yield f"Install crtsearch-ecg {card['provenance']['versions']['crtsearch']}. `FOLDER` is this folder."
    yield COMMANDS
    yield (
        f"`predict` prints a probability for each recording, and predicts *{positive}* at {threshold:.3f} or "
        "more. That threshold was chosen on out-of-fold scores. A recording of poor quality, or without the "
        f"leads {', '.join(card['leads'])}, is refused."
    )
    yield (
        "`validate` measures the model on patients of another hospital, listed in a CSV file with the "
        "columns patient_id, recording and label. Do that before you believe any number on this page for "
        f"other patients.{_beside(card)}"
    )


def _beside(card: Mapping[str, Any]) -> str:
    """What lies in the folder to compare the model with."""
    if not card["comparators"]:
        return ""
    named = ", ".join(kind.replace("_", " ") for kind in card["comparators"])
    return f" It compares the model with the simple models in `comparators/` ({named}) on the same patients."


def _training_rows(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    data = card["training_data"]
    rate = data["sampling_rate_hz"]
    return [
        ("source", data["source"]),
        ("patients", ", ".join(f"{count} {name}" for name, count in data["classes"].items())),
        ("beats", f"{data['num_beats']:,}"),
        ("leads", ", ".join(card["leads"])),
        ("sampling rate", "unknown" if rate is None else f"{rate:g} Hz, mean of the recordings"),
        ("pre-trained on", data["pretrained_on"] or "nothing"),
    ]


def _metrics(card: Mapping[str, Any]) -> str:
    corrected = card["corrected_auc"]
    return (
        f"Expect an AUC of **{corrected['estimate']:.3f}** {SAME_SOURCE} (95 % interval "
        f"{corrected['low']:.3f} to {corrected['high']:.3f}; by patient, corrected for the search of "
        f"{corrected['num_configurations']} configurations on {corrected['num_patients']} patients). The "
        f"best AUC that the search saw, {corrected['naive']:.3f}, is partly luck."
    )


def _provenance_rows(made: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    digests = ", ".join(f"{name} `{digest}`" for name, digest in made["digests"].items() if digest)
    return [("seed", str(made["seed"])), ("versions", versions), ("stages", digests)]


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_line(value)} |" for name, value in rows)])


def _line(text: str) -> str:
    """Text from the config in one line, without what ends a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _slug(name: str) -> str:
    """A name as the hub takes it for a data set."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name.rpartition(".")[0] or name).strip("-.") or "cohort"
