"""The resolved config that a sweep keeps beside its study."""

from crtcore.config import Experiment
from crtcore.configfile import load_experiment, override
from crtcore.errors import SweepError
from search.identity import CONFIG_FILE
from search.study import sweep_dir


def stored_experiment(storage: str, name: str) -> Experiment:
    """The experiment of sweep `name`, as it last ran, with the storage it lies in now.

    SweepError if the sweep has no config (it never got so far); ConfigError if this version cannot read it.
    """
    path = sweep_dir(storage, name) / CONFIG_FILE
    if not path.is_file():
        raise SweepError(f"sweep {name} has no {path}; run the same `crtsearch sweep` command again")
    return override(load_experiment(path), {"storage": storage})
