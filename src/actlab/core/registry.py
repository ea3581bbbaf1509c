"""Names that the command line and Python share: agents, codes, tasks. Imported only when looked up.

A person's own agent or code needs no registration: its name is `module:Class`, wherever one is named.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError, UnknownName


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


def find(name: str) -> Any:
    """What `module:attribute` names.

    The module may lie in the current folder, which stays importable: worker processes need what is in it, too.

    Raises:
        ActlabError: there is no such module, or nothing of that name in it.
    """
    module, _, attribute = name.partition(":")
    if module.endswith(".py"):
        raise ActlabError(f"{name} names a file; name its module: {module.removesuffix('.py')}:{attribute}.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # after all installed packages
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise ActlabError(f"{name} cannot be imported: {error}.") from None
    except Exception as error:
        raise ActlabError(f"{name} cannot be imported: {type(error).__name__}: {error}.") from error
    if attribute not in vars(found):
        raise ActlabError(f"The module {module!r} has nothing named {attribute!r}.")
    return vars(found)[attribute]


class Registry:
    """Names of one kind."""

    def __init__(
        self,
        kind: str,
        entries: dict[str, tuple[str, str]] | None = None,
        *,
        own: Callable[[Any], bool] | None = None,
    ):
        """
        Args:
            kind: in messages.
            entries: name -> `module:attribute` and summary.
            own: may this thing of a person's own module be named `module:Class`? None: only registered names count.
        """
        self.kind = kind
        self._own = own
        self._entries = {name: Entry(name, *rest) for name, rest in (entries or {}).items()}

    def __iter__(self):
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Entry:
        """The entry.

        Raises:
            UnknownName: nothing has that name; the message suggests the nearest.
            ActlabError: what `module:Class` names cannot be imported, or is of another kind.
        """
        if name in self._entries:
            return self._entries[name]
        if self._own is None or ":" not in name or name.startswith("actlab."):
            raise UnknownName(self.kind, name, self._entries)
        found = find(name)
        if not self._own(found):
            raise ActlabError(f"{name} should be the class of {_article(self.kind)}; received {found!r}.")
        return Entry(name, found, "")

    def add(self, name: str, target: Any, summary: str = "") -> None:
        """Register `target`; an equal name is replaced (so that a module can be reloaded)."""
        self._entries[name] = Entry(name, target, summary)

    def name_of(self, thing: Any) -> str:
        """The name by which `self[name]` finds a class, in another process too: a built-in one's, else `module:Class`.

        A person's own class that no other process could import has the name that it was registered under here.

        Raises:
            UnknownName: it is not registered, and can have no name as a person's own.
            ActlabError: it is a person's own, but stands where no other process could import it from.
        """
        place = f"{thing.__module__}:{thing.__qualname__}"
        importable = thing.__module__ != "__main__" and "." not in thing.__qualname__
        for entry in self:
            if entry.target == place or (entry.target is thing and not (self._own and importable)):
                return entry.name
        if self._own is None or thing.__module__.partition(".")[0] == "actlab" or not self._own(thing):
            raise UnknownName(self.kind, thing.__qualname__, self._entries)
        if not importable:
            raise ActlabError(
                f"The {self.kind} {thing.__qualname__} would not be found when a run of it is opened again: put it at "
                f"the top of a module, or give it a name with actlab.core.registry.{self.kind.upper()}S.add."
            )
        return place


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


AGENT = frozenset({"experience", "init", "begin", "act", "learn", "export"})
"""What an agent does (`core.contracts`, which would import JAX)."""


def _is_agent(thing: Any) -> bool:
    return isinstance(thing, type) and is_dataclass(thing) and set(dir(thing)) >= AGENT


CODEC = frozenset({"fit", "encode", "decode", "image", "cell", "restrict", "finished", "length"})
"""What a codec does (`core.codec`, which would import JAX)."""


def _is_codec(thing: Any) -> bool:
    return isinstance(thing, type) and is_dataclass(thing) and set(dir(thing)) >= CODEC


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
    own=_is_agent,
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
        "digits": ("actlab.actions.digits:Digits", "all digits of a Dict or Tuple in one row"),
        "unflatten": ("actlab.actions.unflatten:Unflatten", "a large Discrete as several digits"),
    },
    own=_is_codec,
)

TASKS = Registry("task")

Factory = Callable[[], Any]
