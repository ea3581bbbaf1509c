"""Tasks by name: ours in the graph, those that a person registered, and every Gymnasium id.

```python
task("CartPole-v1")                     # ours, in the graph
task("gymnasium/CartPole-v1")           # Gymnasium's own, on the host
task("HalfCheetah-v5")                  # any other Gymnasium id
task("metaworld/reach-v3")              # a suite's, where it is installed: see actlab.tasks.suites
task("my_module:MyTask-v0")             # an id that importing my_module registers with Gymnasium
task("my_module:MyEnvironment")         # an environment's class in my_module, in the graph or Gymnasium's
register_task("my/task", MyEnvironment) # functional or Gymnasium; then task("my/task")
task("CartPole-v1+stack:frames=4")      # treated: observations are the last four frames (`tasks.stack`)
```
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import gymnasium

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError, UnknownName
from actlab.core.options import convert, parse_chain
from actlab.core.registry import TASKS, Entry, find
from actlab.core.spaces import Space
from actlab.tasks.make import make_task
from actlab.tasks.probes import PROBES
from actlab.tasks.stack import stacked
from actlab.tasks.suites import make_suite_task, suite_of

__all__ = ["TaskRow", "list_tasks", "make_task", "register_task", "task"]

OURS = "actlab/"
HOST = "gymnasium/"

TASKS.add("Acrobot-v1", "actlab.tasks.acrobot:acrobot", "swing a double rod up; torque left, none or right")
TASKS.add("CartPole-v1", "actlab.tasks.cartpole:cartpole", "balance a pole on a cart; pushes left or right")
TASKS.add("MountainCar-v0", "actlab.tasks.mountain_car:mountain_car", "swing out of a valley; push left, not or right")
TASKS.add(
    "MountainCarContinuous-v0",
    "actlab.tasks.mountain_car:mountain_car_continuous",
    "swing out of a valley at little cost; one real force",
)
TASKS.add("Pendulum-v1", "actlab.tasks.pendulum:pendulum", "swing a rod up with little torque; one real action")
TASKS.add("actlab/Platform-v0", "actlab.tasks.platform:platform", "run, hop or leap, each with a real parameter")
TASKS.add("actlab/Goal-v0", "actlab.tasks.goal:goal", "score past a keeper: kick to a place, or one of two shots")
TASKS.add("actlab/HardMove-v0", "actlab.tasks.hard_move:hard_move", "ten switches and ten real powers move one body")
TASKS.add("actlab/Maze-v0", "actlab.tasks.maze:maze", "around two walls; 4,096 actions: twelve switches as one number")
TASKS.add("actlab/ThreeModes-v0", "actlab.tasks.three_modes:three_modes", "one choice whose best pair has poor parts")
for _name, _probe in PROBES.items():
    TASKS.add(_name, _probe.factory, f"probe: {_probe.isolates}")


@dataclass(frozen=True)
class Stack:
    """The treatment `+stack`: observations are the last few frames."""

    frames: int = 4
    """How many (Mnih et al. 2015: 4)."""

    def __call__(self, task: Task) -> Task:
        return stacked(task, self.frames)


TREATMENTS = {"stack": Stack}
"""What a task's name may be followed by, behind a `+`, with options as codes have them."""


@dataclass(frozen=True)
class TaskRow:
    """What a list of tasks shows of one."""

    name: str
    observation: Space
    action: Space
    horizon: int
    compiled: bool
    """Does it run in the graph?"""
    summary: str
    reference: Mapping[str, float]


def task(name: str, *, discount: float | None = None, **options: Any) -> Task:
    """The task of that name, over its native actions.

    Args:
        name: a registered name (`actlab/` before it may be added or left out), a Gymnasium id, also
            `module:Id-v0`, `module:name` of an environment, its class or a `Task`, or `gymnasium/` and an id,
            for Gymnasium's own version of a task that we have too; any of them with `+stack:frames=4`, whose
            observations are then the last four frames.
        discount: per native step, instead of the task's own.
        options: passed to the registered factory, or to `gymnasium.make`.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
        ActlabError: the options (or those of a treatment) do not fit, or the task cannot be made.
    """
    name, _, treatments = name.partition("+")
    found = _find(name, options)
    for call in parse_chain(treatments) if treatments else ():
        if call.name not in TREATMENTS:
            raise UnknownName("treatment of tasks", call.name, TREATMENTS)
        found = TREATMENTS[call.name](**convert(TREATMENTS[call.name], call.options, name=call.name))(found)
    return found if discount is None else replace(found, spec=replace(found.spec, discount=discount))


