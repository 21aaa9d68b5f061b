"""Tables of the whole sweep: its networks, its trials, and the stages they shared."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from search.report.tables.table import Table
from search.results.headings import headings
from search.results.leaderboard import Leaderboard, Row

SHARED: Final = ("pretrain", "features", "finetune")
ARMS: Final = ("general", "pretrained")  # the paper's names; general means trained from scratch
PAPER: Final = {  # He et al. 2023, Table 2: accuracy / sensitivity / specificity
    ("ResNet-50", "pretrained"): "0.721 / 0.783 / 0.792",
    ("ResNet-50", "general"): "0.612 / not given / not given",
}


def paper_table(leaderboard: Leaderboard, base: Experiment) -> Table:
    """Table 2 in the paper's layout: one row per network, from scratch (general) beside pretrained."""
    best: dict[tuple[str, str], Row] = {}
    for row in leaderboard.rows:  # in rank order, so the first row of a cell is its best
        if row.state == "COMPLETE":
            best.setdefault(_cell(override(base, row.params)), row)
    names = dict.fromkeys(["ResNet-18", "ResNet-50", "ResNet-101", *(name for name, _ in best)])
    rows = [
        (
            name,
            *(
                text
                for arm in ARMS
                for text in (_metrics(best.get((name, arm))), PAPER.get((name, arm), "not given"))
            ),
        )
        for name in names
        if any((name, arm) in best or (name, arm) in PAPER for arm in ARMS)
    ]
    return Table(
        title="Table 2. Networks from scratch (general) and pretrained",
        headings=("network", "general, here", "general, paper", "pretrained, here", "pretrained, paper"),
        rows=tuple(rows),
        note=(
            "Accuracy / sensitivity / specificity, then AUC ± SD over folds. Here: the best complete trial "
            "of each cell, by patient, pooled over folds, at a probability of 0.5. Each is partly luck: "
            "it was picked as the best. The paper (He et al. 2023) scores another, private cohort; only the "
            "numbers of its ResNet-50 are included."
        ),
    )


def _cell(experiment: Experiment) -> tuple[str, str]:
    config = experiment.pretrain
    name = {"resnet": f"ResNet-{config.depth}", "resnet1d": f"1-D ResNet-{config.depth}"}
    arm = "general" if config.objective == "none" else "pretrained"
    return name.get(config.architecture, config.architecture), arm


def _metrics(row: Row | None) -> str:
    if row is None:
        return "not in this sweep"
    metrics = " / ".join(f"{row.metrics[key]:.3f}" for key in ("accuracy", "sensitivity", "specificity"))
    return f"{metrics}; AUC {row.auc:.3f} ± {row.auc_sd:.3f}"


def sharing_table(leaderboard: Leaderboard, store: StageStore) -> tuple[Table, float]:
    """How many trials used each shared stage, and the hours saved by building it once."""
    uses = Counter(
        (name, digest)
        for row in leaderboard.rows
        for name, digest in row.stages.items()
        if digest is not None
    )
    rows, saved_h = [], 0.0
    for name in SHARED:
        uses_by_key = {StageKey(name=name, digest=key[1]): num for key, num in uses.items() if key[0] == name}
        seconds = {key: _seconds(store, key) for key in uses_by_key}
        hours = sum((num - 1) * seconds[key] for key, num in uses_by_key.items()) / 3600
        saved_h += hours
        rows.append(
            (
                name,
                str(sum(uses_by_key.values())),
                str(len(uses_by_key)),
                f"{sum(seconds.values()) / 3600:.3f}",
                f"{hours:.3f}",
            )
        )
    table = Table(
        title="Stages shared between trials",
        headings=("stage", "asked for by trials", "different stages", "hours to build", "hours saved"),
        rows=tuple(rows),
        note="Hours on a trial's device. Unfinished stages, as of pruned trials, count as 0.",
    )
    return table, saved_h


def _seconds(store: StageStore, key: StageKey) -> float:
    manifest = store.find(key)
    return 0.0 if manifest is None else float(manifest.facts["seconds"])


def trial_table(leaderboard: Leaderboard) -> Table:
    """Every trial of the sweep, in rank order."""
    keys = tuple(dict.fromkeys(key for row in leaderboard.rows for key in row.params))
    short = {key: name.replace("\n", " ") for key, name in headings(keys).items()}
    return Table(
        title="All trials",
        headings=("trial", "state", *short.values(), "AUC ± SD", "epochs", "seconds"),
        rows=tuple(
            (
                str(row.number),
                row.state.lower(),
                *(_value(row.params, key) for key in keys),
                f"{row.auc:.3f} ± {row.auc_sd:.3f}" if row.auc is not None else "",
                str(row.num_epochs),
                "" if row.seconds is None else f"{row.seconds:.0f}",
            )
            for row in leaderboard.rows
        ),
    )


def _value(params: Mapping[str, object], key: str) -> str:
    value = params.get(key, "")
    return f"{value:.3g}" if isinstance(value, float) else str(value)
