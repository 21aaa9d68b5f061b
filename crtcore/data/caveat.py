"""What must be said of the data beside every result that rests on them."""

from typing import Final

from crtcore.config import Experiment
from crtcore.data.manifest import LVESV, manifest_columns

SIMULATION_FILE: Final = "simulation.json"  # `crtsearch simulate` writes it into the folder
SIMULATED: Final = (
    "SIMULATED DATA: no patient is in it. It shows that the software runs, and nothing about CRT."
)


def is_simulated(experiment: Experiment) -> bool:
    """Whether database or cohort lie in a folder that `crtsearch simulate` wrote."""
    places = (experiment.manifest_path.parent, experiment.database_path)
    return any((folder / SIMULATION_FILE).is_file() for place in places for folder in (place, place.parent))


def caveat(experiment: Experiment) -> str:
    """That data are simulated, and the config's own note on them; empty where there is neither."""
    said = (SIMULATED if is_simulated(experiment) else "", experiment.cohort.note)
    return " ".join(filter(None, said))


def outcome_sentence(experiment: Experiment) -> str:
    """What label 1 is: what the config's note says, or else as far as the manifest says."""
    if experiment.cohort.note:
        return experiment.cohort.note
    if "label" in manifest_columns(experiment.manifest_path):
        return (
            "Label 1 is what the manifest's column `label` says it is; whether that is response to CRT, only "
            "the manifest's author knows."
        )
    return f"Label 1 is a fall of LVESV by 15 % or more ({LVESV[0]} to {LVESV[1]})."