def register_task(name: str, target: Any, summary: str = "") -> None:
    """Register a task of your own, so that `task(name)` finds it. An equal name is replaced.

    Args:
        target: an environment (`core.contracts.Environment`), a class or function that returns one; a `Task` or
            a function that returns one; a Gymnasium environment's class or a function that returns a fresh one;
            or `module:attribute` of one of these.
        summary: one line for lists.

    Raises:
        ActlabError: the name is empty, begins with `gymnasium/` or holds a `+`, or the target is a Gymnasium instance.
    """
    if not name or name.startswith(HOST) or "+" in name:
        raise ActlabError(f"A task's name must not be empty or begin with {HOST!r}, nor hold a '+'; received {name!r}.")
    if isinstance(target, gymnasium.Env):
        raise ActlabError(
            f"The task {name!r} needs a class or a function that makes a fresh {type(target).__name__}; "
            f"received one instance of it."
        )
    TASKS.add(name, target, summary)


def list_tasks() -> list[TaskRow]:
    """A row for every registered task, by name. (Gymnasium's own ids are in `gymnasium.registry`.)"""
    return [_row(entry) for entry in TASKS]


def _row(entry: Entry) -> TaskRow:
    made = task(entry.name)
    environment = made.environment
    return TaskRow(
        entry.name,
        environment.observation,
        environment.action,
        environment.horizon,
        environment.compiled,
        entry.summary,
        made.spec.reference,
    )


# --- from a name to a task -----------------------------------------------------------------------------


def _find(name: str, options: dict[str, Any]) -> Task:
    for known in (name, OURS + name, name.removeprefix(OURS)):
        if known in TASKS:
            return _build(_load(TASKS[known]), known, options)
    suite = suite_of(name)
    if suite is not None:
        return make_suite_task(*suite, options)
    own = _own(name)
    if own is not None:
        return _build(own, name, options)
    identity = name.removeprefix(HOST)
    if identity != name or ":" in name or name in gymnasium.registry:
        return _host(identity, name, options)
    known = {entry.name for entry in TASKS}
    near = difflib.get_close_matches(name, known | set(gymnasium.registry), n=1, cutoff=0.5)
    raise UnknownName("task", name, near or known)


ENVIRONMENT = frozenset({"compiled", "reset", "step"})
"""What the class of an environment has at the least (`core.contracts.Environment`)."""


def _own(name: str) -> Any:
    """What `module:name` means; None where it can only be an id that the module registers with Gymnasium.

    An id of that name counts first. What cannot be imported is left to Gymnasium's words. A name may come from the
    `run.json` of somebody else, so that nothing is called but a class of environments, and a function that says by
    its annotation that it returns a `Task`.

    Raises:
        ActlabError: a file is named in place of a module, or something that is no task or environment.
    """
    module, _, attribute = name.partition(":")
    if attribute and module.endswith(".py"):
        raise ActlabError(f"{name} names a file; name its module: {module.removesuffix('.py')}:{attribute}.")
    if not attribute.isidentifier():
        return None
    try:
        found = find(name)
    except ActlabError:
        return None
    if attribute in gymnasium.registry:
        return None
    returned = found.__annotations__.get("return") if inspect.isfunction(found) else None
    if isinstance(found, Task) or set(dir(found)) >= ENVIRONMENT or returned in (Task, "Task"):
        return found
    if isinstance(found, type) and issubclass(found, gymnasium.Env):
        return found
    raise ActlabError(
        f"{name} should be a task, an environment, the class of one, or a function annotated to return a Task; "
        f"received {found!r}."
    )


def _load(entry: Entry) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise ActlabError(f"The task {entry.name!r} is registered as {entry.target!r}, but {error}.") from error


def _host(source: str | Callable[..., gymnasium.Env], name: str, options: dict[str, Any]) -> Task:
    from actlab.tasks.gymnasium import gymnasium_task

    return gymnasium_task(source, name=name, **options)


def _build(target: Any, name: str, options: dict[str, Any]) -> Task:
    """The task that a registered target stands for."""
    if not callable(target):
        if options:
            raise ActlabError(f"The task {name!r} takes no options; received {', '.join(options)}.")
        return _finish(target, target, name, options)
    if isinstance(target, type) and issubclass(target, gymnasium.Env):
        return _host(target, name, options)
    signature = inspect.signature(target)
    try:
        signature.bind(**options)
    except TypeError as error:
        taken = ", ".join(map(str, signature.parameters.values())) or "no options"
        raise ActlabError(f"The task {name!r} takes {taken}; received {options}: {error}.") from error
    return _finish(target(**options), target, name, options)


@singledispatch
def _finish(made: Any, target: Any, name: str, options: dict[str, Any]) -> Task:
    return make_task(made, name)


@_finish.register
def _(made: Task, target: Any, name: str, options: dict[str, Any]) -> Task:
    return replace(made, spec=replace(made.spec, name=name))


@_finish.register
def _(made: gymnasium.Env, target: Any, name: str, options: dict[str, Any]) -> Task:
    made.close()
    return _host(target, name, options)
