"""From a sampler's points to proposals: trials whose data sets are prepared and whose stages are known."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import ConfigError
from crtcore.model.backbones import GROUPS, Backbone
from crtcore.pipeline import Plan
from search.scheduling.sampling.objectives import METRIC, Foreknown, is_within
from search.scheduling.sampling.samplers import Params, Sampling
from search.scheduling.sampling.space import distributions
from search.scheduling.trials import Proposal
from search.study.attributes import PROPOSAL, STAGES
from search.study.ledger import Ledger

# Proposals that may wait, for each slot. If the sampler learns, few: a proposal then waits only for a stage
# that another trial is building, and drawing more would ignore results that they could learn from. If it does
# not, a long queue gives more to choose from: with 2 for each slot, simulated sweeps took 19 % longer than
# their lower bound, with 8 they took 3 % longer (benchmarks/simulate_cluster.py).
LOOKAHEAD = 2
LOOKAHEAD_BLIND = 8


class Proposer:
    """The proposals of a sweep.

    `plan_of` gives the stages of an experiment, `prepare` builds its data sets, `foreknown` gives the
    objectives that are known without running it. `first` are points to propose before the sampler's own; a
    point may leave parameters to the sampler.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        plan_of: Callable[[Experiment], Plan],
        prepare: Callable[[Plan], None],
        foreknown: Foreknown,
        first: Sequence[Params],
    ) -> None:
        self._experiment = experiment
        self._plan_of = plan_of
        self._prepare = prepare
        self._foreknown = foreknown
        self._sampling = Sampling(
            experiment.search,
            distributions(experiment.search),
            seed=experiment.seed,
            is_allowed=self._is_allowed,
            first=first,
        )

    @property
    def num_proposals(self) -> int:
        """How many proposals the sweep makes in all."""
        return self._sampling.num_proposals

    @property
    def learns(self) -> bool:
        """Whether proposals depend on the results of finished trials."""
        return self._experiment.search.sampler not in ("random", "grid")

    @property
    def lookahead(self) -> int:
        """How many proposals may wait for each slot."""
        return LOOKAHEAD if self.learns else LOOKAHEAD_BLIND

    def propose(self, ledger: Ledger) -> Proposal:
        """Draw the next trial and add it to the study, WAITING."""
        number = len(ledger)
        trial = self._sampling.propose(ledger.study, number)
        # Data sets are prepared first, so that a trial with unusable data never gets into the study.
        proposal = self.proposal(number, trial.params)
        ledger.add(trial, {**PROPOSAL.item(number), **STAGES.item(proposal.digests)})
        return proposal

    def proposal(self, number: int, params: Mapping[str, Any], *, is_begun: bool = False) -> Proposal:
        """Trial `number` with parameters `params`; its data sets are prepared."""
        experiment = override(self._experiment, params)
        stages = self._plan_of(experiment)
        self._prepare(stages)
        return Proposal(
            number=number,
            params=params,
            experiment=experiment,
            plan=stages,
            work=relative_work(experiment),
            is_begun=is_begun,
        )

    def objectives(self, proposal: Proposal, metric: float) -> list[float]:
        """The objective values of a trial that ended with `metric`, in the order of the config."""
        values = {METRIC: metric, **self._foreknown(proposal.experiment)}
        return [values[name] for name in self._experiment.search.objectives]

    def _is_allowed(self, params: Params) -> bool:
        """Whether a point keeps search.constraints and its settings can be combined."""
        try:
            experiment = override(self._experiment, params)
        except ConfigError:
            return False
        bounds = experiment.search.constraints
        return not bounds or is_within(bounds, self._foreknown(experiment))


def relative_work(experiment: Experiment) -> float:
    """The number of weights that fine-tuning trains, times the number of epochs. It follows from the config
    alone.

    Measured seconds would be more exact, but then the order of trials would depend on them, and the same
    sweep would run differently the next time. From ResNet-18 to 152 the time for an image grows nearly in
    proportion to the weights.
    """
    pretrain, finetune = experiment.pretrain, experiment.finetune
    open_share = 1 - finetune.frozen_groups / len(GROUPS)
    return (
        _num_weights(pretrain.architecture, pretrain.depth) * finetune.epochs * finetune.repeats * open_share
    )


@cache
def _num_weights(architecture: str, depth: int) -> int:
    with torch.device("meta"):  # shapes only
        backbone = Backbone(depth, architecture)
    return sum(parameter.numel() for parameter in backbone.parameters())
