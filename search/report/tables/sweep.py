"""Tables of the whole sweep: its trials, and the stages they shared."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from search.report.tables.table import Table
from search.results.headings import headings
from search.results.leaderboard import Leaderboard

SHARED: Final = ("pretrain", "features", "finetune")


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
