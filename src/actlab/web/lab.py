"""The action lab: a task's actions under a code. What the agent decides, what is played, what is lost, what is legal.

An action is chosen by its joint outcome (one number for all its discrete parts) and its coordinates, whatever the
space; a code that lasts several steps holds the same action for all of them.
"""

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actlab.core.errors import ActlabError
from actlab.web.histograms import Histograms, data_sets, histograms
from actlab.web.place import Place
from actlab.web.running import choices

Tree = Any

MOST_COORDINATES = 24
"""Sliders on a page; coordinates behind them stay in the middle."""
MOST_CELLS = 64
"""Categories that a row shows."""
MOST_ROWS = 40
LARGEST_NUMBER = 10_000
"""Of bins, levels and the like: more could fill the memory."""
SAMPLES = 256
"""Actions that the loss is measured on."""
UNBOUNDED = 3.0
"""Where a slider ends whose coordinate has no bound."""

_TURN = threading.Lock()
"""One computation at a time."""


class Slider(NamedTuple):
    """One number of a native action."""

    name: str
    label: str
    low: float
    high: float
    step: str
    value: float


@dataclass(frozen=True)
class Loss:
    """How far encoding and decoding moves actions that are drawn uniformly."""

    largest: float
    mean: float
    changed: float
    """Share of actions whose discrete part is another one afterwards."""
    samples: int


@dataclass(frozen=True)
class Shown:
    """What the page shows of one action under one code."""

    native: str
    code: str
    text: str
    """The code as one writes it."""
    length: int
    outcomes: tuple[int, int]
    """Joint discrete outcomes of the native space and of the code."""
    dims: tuple[int, int]
    """Continuous coordinates of both."""
    chosen: Sequence[Any]
    """Rows (`reports.panel`) of the action, with what is legal here."""
    coded: Sequence[Any]
    """Rows of its code, with what is legal here."""
    played: Sequence[Any]
    """Rows of what the code plays, shaded: all that has this same code."""
    bound: float | None
    """Largest half-width of what has this same code; None where it is no box."""
    error: float
    """Largest distance of a coordinate to what was chosen."""
    whole: bool
    """Can the action be encoded?"""
    loss: Loss


def routes(place: Place) -> list[Route]:
    """The page's address."""

    def lab(request: Request) -> Response:
        asked = request.query_params
        task, code = asked.get("task", "Pendulum-v1"), asked.get("code", "normalise+bins:bins=7")
        numbers = {name: value for name, value in asked.items() if re.fullmatch(r"outcome|moment|x[0-9]{1,2}", name)}
        data = asked.get("data", "")
        sliders, shown, problem, fitting, counted = [], None, "", [], None
        try:
            with _TURN:
                fitting = _fitting(_known_task(task))
                sliders = sliders_of(task, numbers)
                if data:  # said first, for a code may need it
                    counted = _counted(task, code, data)
                shown = examine(task, code, sliders, int(_float(numbers.get("moment"), 0.0)))
                counted = counted or _counted(task, code, "")
        except ActlabError as error:
            problem = str(error)
        return place.page(
            request,
            "lab.html",
            task=task,
            code=code,
            moment=numbers.get("moment", "0"),
            sliders=sliders,
            shown=shown,
            problem=problem,
            fitting=fitting,
            cells=MOST_CELLS,
            most=MOST_ROWS,
            counted=counted,
            data=data,
            data_sets=data_sets(),
            **choices(),
        )

    return [Route("/lab", lab)]


# --- the action that is chosen -----------------------------------------------------------------------


