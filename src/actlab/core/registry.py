"""Names that the command line and Python share: agents, codes, tasks. Imported only when looked up."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from actlab.core.errors import UnknownName


@dataclass(frozen=True)
class Entry:
    """A registered thing: `target` is the thing itself or `module:attribute`."""

    name: str
    target: Any
    summary: str

    def load(self) -> Any:
        """The thing, imported if need be."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


class Registry:
    """Names of one kind."""

    def __init__(self, kind: str, entries: dict[str, tuple[str, str]] | None = None):
        self.kind = kind
        self._entries = {name: Entry(name, *rest) for name, rest in (entries or {}).items()}

    def __iter__(self):
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Entry:
        """The entry.

        Raises:
            UnknownName: nothing has that name; the message suggests the nearest.
        """
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries)
        return self._entries[name]

    def add(self, name: str, target: Any, summary: str = "") -> None:
        """Register `target`; an equal name is replaced (so that a module can be reloaded)."""
        self._entries[name] = Entry(name, target, summary)

    def name_of(self, thing: Any) -> str:
        """The name under which a class is registered."""
        for entry in self:
            if entry.target == f"{thing.__module__}:{thing.__qualname__}" or entry.target is thing:
                return entry.name
        raise UnknownName(self.kind, thing.__qualname__, self._entries)


AGENTS = Registry(
    "agent",
    {
        "ppo": ("actlab.agents.ppo:PPO", "proximal policy optimisation; every space, with recurrence"),
        "sac": ("actlab.agents.sac:SAC", "soft actor-critic; continuous, discrete and hybrid spaces"),
        "dqn": ("actlab.agents.dqn:DQN", "deep Q-learning (double, dueling, n-step); finite spaces"),
        "td3": ("actlab.agents.td3:TD3", "twin delayed deterministic policy gradient; continuous and hybrid spaces"),
        "arsq": ("actlab.agents.arsq:ARSQ", "soft Q-learning digit after digit, from data and online; codes of digits"),
        "cqn": (
            "actlab.agents.cqn:CQN",
            "Q-learning level after level, from data and online; codes of digits",
        ),
        "branching-dqn": ("actlab.agents.branching_dqn:BranchingDQN", "Q-learning with a branch a digit; many digits"),
        "bc": ("actlab.agents.bc:BC", "behaviour cloning of recorded decisions; every space"),
        "td3-bc": ("actlab.agents.td3_bc:TD3BC", "TD3 from recorded decisions, held near them; continuous spaces"),
        "random": ("actlab.agents.simple:Random", "uniform over the allowed codes; learns nothing"),
    },
)

CODES = Registry(
    "code",
    {
        "identity": ("actlab.actions.identity:Identity", "the native action as it is"),
        "normalise": ("actlab.actions.affine:Normalise", "every Box mapped onto [-1, 1]"),
        "mu-law": ("actlab.actions.mu_law:MuLaw", "every coordinate of a Box companded: fine near zero"),
        "rescale": ("actlab.actions.rescale:Rescale", "[-1, 1] onto what is allowed now of every Box"),
        "project": ("actlab.actions.project:Project", "any action is proposed, the nearest legal one is played"),
        "delta": ("actlab.actions.delta:Delta", "increments from the position that the observation shows"),
        "bins": ("actlab.actions.bins:Bins", "every coordinate of a Box cut into equal bins"),
        "quantile-bins": ("actlab.actions.quantile_bins:QuantileBins", "bins between quantiles of recorded actions"),
        "coarse-to-fine": ("actlab.actions.coarse_to_fine:CoarseToFine", "bins within bins, coarse level first"),
        "chunk": ("actlab.actions.chunk:Chunk", "several native actions decided at once"),
        "repeat": ("actlab.actions.repeat:Repeat", "one native action held for several steps"),
        "repeat-count": ("actlab.actions.repeat:RepeatCount", "an action, and how many steps it is held"),
        "primitives": ("actlab.actions.primitives:Primitives", "one of several named sequences of native actions"),
        "scaled-primitives": ("actlab.actions.primitives:ScaledPrimitives", "a sequence of a table, and its factor"),
        "flatten": ("actlab.actions.flatten:Flatten", "all digits joined into one Discrete"),
        "unflatten": ("actlab.actions.unflatten:Unflatten", "a large Discrete as several digits"),
    },
)

TASKS = Registry("task")

Factory = Callable[[], Any]
