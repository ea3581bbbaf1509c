"""The driver for whatever is not in the graph: simulators on the host, solvers and language models that act.

It drives *lanes* (`tasks.lanes`): several environments side by side, with numpy arrays `[E, ...]`. What is
compiled - the policy, the learner, the codec - is called as one compiled function for all lanes; what is
not is called lane by lane in Python. A task in the graph with a policy on the host comes here too.

Axis letters: E lanes, T decisions, L native steps of one code.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold, seed_of
from actlab.core.sources import Replay, Rollout
from actlab.core.steps import Batch
from actlab.data import buffer
from actlab.tasks.lanes import lanes_for
from actlab.training.collect import longest
from actlab.training.graph import (
    RUN_ONCE,
    Carry,
    check_sources,
    collecting,
    decisions_of,
    empty_buffers,
    raise_for,
    rollout_steps,
    sample_batches,
    updates_of,
)
from actlab.training.graph_lanes import GraphLanes
from actlab.training.plain import from_plain, to_plain
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


def _where(condition: np.ndarray, yes: Tree, no: Tree) -> Tree:
    """Leaf by leaf where, for a condition `[E]`."""

    def choose(a: Any, b: Any) -> Any:
        if condition.all():
            return a
        return np.where(condition.reshape(-1, *[1] * (np.ndim(a) - 1)), a, b)

    return jax.tree.map(choose, yes, no)


def _stack(parts: list) -> Tree:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *parts)


def _index(tree: Tree, i: int) -> Tree:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _lanes_of(environment: Any, count: int) -> Any:
    return GraphLanes(environment, count) if environment.compiled else lanes_for(environment, count)


class Collector:
    """Lanes of one source (or of an evaluation), and the compiled calls that serve them."""

    def __init__(self, task: Task, policy: Any, count: int, *, explore: bool = True):
        self.task, self.count, self.explore = task, count, explore
        self.lanes: Any = _lanes_of(task.environment, count)
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
        self._jit_begin = jax.jit(lambda agent, learner, contexts, keys: jax.vmap(
            lambda c, k: agent.begin(learner, c, k))(contexts, keys))
        self._jit_decode = jax.jit(jax.vmap(task.spec.codec.decode))
        self._jit_finished = jax.jit(jax.vmap(task.spec.codec.finished))
        self._jit_contains = jax.jit(jax.vmap(sets.contains))

    # --- episodes ------------------------------------------------------------------------------------

    def begin(self, agent: Any, source: Rollout, learner: Tree, key: Array) -> HostLanes:
        """All lanes at the start of an episode."""
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
            constraint = _stack([self.task.constraint.begin(fold(k, "constraint"), _index(contexts, i)) for k, i in pairs])
        if lanes.context is not None:
            contexts = _where(where, contexts, lanes.context)
            memory = _where(where, memory, lanes.memory)
            constraint = _where(where, constraint, lanes.constraint)
        step, constraint = self._constrain(constraint, self.lanes.reset(seeds, contexts, where), where)
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

    def _host_begin(self, agent: Any, learner: Tree, contexts: Tree, keys: list[Array]) -> list:
        return _Objects(agent.begin(learner, _index(contexts, i), key) for i, key in enumerate(keys))

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

    def _decide_all(self, agent: Any, learner: Tree, memory: Tree, step: Any, key: Array, tick: Array, *, uniform: bool):
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

    def _compiled_decide(self, agent, learner, lanes: HostLanes, key: Array, tick: int, uniform: bool) -> Any:
        out = self._jit_decide(agent, learner, lanes.memory, lanes.step, key, np.int32(tick), uniform=uniform)
        code, native, memory, extras, legal, possible = out
        return code, jax.device_get(native), memory, extras, np.asarray(legal), np.asarray(possible)

    def _host_decide(self, agent, learner, lanes: HostLanes, key: Array, tick: int, uniform: bool) -> Any:
        codec, rows, memories = self.task.spec.codec, [], []
        for i in range(self.count):
            mine, step = fold(key, "tick", tick, i), _index(lanes.step, i)
            code, memory, extras = agent.act(learner, lanes.memory[i], step, fold(mine, "act"), explore=self.explore)
            if uniform:
                code = sets.sample(codec.restrict(step.allowed), codec.code, fold(mine, "uniform"))
            native = codec.decode(code, step, 0, fold(mine, "decode"))
            legal, possible = sets.contains(step.allowed, native), sets.possible(step.allowed)
            rows.append((code, native, extras, np.asarray(legal), np.asarray(possible)))
            memories.append(memory)
        code, native, extras, legal, possible = _stack(rows)
        return code, native, _Objects(memories), extras, legal, possible

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
        code, native, memory, extras, legal, possible = self._decide(agent, learner, lanes, key, tick, uniform)
        acts = live & ~lanes.step.ended  # a lane that restarts by itself spends a tick on it: no decision
        playing, goes = live.copy(), live.copy()
        step, constraint = lanes.step, lanes.constraint
        reward, total = np.zeros(self.count, np.float32), np.zeros(self.count, np.float32)
        elapsed, violations = np.zeros(self.count, np.int32), np.zeros(self.count, np.int32)
        played: list[Tree] = []
        for i in range(self.length):
            if i:
                index = np.full(self.count, i, np.int32)
                keys = jax.vmap(lambda k: fold(k, "native", i))(jax.random.split(fold(key, "later", tick), self.count))
                native = jax.device_get(self._jit_decode(code, step, index, keys))
                legal = np.asarray(self._jit_contains(step.allowed, native))
            played.append(native)
            violations = violations + (goes & acts & ~legal)
            arrived = self.lanes.step(native, goes)
            arrived, constraint = self._constrain(constraint, arrived, goes)
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
        if isinstance(memory, _Objects):
            memory = _Objects(new if live[i] else old for i, (new, old) in enumerate(zip(memory, lanes.memory)))
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
        lanes: HostLanes,
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
        memory, rows, tallies = lanes.memory, [], []
        ended = np.zeros(self.count, np.int32)
        count = source.decisions or (source.episodes or 0) * longest(self.task)
        for time in range(count):
            live = np.ones(self.count, bool) if source.episodes is None else ended < source.episodes
            if not live.any():
                rows += [rows[-1]._replace(valid=live)] * (count - time)
                break
            row, lanes, tally = self.decide(
                policy, learner, lanes, key, tick * count + time, uniform, discount, live
            )
            over = row.valid & np.asarray(row.next.ended)
            ended = ended + over.astype(np.int32)
            reset = over if source.episodes is None else over & (ended < source.episodes)
            if reset.any() and not self.lanes.restarts:
                lanes = self._reset(policy, source, learner, lanes, fold(key, "reset"), reset)
            rows.append(row)
            tallies.append(tally)
        batch = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves], axis=1), *rows)
        held = () if isinstance(memory, _Objects) else memory
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


class _Objects(tuple):
    """Memories of a policy on the host, one Python object a lane (an opaque leaf for JAX)."""


class HostDriver:
    """Same methods as `training.graph.GraphDriver`."""

    def __init__(self, task: Task, agent: Any):
        self.task = task
        self.sources = dict(agent.experience(task.spec))
        self.collectors: dict[str, Collector] = {}
        self._evaluators: dict[tuple[int, bool], Collector] = {}
        self._plain = not agent.compiled
        self._absorb = jax.jit(self._learn, donate_argnums=(1,)) if agent.compiled else self._learn
        self._add = jax.jit(buffer.add, donate_argnums=(0,))

    def start(self, agent: Any, key: Array, data: Mapping[str, Any], start: Tree, most_rows: int) -> Carry:
        """The carry before the first tick."""
        check_sources(self.sources, data)
        init = lambda agent, key: agent.init(self.task.spec, key, start)  # noqa: E731
        learner = (jax.jit(init, compiler_options=RUN_ONCE) if agent.compiled else init)(agent, fold(key, "init"))
        self.collectors, lanes, row = {}, {}, {}
        for name, source in self.sources.items():
            rollout = collecting(source)
            if rollout is None:
                continue
            policy = rollout.behaviour or agent
            collector = Collector(self.task, policy, rollout.environments)
            self.collectors[name] = collector
            lanes[name] = collector.begin(policy, rollout, learner, fold(key, "lanes", name))
            row[name] = self._row_shape(collector, policy, learner, lanes[name], key)
        buffers = empty_buffers(self.sources, row, data, most_rows)
        learner = jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, jax.Array) else leaf, learner)
        return Carry(learner, lanes, buffers, key, jnp.zeros((), jnp.int32))

    def _row_shape(self, collector: Collector, policy: Any, learner: Tree, lanes: HostLanes, key: Array) -> Batch:
        """The shape of one row, from one decision that is not played."""
        code, native, _, extras, _, _ = collector._decide(policy, learner, lanes, key, 0, False)
        one = lambda tree: jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x)[1:], jnp.asarray(x).dtype), tree)  # noqa: E731
        length = self.task.spec.codec.length
        natives = jax.tree.map(lambda s: jax.ShapeDtypeStruct((length, *s.shape), s.dtype), one(native))
        step = one(lanes.step)
        return Batch(step, one(code), natives, step, one(extras), jax.ShapeDtypeStruct((), jnp.bool_), one(lanes.context))

    def run(self, agent: Any, carry: Carry, ticks: int, uniform: bool) -> tuple[Carry, Tally, dict[str, float]]:
        """Several ticks; the tally and the learner's metrics (mean over the updates)."""
        tallies, metrics = [], []
        learner, lanes, buffers = carry.learner, dict(carry.lanes), dict(carry.buffers)
        first = int(carry.ticks)
        for tick in range(first, first + ticks):
            key, fresh = carry.key, {}
            for name, source in self.sources.items():
                rollout = collecting(source)
                if rollout is None:
                    continue
                batch, lanes[name], tally = self.collectors[name].roll_out(
                    agent,
                    rollout,
                    learner,
                    lanes[name],
                    fold(key, "collect", name),
                    tick,
                    uniform=uniform,
                    discount=self.task.spec.discount,
                )
                tallies.append(tally)
                if isinstance(source, Replay):
                    buffers[name] = self._add(buffers[name], batch._replace(memory=()))
                else:
                    fresh[name] = batch
            if not uniform:
                learner, learned = self._absorb(agent, learner, buffers, fresh, key, np.int32(tick))
                metrics.append(learned)
        tally = jax.tree.map(lambda *counts: sum(int(np.sum(c)) for c in counts), *tallies) if tallies else _NOTHING
        if tallies:
            tally = tally._replace(returns=float(sum(np.sum(t.returns) for t in tallies)))
        averages = {}
        if metrics:
            averages = {name: float(np.mean([np.asarray(row[name]) for row in metrics])) for name in metrics[0]}
        ticked = jnp.asarray(first + ticks, jnp.int32)
        return Carry(learner, lanes, buffers, carry.key, ticked), tally, averages

    def _learn(self, agent: Any, learner: Tree, buffers: Any, fresh: Any, key: Array, tick: Any) -> Any:
        """The updates of one tick: compiled where the agent is, else plain Python."""
        now, count = fold(key, "tick", tick), updates_of(self.sources)

        def update(learner: Tree, i: Any) -> tuple[Tree, dict[str, Any]]:
            batches = sample_batches(self.sources, buffers, fresh, fold(now, "sample", i))
            return agent.learn(learner, batches, fold(now, "learn", i))

        if agent.compiled:
            learner, metrics = jax.lax.scan(update, learner, jnp.arange(count, dtype=jnp.int32))
            return learner, {name: jnp.mean(values.astype(jnp.float32)) for name, values in metrics.items()}
        rows = []
        for i in range(count):
            learner, metrics = update(learner, i)
            rows.append(metrics)
        return learner, {name: np.mean([np.asarray(row[name]) for row in rows]) for name in rows[0]}

    def evaluate(self, agent: Any, learner: Tree, key: Array, episodes: int, explore: bool) -> dict[str, np.ndarray]:
        """Every score of every episode `[episodes]`; episode i depends on (key, i) alone."""
        if (episodes, explore) not in self._evaluators:
            self._evaluators[episodes, explore] = Collector(self.task, agent, episodes, explore=explore)
        collector = self._evaluators[episodes, explore]
        source = Rollout(episodes=1, environments=episodes)
        batch, _, tally = collector.roll_out(agent, source, learner, None, key, 0, discount=1.0)
        raise_for(self.task, jax.tree.map(np.sum, tally))
        scores = jax.jit(jax.vmap(self.task.score))(batch._replace(memory=(), extras=(), context=()))
        return {**{name: np.asarray(values) for name, values in scores.items()}, "violations": tally.violations}

    def snapshot(self, carry: Carry) -> tuple[Tree, dict[str, np.ndarray], dict[str, Any]]:
        """Arrays whose shapes are known, arrays whose shapes are not (running episodes), and JSON (host state)."""
        running = {
            f"{name}/{part}": np.asarray(array)
            for name, collector in self.collectors.items()
            for part, array in collector.lanes.snapshot().items()
        }
        memories = {n: lane.memory for n, lane in carry.lanes.items() if isinstance(lane.memory, _Objects)}
        lanes = {n: lane._replace(memory=()) if n in memories else lane for n, lane in carry.lanes.items()}
        host: dict[str, Any] = {"memories": {name: [to_plain(m) for m in memory] for name, memory in memories.items()}}
        learner = carry.learner
        if self._plain:
            host["learner"], learner = to_plain(learner), ()
        return Carry(learner, lanes, carry.buffers, carry.key, carry.ticks), running, host

    def restore(self, carry: Carry, running: Mapping[str, np.ndarray], host: Mapping[str, Any]) -> Carry:
        """The carry that goes on from a snapshot; running episodes are replayed from their seed and actions."""
        for name, collector in self.collectors.items():
            prefix = f"{name}/"
            collector.lanes.restore({k[len(prefix) :]: v for k, v in running.items() if k.startswith(prefix)})
        lanes = dict(carry.lanes)
        for name, memory in host["memories"].items():
            lanes[name] = lanes[name]._replace(memory=_Objects(from_plain(m) for m in memory))
        learner = from_plain(host["learner"]) if self._plain else carry.learner
        return Carry(learner, lanes, carry.buffers, carry.key, carry.ticks)

    def native_steps_of_tick(self) -> int:
        """Most native steps of one tick (0 where nothing is collected)."""
        return sum(rollout_steps(self.task, source) for source in self.sources.values())

    def decisions_of_tick(self) -> int:
        """Decisions of one tick."""
        return decisions_of(self.sources)

    def close(self) -> None:
        """Close every simulator."""
        for collector in [*self.collectors.values(), *self._evaluators.values()]:
            collector.lanes.close()


_NOTHING = Tally(*[0] * len(Tally._fields))
