"""Table 2 in the layout of He et al. 2023, with the paper's numbers beside ours."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.comparators import Comparison
from search.report.tables.table import Table
from search.results.leaderboard import Leaderboard, Row

ARMS: Final = ("general", "pretrained")  # the paper's names; general means trained from scratch
METRICS: Final = ("accuracy", "sensitivity", "specificity")
PLAIN: Final = {  # the paper's name -> how the name of our competitor begins
    "guideline": "guideline",
    "SVM": "SVM (RBF) on clinical variables",
    "random forest": "random forest on clinical variables",
}
PAPER: Final = {  # He et al. 2023, Table 2: accuracy / sensitivity / specificity, mean ± SD over 5 folds
    ("guideline", "general"): "0.6 / 0.93 / 0.038",
    ("SVM", "general"): "0.58 ± 0.014 / 0.8 ± 0.016 / 0.333 ± 0.011",
    ("random forest", "general"): "0.58 ± 0.014 / 0.91 ± 0.017 / 0.125 ± 0.015",
    ("ResNet-18", "general"): "0.613 ± 0.012 / 0.529 ± 0.016 / 0.71 ± 0.014",
    ("ResNet-18", "pretrained"): "0.684 ± 0.012 / 0.6 ± 0.015 / 0.778 ± 0.018",
    ("ResNet-50", "general"): "0.612 ± 0.012 / 0.53 ± 0.015 / 0.73 ± 0.012",
    ("ResNet-50", "pretrained"): "0.721 ± 0.015 / 0.783 ± 0.011 / 0.792 ± 0.017",
    ("ResNet-101", "general"): "0.629 ± 0.012 / 0.531 ± 0.016 / 0.732 ± 0.013",
    ("ResNet-101", "pretrained"): "0.693 ± 0.015 / 0.674 ± 0.011 / 0.748 ± 0.013",
}


def paper_table(leaderboard: Leaderboard, base: Experiment, competitors: Sequence[Comparison]) -> Table:
    """One row per model: the guideline, plain models on clinical variables, then each network, from scratch
    (general) beside pretrained.
    """
    return Table(
        title="Table 2. The guideline, plain models, and networks from scratch (general) and pretrained",
        headings=("model", "general, here", "general, paper", "pretrained, here", "pretrained, paper"),
        rows=(*_plain_rows(competitors), *_network_rows(leaderboard, base)),
        note=(
            "Accuracy / sensitivity / specificity; for our networks then AUC ± SD over folds. Here: by "
            "patient, pooled over folds, at a probability of 0.5; of networks the best complete trial of "
            "each cell. Each is partly luck: it was picked as the best. The paper (He et al. 2023): mean ± "
            "SD over 5 folds of another, private cohort of 71 patients."
        ),
    )


def _plain_rows(competitors: Sequence[Comparison]) -> Iterator[tuple[str, ...]]:
    for name, start in PLAIN.items():
        ours = next((each.metrics for each in competitors if each.name.startswith(start)), None)
        here = "not available" if ours is None else _three(ours)
        yield (name, here, PAPER[name, "general"], "", "")


def _network_rows(leaderboard: Leaderboard, base: Experiment) -> Iterator[tuple[str, ...]]:
    best: dict[tuple[str, str], Row] = {}
    for row in leaderboard.rows:  # in rank order, so the first row of a cell is its best
        if row.state == "COMPLETE":
            best.setdefault(_cell(override(base, row.params)), row)
    networks = [name for name, _ in PAPER if name not in PLAIN]
    for name in dict.fromkeys([*networks, *(name for name, _ in best)]):
        cells = [(_metrics(best.get((name, arm))), PAPER.get((name, arm), "not given")) for arm in ARMS]
        yield (name, *(text for pair in cells for text in pair))


def _cell(experiment: Experiment) -> tuple[str, str]:
    config = experiment.pretrain
    name = {"resnet": f"ResNet-{config.depth}", "resnet1d": f"1-D ResNet-{config.depth}"}
    arm = "general" if config.objective == "none" else "pretrained"
    return name.get(config.architecture, config.architecture), arm


def _metrics(row: Row | None) -> str:
    if row is None:
        return "not in this sweep"
    return f"{_three(row.metrics)}; AUC {row.auc:.3f} ± {row.auc_sd:.3f}"


def _three(metrics: Mapping[str, float]) -> str:
    return " / ".join(f"{metrics[key]:.3f}" for key in METRICS)
