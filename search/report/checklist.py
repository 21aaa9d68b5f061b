"""The TRIPOD+AI checklist, filled in as far as a run knows.

Collins et al. 2024 (BMJ 385:e078378). What a run cannot know is left to the authors, and marked so.
"""

from dataclasses import dataclass
from typing import Any, Final

AUTHORS: Final = "For the authors."


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of the checklist; `from_run` says whether `answer` is this run's or is left to the authors."""

    number: str
    topic: str
    answer: str

    @property
    def from_run(self) -> bool:
        return self.answer != AUTHORS


def checklist(facts: dict[str, Any]) -> tuple[Item, ...]:
    """All items in order. `facts` holds the texts that depend on the run, by the keys used below."""
    answers = {
        ("1", "Title identifies the study as developing a prediction model"): AUTHORS,
        ("2", "Abstract (TRIPOD+AI for Abstracts)"): AUTHORS,
        ("3a", "Healthcare context and rationale"): AUTHORS,
        ("3b", "Target population, intended purpose and users"): facts["intended_use"],
        ("3c", "Known health inequalities"): AUTHORS,
        ("4", "Objectives"): (
            "Development of a model with internal validation (cross-validation, corrected for the search)."
        ),
        ("5a", "Sources of data"): facts["data"],
        ("5b", "Dates of the data"): AUTHORS,
        ("6a", "Setting and centres"): AUTHORS,
        ("6b", "Eligibility criteria"): facts["eligibility"],
        ("6c", "Treatments received"): AUTHORS,
        ("7", "Data preparation and quality checks"): facts["preparation"],
        ("8a", "Outcome and how it was assessed"): facts["outcome"],
        ("8b", "Assessors, if the outcome is judged"): AUTHORS,
        ("8c", "Blinding of outcome assessment"): AUTHORS,
        ("9a", "Choice of initial predictors"): "The ECG alone; clinical variables enter comparators only.",
        ("9b", "Definition of predictors"): facts["predictors"],
        ("9c", "Predictors that need judgement"): "None: R peaks and images are computed.",
        ("10", "Sample size"): facts["sample_size"],
        ("11", "Missing data"): facts["missing"],
        ("12a", "How the data were used (development, evaluation)"): facts["use_of_data"],
        ("12b", "Handling of predictors in the analysis"): (
            "Images are scaled to their own maximum; features are standardised by statistics of the training "
            "fold."
        ),
        ("12c", "Model type, building steps, tuning, internal validation"): facts["model"],
        ("12d", "Heterogeneity across clusters"): "Not assessed: the manifest names no clusters.",
        ("12e", "Measures of performance and comparison"): (
            "AUC (DeLong), figures at a threshold chosen on training folds (patient bootstrap), Brier score, "
            "calibration intercept and slope, decision curve; paired DeLong tests against each comparator."
        ),
        ("12f", "Model updating after evaluation"): "None.",
        ("12g", "How predictions were calculated for evaluation"): (
            "By the network of the fold that did not train on the patient: the logistic function of the mean "
            "logit over the patient's beats."
        ),
        ("13", "Class imbalance"): facts["imbalance"],
        ("14", "Fairness"): "Not assessed by this run.",
        ("15", "Model output, classes and thresholds"): facts["output"],
        ("16", "Differences between development and evaluation data"): "None: internal validation only.",
        ("17", "Ethics approval"): AUTHORS,
        ("18a", "Funding"): AUTHORS,
        ("18b", "Conflicts of interest"): AUTHORS,
        ("18c", "Protocol"): AUTHORS,
        ("18d", "Registration"): AUTHORS,
        ("18e", "Availability of data"): AUTHORS,
        ("18f", "Availability of code"): facts["code"],
        ("19", "Patient and public involvement"): AUTHORS,
        ("20a", "Flow of participants"): facts["flow"],
        ("20b", "Characteristics of participants"): "Table 1 of this report.",
        ("20c", "Comparison of development and evaluation data"): "The same patients, in different folds.",
        ("21", "Numbers of participants and outcomes in each analysis"): facts["numbers"],
        ("22", "Full model specification"): "`crtsearch export` writes weights and settings.",
        ("23a", "Performance with intervals"): facts["performance"],
        ("23b", "Heterogeneity of performance"): "Mean and SD over folds, in the table of figures.",
        ("24", "Results of model updating"): "None.",
        ("25", "Interpretation, fairness included"): AUTHORS,
        ("26", "Limitations"): facts["limitations"],
        ("27a", "Poor-quality or missing input at use"): facts["poor_input"],
        ("27b", "Expertise that users need"): AUTHORS,
        ("27c", "Next steps"): "External validation on new patients, before anything else.",
    }
    return tuple(Item(number=n, topic=topic, answer=answer) for (n, topic), answer in answers.items())
