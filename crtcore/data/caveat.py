"""What must be said about the data beside every result."""

from typing import Final

from crtcore.config import Experiment
from crtcore.data.manifest import LVESV, manifest_columns

SIMULATION_FILE: Final = "simulation.json"  # `crtsearch simulate` writes it into the folder
SIMULATED: Final = (
    "SIMULATED DATA: no patient is in it. It shows that the software runs, and nothing about CRT."
)


def is_simulated(experiment: Experiment) -> bool:
    """Whether `crtsearch simulate` wrote the database or the cohort."""
    places = (experiment.manifest_path.parent, experiment.database_path)
    return any((folder / SIMULATION_FILE).is_file() for place in places for folder in (place, place.parent))


def caveat(experiment: Experiment) -> str:
    """That the data are simulated, and the note of the config. Empty if neither applies."""
    said = (SIMULATED if is_simulated(experiment) else "", experiment.cohort.note)
    return " ".join(filter(None, said))


def outcome_sentence(experiment: Experiment) -> str:
    """What label 1 means: the note of the config, or what the manifest says."""
    if experiment.cohort.note:
        return experiment.cohort.note
    if "label" in manifest_columns(experiment.manifest_path):
        return (
            "Label 1 is what the manifest's column `label` says it is; whether that is response to CRT, only "
            "the manifest's author knows."
        )
    return f"Label 1 is a fall of LVESV by 15 % or more ({LVESV[0]} to {LVESV[1]})."
