"""The checker for environments of our own contract: in the graph, or pure Python with `compiled = False`.

In the graph, `reset` and `step` are traced first; what is wrong there (dtypes, structure) ends the check, for
nothing else could run. Then episodes are played compiled, and one of them again without compilation.

Axis letters: E episodes, T steps.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets
from actlab.core.contracts import Task
from actlab.core.keys import fold
from actlab.core.spaces import Space
from actlab.core.steps import TimeStep, select
from actlab.tasks.door import short
from actlab.tasks.findings import Ending, Findings, judge_actions, judge_ends, sample_allowed

_EPISODES = 8
_EPISODES_ON_HOST = 3
_COMPARED = 3
"""Steps that are played again without compilation."""

_FLAGS = {"reward": "float32", "elapsed": "int32", "first": "bool", "terminated": "bool", "truncated": "bool"}


class Facts(NamedTuple):
    """What is seen on arriving at a step, `[]`; of whole episodes `[E, T + 1]`, the reset first."""

    live: Array
    """The episode had not ended before this step."""
    inside: Array
    finite: Array
    reward: Array
    """Is it finite?"""
    possible: Array
    """Does the set hold anything?"""
    first: Array
    elapsed: Array
    terminated: Array
    truncated: Array


def check_contract(task: Task, longest: int) -> Findings:
    """All that can be said of the environment (and the constraint) of a task by tracing and playing it.

    Args:
        longest: most steps of one episode that are followed.
    """
    found, environment = Findings(), task.environment
    judge_actions(found, environment.action)
    if environment.compiled and not _traced(found, task):
        return found
    length = min(environment.horizon, longest) + 1  # one more, to see what a step after the end does
    try:
        facts, speed = _compiled_facts(task, length) if environment.compiled else _host_facts(task, length)
    except Exception as error:
        found.add("error", "runs", f"It cannot be played: {_told(error)}.")
        return found
    _judge(found, facts, environment.horizon)
    _compare(found, task)
    found.add("information", "speed", speed)
    if found.clean:
        steps, episodes = int(facts.live[:, 1:].sum()), len(facts.live)
        also = " and that compilation changes nothing" if environment.compiled else ""
        found.add(
            "information",
            "clean",
            f"No fault was found in {steps} steps of {episodes} episodes: spaces, dtypes, structure, numbers, rewards, "
            f"ends, sets, determinism{also} were checked.",
        )
    return found


# --- before anything runs ----------------------------------------------------------------------------


def _traced(found: Findings, task: Task) -> bool:
    """Is it compilable, of the declared types, and of one structure? If not, nothing else can run."""
    environment, key = task.environment, jax.random.key(0)

    def reset(key: Array) -> Any:
        return environment.reset(key, task.spec.contexts(key))

    def step(key: Array, state: Any, native: Any) -> Any:
        return environment.step(key, state, native)

    name = "reset"
    try:
        before = jax.eval_shape(reset, key)
        name = "step"
        after = jax.eval_shape(step, key, before[0], jax.eval_shape(environment.action.sample, key))
    except Exception as error:
        found.add("error", "compiles", f"Its {name} cannot be compiled: {_told(error)}.")
        return False
    for name, (_, arrived) in (("reset", before), ("step", after)):
        if not isinstance(arrived, TimeStep):
            found.add("error", "step", f"Its {name} must return (state, TimeStep); received {short(arrived)}.")
            return False
        _judge_types(found, name, arrived, environment.observation)
    _judge_structure(found, before, after)
    return all(kind not in found for kind in ("types", "observation", "structure", "allowed"))


def _judge_types(found: Findings, name: str, step: TimeStep, observation: Space) -> None:
    for field, dtype in _FLAGS.items():
        leaf = getattr(step, field)
        if np.shape(leaf) != () or np.dtype(getattr(leaf, "dtype", type(leaf))).name != dtype:
            found.add("error", "types", f"After {name}, `{field}` must be {dtype} []; received {_type(leaf)}.")
    declared = jax.eval_shape(observation.zeros)
    wanted, got = jax.tree.structure(declared), jax.tree.structure(step.observation)
    if wanted != got:
        found.add("error", "observation", f"After {name}, its observation must be made up as {wanted}; received {got}.")
        return
    for leaf, right in zip(jax.tree.leaves(step.observation), jax.tree.leaves(declared), strict=True):
        if (leaf.shape, leaf.dtype) != (right.shape, right.dtype):
            found.add(
                "error",
                "observation",
                f"After {name}, its observation must be {_type(right)}, as {observation} says; received {_type(leaf)}.",
            )


def _judge_structure(found: Findings, before: Any, after: Any) -> None:
    """The state and the step must be of one type at all times, as the carry of a loop is."""
    parts = (
        ("allowed", "set of allowed actions", before[1].allowed, after[1].allowed),
        ("structure", "state", before[0], after[0]),
        ("structure", "info", before[1].info, after[1].info),
    )
    for kind, what, one, two in parts:
        if jax.tree.structure(one) != jax.tree.structure(two):
            found.add(
                "error",
                kind,
                f"Its {what} changes its structure between reset and step, from {short(jax.tree.structure(one))} "
                f"to {short(jax.tree.structure(two))}; keep one for all steps.",
            )
            continue
        for (path, left), right in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(two), strict=True):
            if (left.shape, left.dtype) != (right.shape, right.dtype):
                found.add(
                    "error",
                    kind,
                    f"Its {what}{jax.tree_util.keystr(path)} is {_type(left)} after reset but {_type(right)} after "
                    "step; keep one type for all steps.",
                )
            elif left.weak_type or right.weak_type:
                which = "reset" if left.weak_type else "step"
                found.add(
                    "warning",
                    "weak",
                    f"Its {what}{jax.tree_util.keystr(path)} is weakly typed after {which} (made of a Python number), "
                    f"so it compiles twice; use jnp.asarray(..., jnp.{left.dtype}).",
                )


# --- episodes ----------------------------------------------------------------------------------------


def _facts(observation: Space, step: TimeStep, live: Any) -> Facts:
    numbers = [
        leaf for leaf in jax.tree.leaves(step.observation) if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)
    ]
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in numbers])) if numbers else jnp.ones((), bool)
    return Facts(
        jnp.asarray(live),
        observation.contains(step.observation),
        finite,
        jnp.isfinite(step.reward),
        jnp.asarray(sets.possible(step.allowed)),
        *(jnp.asarray(leaf) for leaf in (step.first, step.elapsed, step.terminated, step.truncated)),
    )


def _begin(task: Task, key: Array) -> tuple[Any, TimeStep, Any]:
    context = task.spec.contexts(fold(key, "context"))
    state, step = task.environment.reset(fold(key, "reset"), context)
    memory = () if task.constraint is None else task.constraint.begin(fold(key, "constraint"), context)
    step, memory = _constrained(task, step, memory)
    return state, step, memory


def _constrained(task: Task, step: TimeStep, memory: Any) -> tuple[TimeStep, Any]:
    if task.constraint is None:
        return step, memory
    allowed, memory = task.constraint.allowed(memory, step)
    return step._replace(allowed=allowed), memory


def _advance(task: Task, key: Array, state: Any, step: TimeStep, memory: Any, native: Any) -> tuple[Any, TimeStep, Any]:
    state, step = task.environment.step(fold(key, "step"), state, native)
    step, memory = _constrained(task, step, memory)
    return state, step, memory


def _compiled_facts(task: Task, length: int) -> tuple[Facts, str]:
    environment = task.environment

    def episode(key: Array) -> Facts:
        state, step, memory = _begin(task, key)
        start = _facts(environment.observation, step, True)

        def tick(carry: Any, i: Array) -> tuple[Any, Facts]:
            (state, step, memory), now = carry, fold(key, i)
            live = ~step.ended
            native = sets.sample(step.allowed, environment.action, fold(now, "act"))
            after = _advance(task, now, state, step, memory, native)
            return select(live, after, carry), _facts(environment.observation, after[1], live)

        _, rest = jax.lax.scan(tick, (state, step, memory), jnp.arange(length, dtype=jnp.int32))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), start, rest)

    keys = jax.vmap(lambda i: fold(jax.random.key(0), i))(jnp.arange(_EPISODES, dtype=jnp.int32))
    play = jax.jit(jax.vmap(episode)).lower(keys).compile()
    began = time.perf_counter()
    facts = jax.tree.map(np.asarray, jax.block_until_ready(play(keys)))
    rate = _EPISODES * length / (time.perf_counter() - began)
    return facts, f"It takes about {rate:,.0f} steps a second, compiled, {_EPISODES} episodes at once."


def _host_facts(task: Task, length: int) -> tuple[Facts, str]:
    """The same, step by step; after an end the environment may refuse, which is right."""
    environment, episodes, count, seconds = task.environment, [], 0, 0.0
    for e in range(_EPISODES_ON_HOST):
        key = fold(jax.random.key(0), e)
        state, step, memory = _begin(task, key)
        rows = [_facts(environment.observation, step, True)]
        for i in range(length):
            now, live = fold(key, i), not bool(step.ended)
            native = sample_allowed(environment.action, step.allowed, fold(now, "act"))
            began = time.perf_counter()
            try:
                state, step, memory = _advance(task, now, state, step, memory, native)
            except Exception:
                if live:
                    raise
                break
            seconds, count = seconds + time.perf_counter() - began, count + 1
            rows.append(_facts(environment.observation, step, live))
            if not live:
                break
        padding = rows[-1]._replace(live=jnp.zeros((), bool))
        rows += [padding] * (length + 1 - len(rows))
        episodes.append(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))
    facts = jax.tree.map(lambda *leaves: np.stack(leaves), *episodes)
    return facts, f"It takes about {count / max(seconds, 1e-9):,.0f} steps a second, on the host."


def _judge(found: Findings, facts: Any, horizon: int) -> None:
    ended = facts.terminated | facts.truncated

    def when(wrong: np.ndarray) -> str:
        step = int(np.argwhere(wrong)[:, 1].min())
        return f"at step {step}" if step else "at reset"

    def note(wrong: np.ndarray, severity: Any, kind: str, sentence: str) -> None:
        if wrong.any():
            found.add(severity, kind, sentence.format(when=when(wrong)))

    live = facts.live
    note(live & ~facts.finite, "error", "finite", "Its observation is NaN or infinite {when}.")
    note(live & facts.finite & ~facts.inside, "warning", "outside", "Its observation leaves the declared space {when}.")
    note(live & ~facts.reward, "error", "reward", "Its reward is NaN or infinite {when}.")
    note(
        live & ~ended & ~facts.possible,
        "error",
        "nothing",
        "Its set allows nothing {when}, though the episode goes on.",
    )
    counted = facts.first != (np.arange(live.shape[1]) == 0)
    note(
        live & counted, "error", "first", "Its `first` is wrong {when}: it is True after reset and False after a step."
    )
    note(
        live & ~counted & (facts.elapsed != np.where(facts.first, 0, 1)),
        "error",
        "elapsed",
        "Its `elapsed` is wrong {when}: it is 0 after reset and 1 after a step.",
    )
    note(live & facts.first & ended, "error", "born ended", "Its episode has ended {when}, before any action.")
    over = ~live & (facts.first | (facts.elapsed == 0))
    note(over, "error", "autoreset", "It starts over by itself after an end; leave that to the loop.")
    endings = []
    for terminated, truncated, alive in zip(facts.terminated, facts.truncated, live, strict=True):
        at = np.flatnonzero((terminated | truncated) & alive)
        steps = int(at[0]) if len(at) else min(len(alive) - 2, horizon)
        endings.append(Ending(steps, bool(len(at) and terminated[at[0]]), bool(len(at) and truncated[at[0]])))
        if len(at) and at[0] > horizon:
            endings[-1] = Ending(horizon, False, False)
    judge_ends(found, endings, horizon)


# --- the same again ----------------------------------------------------------------------------------


def _compare(found: Findings, task: Task) -> None:
    """Is it the same played twice, and compiled as not compiled?"""
    environment = task.environment
    key = jax.random.key(0)
    context = task.spec.contexts(fold(key, "context"))

    def play(reset: Callable, step: Callable) -> list[TimeStep]:
        state, arrived = reset(fold(key, "reset"), context)
        steps = [arrived]
        for i in range(_COMPARED):
            if bool(arrived.ended):
                break
            native = sample_allowed(environment.action, arrived.allowed, fold(key, "act", i))
            state, arrived = step(fold(key, "step", i), state, native)
            steps.append(arrived)
        return steps

    def traced() -> list[TimeStep]:
        # new functions, so that they are traced anew: what was drawn outside of the key shows
        return play(jax.jit(lambda *given: environment.reset(*given)), jax.jit(lambda *given: environment.step(*given)))

    once = play(environment.reset, environment.step)
    first, second = (traced(), traced()) if environment.compiled else (once, play(environment.reset, environment.step))
    differs = _difference(first, second, exact=True)
    apart = _difference(first, once, exact=False)
    if differs:
        found.add(
            "error",
            "deterministic",
            f"It is not deterministic: two episodes with the same key and actions differ in the {differs}; draw from "
            "the key only, and keep what changes in the state.",
        )
    elif apart:
        found.add(
            "error",
            "compiled",
            f"Compiled it does something else than without compilation: they differ in the {apart}; reset and step "
            "must be pure functions of their arguments.",
        )
    others = [environment.reset(fold(jax.random.key(seed), "reset"), context)[1].observation for seed in (1, 2, 3)]
    if all(not _apart(once[0].observation, other, exact=True) for other in others):
        found.add(
            "information", "alike", "All episodes start with the same observation, whatever the key; that may be meant."
        )


def _difference(one: list[TimeStep], two: list[TimeStep], exact: bool) -> str:
    """The first thing that differs between two episodes, and where; empty if nothing does."""
    for i, (a, b) in enumerate(zip(one, two, strict=False)):
        for field in ("observation", "allowed", "reward", "terminated", "truncated"):
            if _apart(getattr(a, field), getattr(b, field), exact):
                return f"{field} at step {i}" if i else f"{field} at reset"
    return "" if len(one) == len(two) else "length"


def _apart(one: Any, two: Any, exact: bool) -> bool:
    tolerance = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 1e-3, "atol": 1e-4}
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return any(not np.allclose(np.asarray(a), np.asarray(b), equal_nan=True, **tolerance) for a, b in leaves)


def _type(leaf: Any) -> str:
    return f"{np.dtype(getattr(leaf, 'dtype', type(leaf))).name} {list(np.shape(leaf))}"


def _told(error: Exception) -> str:
    return f"{type(error).__name__} ({short(str(error).strip().splitlines()[0] if str(error).strip() else '')})"
