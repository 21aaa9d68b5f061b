"""What the checklist asks and a run knows."""

from typing import Any

from crtcore.data.caveat import is_simulated, outcome_sentence
from crtcore.evaluation.performance import Performance
from crtcore.evaluation.thresholds import youden_threshold
from crtcore.prediction.predictor import REFUSED
from search.bundle import INTENDED_USE
from search.out_of_fold import OutOfFold
from search.provenance import provenance
from search.winner import Winner


def run_facts(
    winner: Winner, predictions: OutOfFold, found: Performance, sentences: tuple[str, ...]
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
