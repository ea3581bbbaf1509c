"""Which pairs of agent and code are worth a try on a task, by the kind of its action space.

The lists are short on purpose: a candidate that differs from another in nothing that matters only takes budget from
the rest. Within a list the simplest come first, which decides between candidates that score exactly the same.

`normalise` is no candidate of its own: the agents scale every bounded Box to [-1, 1] themselves (their heads squash
into the box, their critics read coordinates relative to it), so that the same learner would be trained twice.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from actlab.actions.parse import code_text, parse_agent, parse_code
from actlab.core import spaces
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.spaces import Space
from actlab.training.fit import why_not
from actlab.training.sweep import agent_word

PPO = "ppo:environments=8,decisions=128"
"""PPO whose roll-outs of 1,024 decisions fit into short runs; by default they are twice as long, of one environment."""

CONTINUOUS = (
    ("sac", "identity"),  # off-policy, stochastic: the usual first choice
    ("td3", "identity"),  # off-policy, deterministic: no temperature to tune
    (PPO, "identity"),  # on-policy: cheap steps, robust
    ("branching-dqn", "bins:bins=5"),  # one branch a coordinate, at most as good as its bins
    ("branching-dqn", "coarse-to-fine:levels=2,bins=5"),  # 25 bins, of which five are compared at a time
    ("dqn", "bins:bins=5+flatten"),  # exact maximum over all combinations; few coordinates only
    ("sac", "bins:bins=7"),  # keeps several modes, which a squashed Gaussian cannot
    (PPO, "bins:bins=7"),
    ("sac", "chunk:length=2"),  # half as many decisions, open loop in between
)
DISCRETE = (
    ("dqn", "identity"),
    ("dqn:double=true,dueling=true,n_step=3", "identity"),  # the three cheap parts of Rainbow
    (PPO, "identity"),
    ("sac", "identity"),
    ("dqn", "repeat:times=2"),  # half as many decisions
)
DIGITS = (
    ("branching-dqn", "identity"),  # one branch a digit: any number of words
    ("dqn", "identity"),  # every word has a value of its own: few words only
    (PPO, "identity"),
    (f"{PPO},autoregressive=true", "identity"),  # digits that depend on one another
    ("sac", "identity"),
)
HYBRID = (
    ("sac", "identity"),  # exact over the discrete part, reparameterised over the rest
    ("td3", "identity"),
    (PPO, "identity"),
    ("dqn", "bins:bins=5"),  # everything finite
    ("sac", "bins:bins=5"),
    (PPO, "bins:bins=5"),
)


class Candidate(NamedTuple):
    """A pair that fits the task."""

    agent: Any
    bound: Task
    """The task in its code."""
    agent_text: str
    code_text: str

    @property
    def name(self) -> str:
        """Unique among the candidates of a task."""
        return f"{self.agent_text} + {self.code_text}"


class LeftOut(NamedTuple):
    """A pair that does not fit, and the sentence why."""

    agent: str
    code: str
    reason: str


@singledispatch
def listed(space: Space) -> Sequence[tuple[str, str]]:
    """Pairs of agent and code, as text, for a kind of native space; the best known list, simplest first."""
    if not space.dims:
        return DIGITS
    return HYBRID if space.outcomes > 1 else CONTINUOUS


@listed.register
def _(space: spaces.Discrete) -> Sequence[tuple[str, str]]:
    return DISCRETE


def candidates(
    task: Task, agents: Sequence[Any] | None = None, codes: Sequence[Any] | None = None
) -> tuple[list[Candidate], list[LeftOut]]:
    """The pairs to try on a task: those that fit, and the others with their reasons.

    Args:
        agents: where given, these instead of the list's (agents or their texts); with the codes of the list.
        codes: where given, these instead of the list's. Given both, every agent with every code.

    Raises:
        ActlabError: a text says no agent or code.
    """
    pairs = listed(task.environment.action)
    if agents is not None or codes is not None:
        mine = list(agents if agents is not None else dict.fromkeys(agent for agent, _ in pairs))
        theirs = list(codes if codes is not None else dict.fromkeys(code for _, code in pairs))
        pairs = [(agent, code) for agent in mine for code in theirs]
    found: dict[str, Candidate] = {}
    left_out = []
    for agent, code in pairs:
        made = parse_agent(agent) if isinstance(agent, str) else agent
        codec = parse_code(code, own=True) if isinstance(code, str) else code
        words = agent_word(made), code_text(codec)
        try:
            bound = task.with_code(codec)
            reason = why_not(made, bound)
        except ActlabError as error:
            bound, reason = task, str(error)
        if reason is None:
            candidate = Candidate(made, bound, words[0], code_text(bound.spec.codec))
            found.setdefault(candidate.name, candidate)
        else:
            left_out.append(LeftOut(*words, reason))
    return list(found.values()), left_out
