"""actlab: the laboratory for action spaces.

    import actlab as al

    task = al.task("Pendulum-v1").with_code(al.codes.Normalise() >> al.codes.Bins(bins=7))
    run = al.train(al.agents.PPO(), task, steps=100_000, seeds=5)

Every name below is imported when it is first used, so `import actlab` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from actlab import actions as codes
    from actlab import agents
    from actlab.actions import constraints
    from actlab.agents.simple import policy
    from actlab.core import sets, spaces
    from actlab.core.errors import ActlabError
    from actlab.data.formats import read as read_data
    from actlab.tasks import make_task, register_task, task
    from actlab.training.api import compare, evaluate, load, resume, train
    from actlab.training.datasets import make_data
    from actlab.training.export import export
    from actlab.training.suggest import suggest
    from actlab.training.sweep import sweep
    from actlab.training.video import video

_PLACES = {
    "ActlabError": "actlab.core.errors:ActlabError",
    "agents": "actlab.agents",
    "codes": "actlab.actions",
    "compare": "actlab.training.api:compare",
    "constraints": "actlab.actions.constraints",
    "evaluate": "actlab.training.api:evaluate",
    "export": "actlab.training.export:export",
    "load": "actlab.training.api:load",
    "make_data": "actlab.training.datasets:make_data",
    "make_task": "actlab.tasks:make_task",
    "policy": "actlab.agents.simple:policy",
    "read_data": "actlab.data.formats:read",
    "register_task": "actlab.tasks:register_task",
    "resume": "actlab.training.api:resume",
    "sets": "actlab.core.sets",
    "spaces": "actlab.core.spaces",
    "suggest": "actlab.training.suggest:suggest",
    "sweep": "actlab.training.sweep:sweep",
    "task": "actlab.tasks:task",
    "train": "actlab.training.api:train",
    "video": "actlab.training.video:video",
}

__all__ = [
    "ActlabError",
    "agents",
    "codes",
    "compare",
    "constraints",
    "evaluate",
    "export",
    "load",
    "make_data",
    "make_task",
    "policy",
    "read_data",
    "register_task",
    "resume",
    "sets",
    "spaces",
    "suggest",
    "sweep",
    "task",
    "train",
    "video",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("actlab")
    if name not in _PLACES:
        raise AttributeError(f"module 'actlab' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
