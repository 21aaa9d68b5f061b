"""The exception tree.

CrtError                 what a user can fix: the command line prints its one sentence and exits with 2
├── ConfigError          a config file, an override or a search space
├── DataError            a recording, an annotation, a cohort manifest
├── StorageError         a stage, shard or checkpoint that is damaged, missing or not ours
├── DivergedError        a training whose loss or weights are no longer finite
└── SweepError           a sweep that cannot start, continue or be shown

Every other exception is a bug or a fault of the machine, and propagates with its traceback.
"""

from typing import Final

MAX_FOREIGN: Final = 300


class CrtError(Exception):
    """Root of all errors that a user can fix. The message is one sentence with the place and the remedy."""


class ConfigError(CrtError):
    """A setting is unknown, out of range or contradicts another."""


class DataError(CrtError):
    """A recording, annotation or cohort manifest cannot be used as it is."""


class StorageError(CrtError):
    """Stored data are damaged, missing or not what they should be."""


class DivergedError(CrtError):
    """Loss or weights are no longer finite. The message names the stage and the epoch."""


class SweepError(CrtError):
    """A sweep cannot start, continue or be shown."""


def brief(error: Exception) -> str:
    """The message of another library's error, on one line and at most 300 characters long."""
    text = " ".join(str(error).split())
    return text if len(text) <= MAX_FOREIGN else f"{text[:MAX_FOREIGN]}..."