def sliders_of(task: str, numbers: Mapping[str, str]) -> list[Slider]:
    """A slider for the joint outcome and one for each coordinate, where the address has put them."""
    space = _task(task).environment.action
    found = []
    if space.outcomes > 1:
        last = space.outcomes - 1
        value = min(max(round(_float(numbers.get("outcome"), 0.0)), 0), last)
        found.append(Slider("outcome", f"outcome, of {space.outcomes:,}", 0, last, "1", value))
    for i, (low, high) in enumerate(_bounds(space)[:MOST_COORDINATES]):
        middle = low + 0.5 * (high - low)
        value = min(max(_float(numbers.get(f"x{i}"), round(middle, 4)), low), high)
        found.append(Slider(f"x{i}", f"coordinate {i}", low, high, "any", value))
    return found


def _bounds(space: Any) -> list[tuple[float, float]]:
    """(low, high) of every continuous coordinate, in the order of `space.join`."""
    import jax

    from actlab.core.codec import cell_of
    from actlab.core.sets import Interval

    def is_box(part: Tree) -> bool:
        return isinstance(part, Interval)

    everything = cell_of(space, space.zeros(), space.known(False))
    boxes = [part for part in jax.tree.leaves(everything, is_leaf=is_box) if is_box(part)]
    pairs = [
        (float(low), float(high))
        for box in boxes
        for low, high in zip(np.ravel(box.low), np.ravel(box.high), strict=True)
    ]
    return [
        (low if math.isfinite(low) else -UNBOUNDED, high if math.isfinite(high) else UNBOUNDED) for low, high in pairs
    ]


