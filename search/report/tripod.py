"""The TRIPOD+AI checklist, filled in as far as a run knows.

Collins et al. 2024 (BMJ 385:e078378). What a run cannot know is left to the authors, and marked so.
"""

from dataclasses import dataclass
from typing import Any, Final

from crtcore.data.caveat import is_simulated, outcome_sentence
from crtcore.evaluation.performance import Performance
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.prediction.predictor import REFUSED
from search.results.bundle import INTENDED_USE
from search.results.out_of_fold import AlignedPredictions
from search.results.provenance import provenance
from search.results.winner import Winner

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


def run_facts(
    winner: Winner, predictions: AlignedPredictions, found: Performance, sentences: tuple[str, ...]
) -> dict[str, Any]:
    """What `checklist` asks and the run knows; `sentences` are the verdict's."""
    base, config, counts = winner.base, winner.experiment, winner.row.counts
    num_patients, num_positive = len(predictions.patient_ids), int(predictions.label_P.sum())
    num_listed = len(winner.sources.patients)
    threshold = youden_threshold(predictions.label_P, predictions.scores()[:, winner.leaderboard.winner])
    parameters = ", ".join(f"{key} {value}" for key, value in winner.row.params.items())
    missing = sum(
        patient.clinical[key] is None for patient in winner.sources.patients for key in patient.clinical
    )
    simulated = "Simulated. " if is_simulated(base) else ""
    auc = found.pooled["auc"]
    start = (
        "Transfer learning from heartbeats"
        if winner.is_pretrained
        else "A network that was random before it was trained on the cohort (no pre-training)"
    )
    pretraining = (
        f"pre-training on {len(winner.sources.arrhythmia)} records of {base.database_path.name}"
        if winner.is_pretrained
        else "no pre-training"
    )
    return {
        "intended_use": INTENDED_USE,
        "data": (f"{simulated}Cohort manifest {base.manifest_path.name}; {pretraining}."),
        "eligibility": (
            f"Recordings flagged {', '.join(base.cohort.exclude)} were left out."
            if base.cohort.exclude
            else "No recording was left out for its quality; further criteria are for the authors."
        ),
        "preparation": (
            "Resampled, high-pass filtered, R peaks detected, 1.2 RR segments, log-power spectrograms "
            f"({config.spectrogram.window} window of {config.spectrogram.window_length} samples)."
        ),
        "outcome": outcome_sentence(base),
        "predictors": f"Spectrograms of beats on leads {', '.join(winner.sources.cohort_leads)}.",
        "sample_size": (
            f"{num_patients} patients, {num_positive} with the outcome: given, not calculated. The width of "
            "the intervals says what it allows."
        ),
        "missing": f"{missing} clinical cells are empty; they are imputed by the training folds' medians.",
        "use_of_data": (
            f"{predictions.num_folds}-fold cross-validation by patient, stratified, "
            f"{len(predictions.fold_RP)} repeat(s)."
        ),
        "model": (
            f"{start}; {len(winner.leaderboard.rows)} trials "
            f"({base.search.sampler}, {base.search.scheduler.name}); the winner has "
            f"{parameters}. Corrected for the search by BBC-CV."
        ),
        "imbalance": (
            "Classes weigh equally in training, so probabilities suit a prevalence of one half."
            if config.finetune.class_weights == "balanced"
            else "None: classes weigh as they occur."
        ),
        "output": (
            f"A probability; {threshold:.3f} is Youden's cut on out-of-fold scores. It is a cut of the "
            "score, not a recommendation."
        ),
        "code": f"crtsearch; the command is {provenance(winner)['command']}",
        "flow": (
            f"{num_listed} patients in the manifest, {num_listed - num_patients} left out for their "
            f"recordings, {num_patients} analysed."
        ),
        "numbers": (
            f"{num_patients} patients ({num_positive} with the outcome), {counts['num_beats']:,} beats, "
            f"{counts['num_images']:,} images, in every analysis."
        ),
        "performance": (
            f"AUC in the search {auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f}). {sentences[1]}"
        ),
        "limitations": (
            f"{sentences[0]} One cohort, no external validation, no assessment of fairness; pruned trials do "
            "not enter the correction."
        ),
        "poor_input": f"`predict` refuses recordings flagged {', '.join(REFUSED)}, and lacking leads.",
    }
