"""The config: frozen values with their limits. Unknown keys are refused.

One `Experiment` holds every setting that decides a result. `configfile.py` reads it from YAML and `--set`;
`search/scheduling/sampling/space.py` says which settings can be searched.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, model_validator

from crtcore.searchconfig import SearchConfig
from crtcore.settings import PositiveFloat, PositiveInt, Rate, Settings

Depth = Literal[18, 34, 50, 101, 152]
Architecture = Literal["resnet", "resnet1d", "alexnet", "vgg19", "inception_v3"]
NUM_GROUPS: Final = 5  # layer groups of every network: the stem and four stages
WAVEFORM_ARCHITECTURES = ("resnet1d",)  # they read waveforms, the others images
SimpleModel = Literal["clinical", "qrs", "pixels", "random_features", "pretrained_features"]
SIMPLE_MODELS: Final[tuple[SimpleModel, ...]] = get_args(SimpleModel)  # the simplest first
FEATURE_MODELS: Final = ("random_features", "pretrained_features")  # they read a frozen network's features
QualityFlag = Literal["flat", "clipped", "missing", "noisy", "too_short", "too_few_beats"]


class SpectrogramConfig(Settings):
    """Beat -> image: a 64 x 64 log-power STFT with the same frequencies (n_fft 512) for every beat."""

    window: Literal["hamming", "hann"] = "hamming"
    window_length: Literal[64, 128, 256, 512] = Field(default=64, description="samples at 360 Hz")
    padding: Literal["context", "zeros"] = Field(
        default="context", description="beyond the beat: the signal around it, or zeros"
    )
    before_r_rr: PositiveFloat = Field(default=0.4, le=2.0, description="RR intervals before the R peak")
    after_r_rr: PositiveFloat = Field(default=0.8, le=2.0, description="RR intervals after the R peak")
    dynamic_range_db: PositiveFloat = Field(default=80.0, description="dB below the beat's maximum")


class ArrhythmiaConfig(Settings):
    """The WFDB database with beat annotations that networks are pre-trained on."""

    database: Path
    records: tuple[str, ...] | None = Field(default=None, description="default: all in the folder")
    leads: Literal["all", "first"] = "all"
    r_peaks: Literal["annotated", "detected"] = "annotated"
    max_beats_per_record: PositiveInt | None = Field(default=None, description="evenly spaced; default: all")


class CohortConfig(Settings):
    """The patients with a yes/no outcome, listed in a manifest (CSV or Parquet)."""

    manifest: Path
    leads: tuple[str, ...] | None = Field(
        default=None, description="lead names; default: those of the first recording"
    )
    max_beats_per_recording: PositiveInt | None = None
    exclude: tuple[QualityFlag, ...] = Field(
        default=(),
        description="leave out recordings that carry one of these quality flags on a lead that is used",
    )
    patients: tuple[str, ...] | None = Field(default=None, description="patients to use; default: all")
    exclude_patients: tuple[str, ...] = Field(default=(), description="patients to leave out")
    class_names: tuple[str, str] = Field(
        default=("non-responder", "responder"), description="names of label 0 and label 1 in results"
    )
    note: str = Field(
        default="",
        description="a sentence beside every result: what label 1 means, or what data these are",
    )


class PretrainConfig(Settings):
    """The network and how it is pre-trained. Objective `none` leaves it randomly initialised."""

    architecture: Architecture = Field(
        default="resnet", description="resnet1d reads the beat's waveform, the others its spectrogram"
    )
    depth: Depth = Field(
        default=18, description="layers of a resnet or resnet1d; other architectures have one depth"
    )
    objective: Literal["aami5", "morphology5", "none"] = "aami5"
    split: Literal["all", "inter_patient", "intra_patient"] = Field(
        default="all",
        description="what is scored. all: nothing. inter_patient: the records of DS2 (in a database other "
        "than mitdb, a random half of the patients). intra_patient: a random fifth of the beats",
    )
    balance: Literal["none", "weighted_loss", "balanced_sampling"] = "weighted_loss"
    images_per_epoch: PositiveInt | None = Field(default=None, description="drawn per epoch; default: all")
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = 256
    weight_decay: Rate = 1e-4
    epochs: PositiveInt = 3


class FinetuneConfig(Settings):
    """One trial on the cohort: which layer groups stay frozen and how the rest is trained, in patient-wise
    cross-validation.

    Heads other than `linear` are models of scikit-learn. They need frozen_groups 5 and ignore learning rate,
    batch size, weight decay and epochs.
    """

    model: Literal["network", SimpleModel] = Field(
        default="network",
        description="network, or a simple model: logistic regression on the manifest's clinical columns, on "
        "QRS duration and area, on the pixels of a patient's mean image, or on the features of a random or "
        "the pre-trained network. Of this section, simple models use folds and repeats only. A sweep takes "
        "network only",
    )
    frozen_groups: int = Field(
        default=4, ge=0, le=NUM_GROUPS, description="how many of stem, layer1, ..., layer4"
    )
    head: Literal["linear", "logistic_regression", "svm", "cubic_svm", "random_forest"] = "linear"
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = Field(default=256, le=2048, description="images, not patients")
    weight_decay: Rate = 1e-2
    epochs: PositiveInt = 10
    lead_fusion: Literal["concatenate", "mean", "mean_prediction"] = "concatenate"
    amplitude: bool = Field(
        default=False, description="add the logarithm of each lead's peak-to-peak amplitude as a feature"
    )
    class_weights: Literal["balanced", "none"] = "balanced"
    folds: int = Field(default=5, ge=2)
    repeats: PositiveInt = Field(default=1, le=1000)


class TrialResources(Settings):
    """What one trial reserves while it runs. GPUs may be fractions."""

    cpus: PositiveFloat = 1.0
    gpus: Rate = 0.0


class PretrainResources(Settings):
    """How many GPUs of a trial pre-train one network together, each on its part of every batch.

    A trial reserves its GPUs from its first stage to its last. The other stages use the first GPU only.
    """

    gpus: PositiveInt = Field(default=1, description="at most resources.trial.gpus")


class ResourcesConfig(Settings):
    """How the machine is shared. Only `precision` is part of a stage's identity.

    float32 gives the same bits again on a CPU. bfloat16 rounds, and is faster on hardware that multiplies it
    (GPUs, CPUs with AMX).
    """

    trial: TrialResources = TrialResources()
    pretrain: PretrainResources = PretrainResources()
    precision: Literal["float32", "bfloat16"] = "float32"
    max_failures: int = Field(
        default=2, ge=0, description="restarts of a trial after its process or node is lost"
    )

    @model_validator(mode="after")
    def _held(self) -> "ResourcesConfig":
        if self.pretrain.gpus > max(1, self.trial.gpus):
            raise ValueError(
                f"pretrain.gpus is {self.pretrain.gpus} and a trial holds {self.trial.gpus:g}: raise "
                "trial.gpus to that number, or lower pretrain.gpus"
            )
        return self


class ExportConfig(Settings):
    """What `crtsearch export` writes. It changes neither a trial nor its score."""

    networks: Literal["one", "fold_mean"] = Field(
        default="one",
        description="of a network that won. one: trained again on all patients. fold_mean: the networks of "
        "all folds, whose mean logit gives the probability",
    )
    license: Annotated[str, Field(min_length=1)] = Field(
        default="other",
        description="in the model card: an identifier of the Hugging Face hub, such as apache-2.0 or mit",
    )


class Experiment(Settings):
    """All settings that decide a result. Relative paths of data are relative to `data`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
    storage: str = Field(default="storage", description="folder, or s3:// or gs:// URI, of all results")
    cache: Path = Field(
        default=Path("~/.cache/crtsearch"), description="this node's copies of images and remote files"
    )
    data: Path = Field(default=Path("."), description="folder of the recordings")
    seed: int = Field(default=0, ge=0)
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    arrhythmia: ArrhythmiaConfig
    cohort: CohortConfig
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    search: SearchConfig = SearchConfig()
    resources: ResourcesConfig = ResourcesConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="after")
    def _consistent(self) -> "Experiment":
        head, frozen_groups = self.finetune.head, self.finetune.frozen_groups
        if head != "linear" and frozen_groups < NUM_GROUPS:
            raise ValueError(
                f"finetune.head {head} is fitted to the features of a frozen network, and "
                f"finetune.frozen_groups is {frozen_groups}; set it to {NUM_GROUPS}, or the head to linear"
            )
        if self.finetune.model == "pixels" and self.takes_waveforms:
            raise ValueError(
                f"finetune.model pixels reads spectrograms, and {self.pretrain.architecture} reads "
                "waveforms; choose another pretrain.architecture or another finetune.model"
            )
        if self.finetune.model == "pretrained_features" and self.pretrain.objective == "none":
            raise ValueError(
                "finetune.model pretrained_features needs a network that is pre-trained, and "
                "pretrain.objective is none; choose an objective, or finetune.model random_features"
            )
        return self

    @property
    def takes_waveforms(self) -> bool:
        """Whether the network reads beats as waveforms rather than images."""
        return self.pretrain.architecture in WAVEFORM_ARCHITECTURES

    @property
    def database_path(self) -> Path:
        """The arrhythmia database's folder."""
        return (self.data / self.arrhythmia.database).expanduser()

    @property
    def manifest_path(self) -> Path:
        """The cohort manifest's file."""
        return (self.data / self.cohort.manifest).expanduser()