def _float(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None and len(text) < 40 else default
    except ValueError:
        return default
    return value if math.isfinite(value) else default


# --- what becomes of it ------------------------------------------------------------------------------


def examine(task: str, code: str, sliders: Sequence[Slider], moment: int) -> Shown:
    """One action under a code.

    Args:
        moment: the first step of that episode says what is legal.

    Raises:
        ActlabError: the code does not fit, or it is too large to be shown.
    """
    from actlab.actions.parse import code_text

    bound, moment = _bound(task, code), min(max(moment, 0), 9999)
    codec, space, step = bound.spec.codec, bound.environment.action, _step(task, moment)
    native = _native(space, sliders)
    coded, whole, played, error = _round_trip(codec, space, native, step)
    cell = codec.cell(coded, codec.code.known(True))
    width = _half_width(cell)
    allowed = None if step is None else step.allowed
    return Shown(
        native=repr(space),
        code=repr(codec.code),
        text=code_text(codec),
        length=codec.length,
        outcomes=(space.outcomes, codec.code.outcomes),
        dims=(space.dims, codec.code.dims),
        chosen=_rows(space, native, allowed),
        coded=_rows(codec.code, coded, codec.restrict(allowed)),
        played=_rows(space, played, cell if width is not None else None),
        bound=width,
        error=float(error),
        whole=bool(whole),
        loss=_loss(task, code, moment),
    )


def _native(space: Any, sliders: Sequence[Slider]) -> Tree:
    import jax.numpy as jnp

    values = {slider.name: slider.value for slider in sliders}
    vector = [values.get(f"x{i}", low + 0.5 * (high - low)) for i, (low, high) in enumerate(_bounds(space))]
    outcome = jnp.asarray(int(values.get("outcome", 0)), jnp.int32)
    return space.join(outcome, jnp.asarray(vector, jnp.float32))


def _round_trip(codec: Any, space: Any, native: Tree, step: Any) -> tuple[Tree, Any, Tree, Any]:
    """The code of an action held for as long as one code lasts; is it whole; what is played first; the distance."""
    import jax
    import jax.numpy as jnp

    held, steps = (jax.tree.map(lambda leaf: jnp.stack([leaf] * codec.length), tree) for tree in (native, step))
    codes, valid = codec.encode(held, steps)
    coded = jax.tree.map(lambda leaf: leaf[0], codes)
    played = codec.decode(coded, step, jnp.zeros((), jnp.int32), None)
    (_, before), (_, after) = space.split(native), space.split(played)
    distance = jnp.max(jnp.abs(before - after)) if space.dims else jnp.zeros(())
    return coded, valid[0], played, distance


def _half_width(cell: Tree) -> float | None:
    """Half the longest side of a box; None where the set is none."""
    from actlab.core.sets import Interval

    if not isinstance(cell, Interval):
        return None
    sides = np.ravel(np.asarray(cell.high, np.float64) - np.asarray(cell.low, np.float64))
    return float(max(sides.max(initial=0.0), 0.0)) / 2 if np.isfinite(sides).all() else None


def _rows(space: Any, value: Tree, allowed: Any) -> Sequence[Any]:
    """A value as rows of the panel that videos show, with what is legal."""
    import jax

    from actlab.reports.panel import legal, rows

    host = jax.tree.map(np.asarray, value)
    shape = legal(space, allowed, value)
    return rows(space, host, None if shape is None else jax.tree.map(np.asarray, shape))


@lru_cache(maxsize=32)
def _loss(task: str, code: str, moment: int) -> Loss:
    """Over actions that are drawn uniformly, in one step of the task."""
    import jax

    from actlab.core.keys import fold
    from actlab.core.sets import Linear

    bound = _bound(task, code)
    codec, space, step = bound.spec.codec, bound.environment.action, _step(task, moment)
    solved = step is not None and isinstance(step.allowed, Linear)  # by a solver, one after the other

    def one(key: Any) -> tuple[Any, Any]:
        native = space.sample(key)
        _, _, played, distance = _round_trip(codec, space, native, step)
        return distance, space.split(native)[0] != space.split(played)[0]

    keys = [fold(jax.random.key(0), "loss", i) for i in range(SAMPLES // 16 if solved else SAMPLES)]
    if solved:
        found = [np.asarray(part) for part in zip(*map(one, keys))]
    else:
        found = [np.asarray(part) for part in jax.jit(jax.vmap(one))(jax.numpy.stack(keys))]
    distances, changed = found[0].astype(np.float64), found[1]
    return Loss(float(distances.max()), float(distances.mean()), float(changed.mean()), len(keys))


# --- tasks and codes ---------------------------------------------------------------------------------


def _known_task(name: str) -> str:
    """A registered task: another name might import something, or start a simulator.

    Raises:
        UnknownName: no task has that name.
    """
    from actlab.core.registry import TASKS
    from actlab.tasks import list_tasks

    list_tasks()
    return TASKS[name].name


@lru_cache(maxsize=32)
def _task(name: str) -> Any:
    from actlab.tasks import task

    return task(_known_task(name))


@lru_cache(maxsize=32)
def _bound(task: str, code: str) -> Any:
    return _task(task).with_code(parsed(code))


def parsed(code: str) -> Any:
    """The code of a text, not bound.

    Raises:
        ActlabError: it is none, or it has a number that could fill the memory.
    """
    from actlab.actions.parse import parse_code

    if any(int(digits) > LARGEST_NUMBER for digits in re.findall(r"[0-9]{1,20}", code)) or len(code) > 300:
        raise ActlabError(f"A code with numbers above {LARGEST_NUMBER:,} is too large to be shown.")
    return parse_code(code)


@lru_cache(maxsize=32)
def _step(task: str, moment: int) -> Any:
    """The first step of an episode; None where the task is not in the graph."""
    import jax

    from actlab.core.keys import fold

    found = _task(task)
    if not found.environment.compiled:
        return None
    key = fold(jax.random.key(0), "moment", moment)
    context = found.spec.contexts(fold(key, "context"))
    _, step = found.environment.reset(fold(key, "reset"), context)
    if found.constraint is not None and found.constraint.compiled:
        allowed, _ = found.constraint.allowed(found.constraint.begin(fold(key, "constraint"), context), step)
        step = step._replace(allowed=allowed)
    return step


@lru_cache(maxsize=16)
def _counted(task: str, code: str, data: str) -> Histograms:
    return histograms(_task(task), parsed(code), data)


@lru_cache(maxsize=32)
def _fitting(task: str) -> list[str]:
    from actlab.actions.parse import fitting_codes

    return fitting_codes(_task(task).environment.action)
