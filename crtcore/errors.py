"""The exception tree.

CrtError                 what a user can mend: the command line prints its one sentence and exits with 2
├── ConfigError          a config file, an override or a search space
├── DataError            a recording, an annotation, a cohort manifest
├── StorageError         a stage, shard or checkpoint that is damaged, missing or foreign
├── DivergedError        a training run whose loss or weights left the finite numbers
└── SweepError           a sweep that cannot start, go on or be shown

Everything else that is raised is a defect of ours or of the machine, and propagates with its traceback.
"""


class CrtError(Exception):
    """Root of all errors a user can mend; the message is one sentence that names the place and the remedy."""


class ConfigError(CrtError):
    """A setting is unknown, out of range or contradicts another."""


class DataError(CrtError):
    """A recording, annotation or cohort manifest cannot be used as it is."""


class StorageError(CrtError):
    """Stored bytes are damaged, missing or not what they are said to be."""


class DivergedError(CrtError):
    """Training left the finite numbers; the message names the stage and the epoch."""


class SweepError(CrtError):
    """A sweep cannot start, go on or be shown."""
