"""The TRIPOD+AI checklist (Collins et al. 2024, BMJ 385:e078378), with the answers that a run can give.

All other items are left to the authors and marked so.
"""

from dataclasses import dataclass
from typing import Final

from crtcore.data.caveat import is_simulated, outcome_sentence
from crtcore.evaluation.performance import Performance
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.prediction.predictor import REFUSED
from search.results.model_card import INTENDED_USE
from search.results.winner import Winner

AUTHORS: Final = "For the authors."
TOPICS: Final = {
    "1": "Title identifies the study as developing a prediction model",
    "2": "Abstract (TRIPOD+AI for Abstracts)",
    "3a": "Healthcare context and rationale",
    "3b": "Target population, intended purpose and users",
    "3c": "Known health inequalities",
    "4": "Objectives",
    "5a": "Sources of data",
    "5b": "Dates of the data",
    "6a": "Setting and centres",
    "6b": "Eligibility criteria",
    "6c": "Treatments received",
    "7": "Data preparation and quality checks",
    "8a": "Outcome and how it was assessed",
    "8b": "Assessors, if the outcome is judged",
    "8c": "Blinding of outcome assessment",
    "9a": "Choice of initial predictors",
    "9b": "Definition of predictors",
    "9c": "Predictors that need judgement",
    "10": "Sample size",
    "11": "Missing data",
    "12a": "How the data were used (development, evaluation)",
    "12b": "Handling of predictors in the analysis",
    "12c": "Model type, building steps, tuning, internal validation",
    "12d": "Heterogeneity across clusters",
    "12e": "Measures of performance and comparison",
    "12f": "Model updating after evaluation",
    "12g": "How predictions were calculated for evaluation",
    "13": "Class imbalance",
    "14": "Fairness",
    "15": "Model output, classes and thresholds",
    "16": "Differences between development and evaluation data",
    "17": "Ethics approval",
    "18a": "Funding",
    "18b": "Conflicts of interest",
    "18c": "Protocol",
    "18d": "Registration",
    "18e": "Availability of data",
    "18f": "Availability of code",
    "19": "Patient and public involvement",
    "20a": "Flow of participants",
    "20b": "Characteristics of participants",
    "20c": "Comparison of development and evaluation data",
    "21": "Numbers of participants and outcomes in each analysis",
    "22": "Full model specification",
    "23a": "Performance with intervals",
    "23b": "Heterogeneity of performance",
    "24": "Results of model updating",
    "25": "Interpretation, fairness included",
    "26": "Limitations",
    "27a": "Poor-quality or missing input at use",
    "27b": "Expertise that users need",
    "27c": "Next steps",
}
SAME_IN_ALL_RUNS: Final = {
    "3b": INTENDED_USE,
    "4": "Development of a model with internal validation (cross-validation, corrected for the search).",
    "9a": "The ECG alone. Clinical variables are used by competitors only.",
    "9c": "None: R peaks and images are computed.",
    "12b": (
        "Each image is scaled to its own maximum. Features are standardised with the mean and SD of the "
        "training folds."
    ),
    "12d": "Not assessed: the manifest names no clusters.",
    "12e": (
        "AUC (DeLong), metrics at a threshold chosen on the training folds (bootstrap of patients), Brier "
        "score, calibration intercept and slope, decision curve, and a paired DeLong test against each "
        "competitor."
    ),
    "12f": "None.",
    "12g": (
        "By the network of the fold that was not trained on the patient: the logistic function of the mean "
        "logit of the patient's beats."
    ),
    "14": "Not assessed by this run.",
    "16": "None: internal validation only.",
    "20b": "Table 1 of this report.",
    "20c": "The same patients, in different folds.",
    "22": "`crtsearch export` writes weights and settings.",
    "23b": "Mean and SD over folds, in the table of the winner's metrics.",
    "24": "None.",
    "27a": f"`predict` refuses recordings that are flagged {', '.join(REFUSED)} or that lack leads.",
    "27c": "External validation on new patients, before anything else.",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of the checklist with its answer."""

    number: str
    topic: str
    answer: str

    @property
    def from_run(self) -> bool:
        """Whether the run gave the answer; if not, it is left to the authors."""
        return self.answer != AUTHORS


def checklist(
    winner: Winner, performance: Performance, sentences: tuple[str, ...], command: str
) -> tuple[Item, ...]:
    """All items in order. `sentences` are the verdict's; `command` runs the sweep again."""
    answers = (
        SAME_IN_ALL_RUNS
        | _on_data(winner)
        | _on_method(winner)
        | _on_result(winner, performance, sentences)
        | {"18f": f"crtsearch; the command is {command}"}
    )
    return tuple(
        Item(number=number, topic=topic, answer=answers.get(number, AUTHORS))
        for number, topic in TOPICS.items()
    )


def _on_data(winner: Winner) -> dict[str, str]:
    base, predictions, counts = winner.base, winner.predictions, winner.row.counts
    num_patients, num_positive = len(predictions.patient_ids), int(predictions.label_P.sum())
    num_listed = len(winner.sources.patients)
    num_empty = sum(
        patient.clinical[key] is None for patient in winner.sources.patients for key in patient.clinical
    )
    simulated = "Simulated. " if is_simulated(base) else ""
    pretraining = (
        f"pre-training on {len(winner.sources.arrhythmia)} records of {base.database_path.name}"
        if winner.is_pretrained
        else "no pre-training"
    )
    return {
        "5a": f"{simulated}Cohort manifest {base.manifest_path.name}; {pretraining}.",
        "6b": (
            f"Recordings flagged {', '.join(base.cohort.exclude)} were excluded."
            if base.cohort.exclude
            else "No recording was excluded because of its quality. Further criteria are for the authors."
        ),
        "8a": outcome_sentence(base),
        "10": (
            f"{num_patients} patients, {num_positive} with the outcome: all that were available, not "
            "calculated. The width of the intervals shows what this number allows."
        ),
        "11": (
            f"{num_empty} clinical values are missing; the median of the training folds replaces them."
            if num_empty
            else "No clinical value is missing."
        ),
        "20a": (
            f"{num_listed} patients in the manifest, {num_listed - num_patients} excluded because of their "
            f"recordings, {num_patients} analysed."
        ),
        "21": (
            f"{num_patients} patients ({num_positive} with the outcome), {counts['num_beats']:,} beats, "
            f"{counts['num_images']:,} images, in every analysis."
        ),
    }


def _on_method(winner: Winner) -> dict[str, str]:
    base, config, predictions = winner.base, winner.experiment, winner.predictions
    parameters = ", ".join(f"{key} {value}" for key, value in winner.row.params.items())
    start = (
        "Transfer learning from heartbeats"
        if winner.is_pretrained
        else "A network that was random before it was trained on the cohort (no pre-training)"
    )
    return {
        "7": (
            "Resampled, high-pass filtered, R peaks detected, 1.2 RR segments, log-power spectrograms "
            f"({config.spectrogram.window} window of {config.spectrogram.window_length} samples)."
        ),
        "9b": f"Spectrograms of beats on leads {', '.join(winner.sources.cohort_leads)}.",
        "12a": (
            f"{predictions.num_folds}-fold cross-validation by patient, stratified, "
            f"{len(predictions.fold_RP)} repeat(s)."
        ),
        "12c": (
            f"{start}; {len(winner.leaderboard.rows)} trials ({base.search.sampler}, "
            f"{base.search.scheduler.name}). The winner has {parameters}. Corrected for the search by BBC-CV."
        ),
        "13": (
            "The classes have equal weight in training, so the probabilities suit a prevalence of one half."
            if config.finetune.class_weights == "balanced"
            else "Not corrected: every patient has the same weight."
        ),
    }


def _on_result(winner: Winner, performance: Performance, sentences: tuple[str, ...]) -> dict[str, str]:
    auc = performance.pooled["auc"]
    threshold = youden_threshold(winner.predictions.label_P, winner.scores())
    return {
        "15": (
            f"A probability. The threshold {threshold:.3f} maximises Youden's index on out-of-fold scores; "
            "it is not a recommendation."
        ),
        "23a": (
            f"The winner's pooled AUC is {auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f}). {sentences[1]}"
        ),
        "26": (f"{sentences[0]} One cohort, no external validation, no assessment of fairness."),
    }
