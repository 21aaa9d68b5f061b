"""The configuration tree: data only, frozen, unknown keys refused.

One `Experiment` holds all that decides a result. Where a value comes from (YAML, `--set`, defaults) is
`configfile.py`'s business; which of them a search may vary is `search/space.py`'s.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Depth = Literal[18, 34, 50, 101, 152]
QualityFlag = Literal["flat", "clipped", "missing", "noisy", "too_short", "too_few_beats"]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """Base of every section: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SpectrogramConfig(Settings):
    """Beat -> image: a 64 x 64 log-power STFT, the same frequency grid (n_fft 512) for every beat."""

    window: Literal["hamming", "hann"] = "hamming"
    window_length: Literal[64, 128, 256, 512] = 64
    padding: Literal["context", "zeros"] = "context"
    before_r_rr: PositiveFloat = Field(default=0.4, le=2.0, description="RR intervals before the R peak")
    after_r_rr: PositiveFloat = Field(default=0.8, le=2.0, description="RR intervals after the R peak")
    dynamic_range_db: PositiveFloat = 80.0


class ArrhythmiaConfig(Settings):
    """The WFDB database with beat annotations that networks are pre-trained on."""

    database: Path
    records: tuple[str, ...] | None = Field(
        default=None, description="record names; all in the folder if unset"
    )
    leads: Literal["all", "first"] = "all"
    r_peaks: Literal["annotated", "detected"] = "annotated"
    max_beats_per_record: PositiveInt | None = Field(
        default=None, description="evenly spaced subset, for machines without a GPU"
    )


class CohortConfig(Settings):
    """The patients with a yes/no outcome, listed in a manifest (CSV or Parquet)."""

    manifest: Path
    leads: tuple[str, ...] | None = Field(
        default=None, description="lead names; all that the recordings share if unset"
    )
    max_beats_per_recording: PositiveInt | None = None
    exclude: tuple[QualityFlag, ...] = Field(
        default=(), description="leave out recordings that carry one of these flags on a lead that is used"
    )


class PretrainConfig(Settings):
    """The network and how it is pre-trained; objective `none` leaves it randomly initialised (the from-
    scratch arm).
    """

    depth: Depth = 18
    objective: Literal["aami5", "morphology5", "none"] = "aami5"
    split: Literal["all", "inter_patient"] = "all"
    balance: Literal["none", "weighted_loss"] = "weighted_loss"
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = 256
    weight_decay: Rate = 1e-4
    epochs: PositiveInt = 3


class FinetuneConfig(Settings):
    """One trial on the cohort: which groups stay frozen, and how the rest is trained, under patient-wise
    folds.
    """

    frozen_groups: int = Field(default=4, ge=0, le=5, description="stem, layer1 .. layer4")
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = Field(default=256, le=2048, description="images, not patients")
    weight_decay: Rate = 1e-2
    epochs: PositiveInt = 10
    lead_fusion: Literal["concatenate", "mean"] = "concatenate"
    folds: int = Field(default=5, ge=2)
    repeats: PositiveInt = 1


class SchedulerConfig(Settings):
    """Early stopping of poor trials. `asha` is asynchronous successive halving (Li et al., MLSys 2020) on
    epochs.
    """

    name: Literal["asha", "none"] = "asha"
    grace_epochs: PositiveInt = 2
    reduction_factor: int = Field(default=3, ge=2)


class FloatRange(Settings):
    """A continuous range to search, on a log scale if `log`."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "FloatRange":
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError("a log range must start above 0")
        return self


Choices = Annotated[tuple[bool | int | float | str, ...], Field(min_length=1)]


class SearchConfig(Settings):
    """What is searched and how: `space` maps a dotted config key to a list of choices or to a range."""

    trials: PositiveInt = 20
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    scheduler: SchedulerConfig = SchedulerConfig()
    space: dict[str, FloatRange | Choices] = Field(default_factory=dict)


class TrialResources(Settings):
    """What one trial holds while it runs; GPUs may be fractions."""

    cpus: PositiveFloat = 1.0
    gpus: Rate = 0.0


class ResourcesConfig(Settings):
    """How the machine is shared; never part of a stage's identity."""

    trial: TrialResources = TrialResources()
    max_failures: int = Field(
        default=2, ge=0, description="restarts of a trial whose process or node was lost"
    )


class Experiment(Settings):
    """Everything that decides a result, in one value. Relative data paths are resolved against `data`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    storage: str = "storage"
    cache: Path = Field(
        default=Path("~/.cache/crtsearch"), description="this node's mapped copies of shard sets"
    )
    data: Path = Path(".")
    seed: int = Field(default=0, ge=0)
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    arrhythmia: ArrhythmiaConfig
    cohort: CohortConfig
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    search: SearchConfig = SearchConfig()
    resources: ResourcesConfig = ResourcesConfig()

    @property
    def database_path(self) -> Path:
        """The arrhythmia database's folder."""
        return (self.data / self.arrhythmia.database).expanduser()

    @property
    def manifest_path(self) -> Path:
        """The cohort manifest's file."""
        return (self.data / self.cohort.manifest).expanduser()
