"""From a sampler's points to proposals: experiments whose data sets are prepared and stages are known."""

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


class Proposer:
    """The proposals of a sweep.

    `plan_of` gives an experiment's stages and `prepare` builds its data sets, both from data that lie where
    the sweep is driven; `foreknown` gives the objectives that need no run. `first` are points, or parts of
    points, to propose before the sampler's own.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        plan_of: Callable[[Experiment], Plan],
        prepare: Callable[[Experiment], None],
        foreknown: Foreknown,
        first: Sequence[Params],
    ) -> None:
        self._experiment = experiment
        self._plan_of = plan_of
        self._prepare = prepare
        self._foreknown = foreknown
        self._space = distributions(experiment.search)
        self._sampling = Sampling(
            experiment.search, self._space, seed=experiment.seed, is_allowed=self._is_allowed, first=first
        )

    @property
    def num_proposals(self) -> int:
        """How many proposals the sweep makes in all."""
        return self._sampling.num_proposals

    @property
    def learns(self) -> bool:
        """Whether a proposal is the better the more trials are finished before it."""
        return self._experiment.search.sampler not in ("random", "grid")

    def propose(self, ledger: Ledger) -> Proposal:
        """The next trial of the study, which waits there from now on."""
        number = len(ledger)
        suggestion = self._sampling.propose(ledger.study, number)
        # Prepared before the study knows of the trial: data that cannot be used leave no trial behind.
        proposal = self.proposal(number, suggestion.params)
        ledger.add(
            suggestion.params,
            self._space,
            user_attrs={**PROPOSAL.item(number), **STAGES.item(proposal.digests)},
            system_attrs=suggestion.system_attrs,
        )
        return proposal

    def proposal(self, number: int, params: Mapping[str, Any], *, is_begun: bool = False) -> Proposal:
        """Trial `number`, which sets `params`, its data sets prepared."""
        experiment = override(self._experiment, params)
        self._prepare(experiment)
        return Proposal(
            number=number,
            params=params,
            experiment=experiment,
            plan=self._plan_of(experiment),
            work=relative_work(experiment),
            is_begun=is_begun,
        )

    def objectives(self, proposal: Proposal, metric: float) -> list[float]:
        """What a trial that ended with `metric` achieved, in the order of the config."""
        values = {METRIC: metric, **self._foreknown(proposal.experiment)}
        return [values[name] for name in self._experiment.search.objectives]

    def _is_allowed(self, params: Params) -> bool:
        """Whether a point keeps the bounds, and its settings go together at all."""
        experiment = override(self._experiment, params)
        bounds = experiment.search.constraints
        if bounds and not is_within(bounds, self._foreknown(experiment)):
            return False
        try:
            self._plan_of(experiment)
        except ConfigError:
            return False
        return True


def relative_work(experiment: Experiment) -> float:
    """The fine-tuning's weights times the passes that train them, from the config alone.

    No seconds are measured for it: what is run next would hang on them, and a sweep that is run again would
    not go the same way. The work of an image grows nearly as the weights do from ResNet-18 to 152.
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
