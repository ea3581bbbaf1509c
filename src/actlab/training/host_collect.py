"""Collecting experience on the host: lanes of simulators, decisions for all of them in one compiled call.

What is compiled - the policy, the codec, the constraint - is called once for all lanes; what is not is
called lane by lane in Python. Counts and rows have the meaning that they have in `training.collect`.

Axis letters: E lanes, T decisions, L native steps of one code.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold, seed_of
from actlab.core.sources import Rollout
from actlab.core.steps import Batch
from actlab.tasks.lanes import lanes_for
from actlab.training.collect import longest
from actlab.training.graph_lanes import GraphLanes
from actlab.training.play import Tally

Tree = Any


class HostLanes(NamedTuple):
    """What continues in the lanes of one source, beside the simulators themselves: leaves `[E, ...]`."""

    step: Any
    memory: Tree
    constraint: Tree
    context: Tree
    total: np.ndarray
    length: np.ndarray
    episode: np.ndarray
    """int32 `[E]`: episodes begun, from which the next reset seed is drawn."""


Watch = Callable[[Tree, Any, np.ndarray], None]
"""What is told of every arrival: (native actions that led there, None at a reset; steps with their sets; in which
lanes), leaves `[E, ...]`."""


def _unwatched(native: Tree, step: Any, where: np.ndarray) -> None:
    """Nobody is told."""


class Objects(tuple):
    """Memories of a policy on the host, one Python object a lane (an opaque leaf for JAX)."""


def _where(condition: np.ndarray, yes: Tree, no: Tree) -> Tree:
    """Leaf by leaf where, for a condition `[E]`."""

    def choose(a: Any, b: Any) -> Any:
        if condition.all():
            return a
        return np.where(condition.reshape(-1, *[1] * (np.ndim(a) - 1)), a, b)

    return jax.tree.map(choose, yes, no)


def _stack(parts: list) -> Tree:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *parts)


def _index(tree: Tree, i: Any) -> Tree:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _lanes_of(environment: Any, count: int) -> Any:
    return GraphLanes(environment, count) if environment.compiled else lanes_for(environment, count)


class Collector:
    """Lanes of one source (or of an evaluation), and the compiled calls that serve them."""

    def __init__(self, task: Task, policy: Any, count: int, *, explore: bool = True, watch: Watch = _unwatched):
        self.task, self.count, self.explore, self._watch = task, count, explore, watch
        self.lanes: Any = _lanes_of(task.environment, count)
        self._begun = False
        self.length = task.spec.codec.length
        if self.length > 1 and not self.lanes.can_wait:
            raise ActlabError(
                f"{task.spec.name} steps all its environments at once, so its codes cannot last several native "
                f"steps; received a code that lasts {self.length}. Use single environments instead."
            )
        self._decide = self._compiled_decide if policy.compiled else self._host_decide
        self._begin = self._compiled_begin if policy.compiled else self._host_begin
        constraint = task.constraint
        self._constrain = self._free if constraint is None else self._host_constrain
        if constraint is not None and constraint.compiled:
            self._constrain = self._compiled_constrain
            self._allowed = jax.jit(jax.vmap(constraint.allowed))
        self._jit_decide = jax.jit(self._decide_all, static_argnames=("uniform",))
        self._jit_keys = jax.jit(self._keys)
        self._jit_begin = jax.jit(
            lambda agent, learner, contexts, keys: jax.vmap(lambda c, k: agent.begin(learner, c, k))(contexts, keys)
        )
        self._jit_decode = jax.jit(jax.vmap(task.spec.codec.decode))
        self._jit_finished = jax.jit(jax.vmap(task.spec.codec.finished))
        self._jit_contains = jax.jit(jax.vmap(sets.contains))

    # --- episodes ------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Fresh simulators: nothing of what was played before is left."""
        self.lanes = _lanes_of(self.task.environment, self.count)
        self._begun = False

    def begin(self, agent: Any, source: Rollout, learner: Tree, key: Array) -> HostLanes:
        """All lanes at the start of an episode."""
        if self._begun and not self.lanes.survives:
            self.lanes.close()
            self.lanes = _lanes_of(self.task.environment, self.count)
        self._begun = True
        none = np.zeros((self.count,), np.int32)
        blank = HostLanes(None, None, None, None, none.astype(np.float32), none, none)
        return self._reset(agent, source, learner, blank, key, np.ones((self.count,), bool))

    def _contexts(self, source: Rollout, learner: Tree, keys: list[Array]) -> Tree:
        contexts = self.task.spec.contexts
        return _stack([contexts(k) if source.contexts is None else source.contexts(learner, k) for k in keys])

    def _reset(
        self, agent: Any, source: Rollout, learner: Tree, lanes: HostLanes, key: Array, where: np.ndarray
    ) -> HostLanes:
        """Begin a new episode in the lanes of `where`; seeds depend on (lane, episode) alone."""
        keys = [fold(key, "episode", i, int(lanes.episode[i])) for i in range(self.count)]
        shared = [fold(key, "context", i // source.group, int(lanes.episode[i])) for i in range(self.count)]
        contexts = self._contexts(source, learner, shared)
        seeds = np.asarray([seed_of(fold(k, "seed")) if where[i] else 0 for i, k in enumerate(keys)], np.int64)
        memory = self._begin(agent, learner, contexts, [fold(k, "begin") for k in keys])
        constraint: Tree = ()
        if self.task.constraint is not None:
            pairs = zip(keys, range(self.count))
            constraint = _stack(
                [self.task.constraint.begin(fold(k, "constraint"), _index(contexts, i)) for k, i in pairs]
            )
        if lanes.context is not None:
            contexts = _where(where, contexts, lanes.context)
            memory = _where(where, memory, lanes.memory)
            constraint = _where(where, constraint, lanes.constraint)
        step, constraint = self._constrain(constraint, self.lanes.reset(seeds, contexts, where), where)
        self._watch(None, step, where)
        if lanes.step is not None:
            step = _where(where, step, lanes.step)
        return HostLanes(
            step,
            memory,
            constraint,
            contexts,
            np.where(where, np.float32(0), lanes.total),
            np.where(where, np.int32(0), lanes.length),
            lanes.episode + where.astype(np.int32),
        )

    def _compiled_begin(self, agent: Any, learner: Tree, contexts: Tree, keys: list[Array]) -> Tree:
        return self._jit_begin(agent, learner, contexts, jnp.stack(keys))

    def _host_begin(self, agent: Any, learner: Tree, contexts: Tree, keys: list[Array]) -> Tree:
        return Objects(agent.begin(learner, _index(contexts, i), key) for i, key in enumerate(keys))

    # --- constraints ---------------------------------------------------------------------------------

    def _free(self, memory: Tree, step: Any, where: np.ndarray) -> tuple[Any, Tree]:
        return step, memory

    def _compiled_constrain(self, memory: Tree, step: Any, where: np.ndarray) -> tuple[Any, Tree]:
        allowed, after = self._allowed(memory, step)
        return step._replace(allowed=allowed), _where(where, after, memory)

    def _host_constrain(self, memory: Tree, step: Any, where: np.ndarray) -> tuple[Any, Tree]:
        assert self.task.constraint is not None
        pairs = [self.task.constraint.allowed(_index(memory, i), _index(step, i)) for i in range(self.count)]
        after = _where(where, _stack([pair[1] for pair in pairs]), memory)
        return step._replace(allowed=_stack([pair[0] for pair in pairs])), after

    # --- decisions -----------------------------------------------------------------------------------

    def _decide_all(
        self, agent: Any, learner: Tree, memory: Tree, step: Any, key: Array, tick: Array, *, uniform: bool
    ) -> Any:
        """Codes of all lanes, their first native actions, and whether these are legal: one compiled call."""
        codec = self.task.spec.codec

        def one(memory: Tree, step: Any, lane: Array) -> Any:
            mine = fold(key, "tick", tick, lane)
            code, memory, extras = agent.act(learner, memory, step, fold(mine, "act"), explore=self.explore)
            if uniform:
                code = sets.sample(codec.restrict(step.allowed), codec.code, fold(mine, "uniform"))
            native = codec.decode(code, step, jnp.zeros((), jnp.int32), fold(mine, "decode"))
            return code, native, memory, extras, sets.contains(step.allowed, native), sets.possible(step.allowed)

        return jax.vmap(one)(memory, step, jnp.arange(self.count, dtype=jnp.int32))

    def _keys(self, key: Array, tick: Array) -> tuple[Array, Array, Array]:
        """Keys `[E]` for acting, for uniform codes and for decoding: those of `_decide_all`."""

        def one(lane: Array) -> tuple[Array, Array, Array]:
            mine = fold(key, "tick", tick, lane)
            return fold(mine, "act"), fold(mine, "uniform"), fold(mine, "decode")

        return jax.vmap(one)(jnp.arange(self.count, dtype=jnp.int32))

    def _compiled_decide(
        self, agent: Any, learner: Tree, lanes: HostLanes, key: Array, tick: int, uniform: bool, live: np.ndarray
    ) -> Any:
        out = self._jit_decide(agent, learner, lanes.memory, lanes.step, key, np.int32(tick), uniform=uniform)
        code, native, memory, extras, legal, possible = out
        return code, jax.device_get(native), memory, extras, np.asarray(legal), np.asarray(possible)

    def _host_decide(
        self, agent: Any, learner: Tree, lanes: HostLanes, key: Array, tick: int, uniform: bool, live: np.ndarray
    ) -> Any:
        codec, rows, memories = self.task.spec.codec, [], list(lanes.memory)
        acting, drawing, decoding = (list(keys) for keys in self._jit_keys(key, np.int32(tick)))
        for i in np.flatnonzero(live):
            step = _index(lanes.step, i)
            code, memories[i], extras = agent.act(learner, memories[i], step, acting[i], explore=self.explore)
            if uniform:
                code = sets.sample(codec.restrict(step.allowed), codec.code, drawing[i])
            native = codec.decode(code, step, 0, decoding[i])
            legal, possible = sets.contains(step.allowed, native), sets.possible(step.allowed)
            rows.append((code, native, extras, np.asarray(legal), np.asarray(possible)))
        # a lane that waits for the others decides nothing; its row, which nobody reads, is the first of theirs
        place = np.cumsum(live) - 1
        code, native, extras, legal, possible = _index(_stack(rows), np.where(live, place, 0))
        return code, native, Objects(memories), extras, legal, possible

    def decide(
        self,
        agent: Any,
        learner: Tree,
        lanes: HostLanes,
        key: Array,
        tick: int,
        uniform: bool,
        discount: float,
        live: np.ndarray,
    ) -> tuple[Batch, HostLanes, Tally]:
        """One decision in every lane that is `live`, played to its end; ended lanes are not yet reset.

        Returns:
            a row `[E]`, the lanes, and counts `[E]`.
        """
        code, native, memory, extras, legal, possible = self._decide(agent, learner, lanes, key, tick, uniform, live)
        acts = live & ~lanes.step.ended  # a lane that restarts by itself spends a tick on it: no decision
        playing, goes = live.copy(), live.copy()
        step, constraint = lanes.step, lanes.constraint
        reward, total = np.zeros(self.count, np.float32), np.zeros(self.count, np.float32)
        elapsed, violations = np.zeros(self.count, np.int32), np.zeros(self.count, np.int32)
        played: list[Tree] = []
        for i in range(self.length):
            if i:
                index = np.full(self.count, i, np.int32)
                keys = jax.random.split(fold(key, "later", tick, i), self.count)
                native = jax.device_get(self._jit_decode(code, step, index, keys))
                legal = np.asarray(self._jit_contains(step.allowed, native))
            played.append(native)
            violations = violations + (goes & acts & ~legal)
            arrived = self.lanes.step(native, goes)
            arrived, constraint = self._constrain(constraint, arrived, goes)
            self._watch(native, arrived, goes)
            now = np.where(goes & acts, arrived.reward, np.float32(0))
            reward = reward + (np.float32(discount) ** elapsed).astype(np.float32) * now
            total, elapsed = total + now, elapsed + np.where(goes, arrived.elapsed, np.int32(0))
            step = _where(goes, arrived, step)
            if i + 1 < self.length:
                finished = np.asarray(self._jit_finished(code, step, np.full(self.count, i, np.int32)))
                goes = goes & ~step.ended & ~finished
                if not goes.any():
                    played += [native] * (self.length - i - 1)
                    break
        after = step._replace(reward=np.where(playing, reward, step.reward).astype(np.float32), elapsed=elapsed)
        rows = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *played)
        row = Batch(lanes.step, code, rows, after, extras, acts, lanes.context)
        if isinstance(memory, Objects):
            memory = Objects(new if live[i] else old for i, (new, old) in enumerate(zip(memory, lanes.memory)))
        else:
            memory = _where(live, memory, lanes.memory)
        sums, lengths = lanes.total + total, lanes.length + elapsed
        ended = acts & after.ended
        none = np.zeros(self.count, np.int32)
        tally = Tally(
            native_steps=np.where(acts, elapsed, none),
            decisions=acts.astype(np.int32),
            episodes=ended.astype(np.int32),
            returns=np.where(ended, sums, np.float32(0)),
            lengths=np.where(ended, lengths, none),
            violations=violations.astype(np.int32),
            impossible=(acts & ~possible).astype(np.int32),
            nonfinite=none,  # the adapter raises where a simulator gives NaN
        )
        restarted = np.asarray(after.first)  # lanes that restart by themselves begin their count anew
        sums, lengths = np.where(restarted, np.float32(0), sums), np.where(restarted, np.int32(0), lengths)
        return row, HostLanes(after, memory, constraint, lanes.context, sums, lengths, lanes.episode), tally

    def roll_out(
        self,
        agent: Any,
        source: Rollout,
        learner: Tree,
        lanes: HostLanes | None,
        key: Array,
        tick: int,
        *,
        uniform: bool = False,
        discount: float,
    ) -> tuple[Batch, HostLanes, Tally]:
        """As `training.collect.roll_out`: `Batch` `[E, T]`, lanes that go on, counts `[E]`."""
        policy = source.behaviour or agent
        if source.accept is not None:
            return self._accepted(agent, source, learner, key, tick, uniform, discount)
        if source.episodes is not None:
            lanes = self.begin(policy, source, learner, fold(key, "begin", tick))
        assert lanes is not None, "by decisions, roll-outs go on from lanes"
        memory, rows, tallies = lanes.memory, [], []
        ended = np.zeros(self.count, np.int32)
        count = source.decisions or (source.episodes or 0) * longest(self.task)
        for time in range(count):
            live = np.ones(self.count, bool) if source.episodes is None else ended < source.episodes
            if not live.any():
                rows += [rows[-1]._replace(valid=live)] * (count - time)
                break
            row, lanes, tally = self.decide(policy, learner, lanes, key, tick * count + time, uniform, discount, live)
            over = row.valid & np.asarray(row.next.ended)
            ended = ended + over.astype(np.int32)
            reset = over if source.episodes is None else over & (ended < source.episodes)
            if reset.any() and not self.lanes.restarts:
                lanes = self._reset(policy, source, learner, lanes, fold(key, "reset"), reset)
            rows.append(row)
            tallies.append(tally)
        batch = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves], axis=1), *rows)
        held = () if isinstance(memory, Objects) else memory
        return batch._replace(memory=held), lanes, jax.tree.map(lambda *counts: sum(counts), *tallies)

    def _accepted(self, agent, source: Rollout, learner, key: Array, tick: int, uniform: bool, discount: float) -> Any:
        """Roll out again the groups that are refused; a group refused every time is marked not valid."""
        assert source.accept is not None
        plain = Rollout(None, source.episodes, source.environments, source.group, source.contexts, source.behaviour)
        best, lanes, totals = None, None, []
        good = np.zeros(self.count, bool)
        for attempt in range(source.attempts):
            batch, lanes, tally = self.roll_out(
                agent, plain, learner, lanes, fold(key, "attempt", attempt), tick, uniform=uniform, discount=discount
            )
            totals.append(tally)
            best = batch if best is None else _where(good, best, batch)
            groups = [_index(batch, slice(i, i + source.group)) for i in range(0, self.count, source.group)]
            good |= np.repeat([bool(source.accept(group)) for group in groups], source.group)
            if good.all():
                break
        assert best is not None
        best = best._replace(valid=best.valid & good[:, None])
        return best, lanes, jax.tree.map(lambda *counts: sum(counts), *totals)
