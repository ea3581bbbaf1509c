"""The driver for whatever is not in the graph: simulators on the host, solvers and language models that act.

It drives *lanes* (`tasks.lanes`): several environments side by side, with numpy arrays `[E, ...]`. What is
compiled - the policy, the learner, the codec - is called as one compiled function for all lanes; what is
not is called lane by lane in Python. A task in the graph with a policy on the host comes here too.

Axis letters: E lanes, T decisions, L native steps of one code.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.contracts import Task
from actlab.core.keys import fold
from actlab.core.sources import Replay, Rollout
from actlab.core.steps import Batch
from actlab.data import buffer
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
    show_data,
    updates_of,
)
from actlab.training.host_collect import Collector, Objects
from actlab.training.plain import from_plain, to_plain
from actlab.training.play import Tally

Tree = Any


class HostDriver:
    """Same methods as `training.graph.GraphDriver`."""

    def __init__(self, task: Task, agent: Any):
        self.task = task
        self.sources = dict(agent.experience(task.spec))
        self.collectors: dict[str, Collector] = {}
        self._evaluators: dict[tuple[int, bool], Collector] = {}
        self._lost: set[str] = set()
        self._plain = not agent.compiled
        self._absorb = jax.jit(self._learn, donate_argnums=(1,)) if agent.compiled else self._learn
        init = lambda agent, key, start: agent.init(task.spec, key, start)  # noqa: E731
        self._init = jax.jit(init, compiler_options=RUN_ONCE) if agent.compiled else init
        self._score = jax.jit(jax.vmap(task.score))
        self._add = jax.jit(buffer.add, donate_argnums=(0,))
        self._observe = {
            name: jax.jit(source.observe, donate_argnums=(0,)) if agent.compiled else source.observe
            for name, source in self.sources.items()
            if isinstance(source, Replay) and source.observe is not None
        }

    def start(self, agent: Any, key: Array, data: Mapping[str, Any], start: Tree, most_rows: int) -> Carry:
        """The carry before the first tick."""
        check_sources(self.sources, data)
        learner = self._init(agent, fold(key, "init"), start)
        self._lost.clear()
        lanes, row = {}, {}
        for name, source in self.sources.items():
            rollout = collecting(source)
            if rollout is None:
                continue
            policy = rollout.behaviour or agent
            if name in self.collectors:  # the next run: the same compiled programs, other simulators
                self.collectors[name].renew()
            else:
                self.collectors[name] = Collector(self.task, policy, rollout.environments)
            collector = self.collectors[name]
            lanes[name] = collector.begin(policy, rollout, learner, fold(key, "lanes", name))
            row[name] = self._row_shape(collector, policy, learner, lanes[name], key)
        buffers = empty_buffers(self.sources, row, data, most_rows)
        learner = show_data(self.sources, buffers, learner, agent.compiled)
        learner = jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, jax.Array) else leaf, learner)
        return Carry(learner, lanes, buffers, key, jnp.zeros((), jnp.int32))

    def _row_shape(self, collector: Collector, policy: Any, learner: Tree, lanes: Any, key: Array) -> Batch:
        """The shape of one row, from one decision that is not played."""
        code, native, _, extras, _, _ = collector._decide(
            policy, learner, lanes, key, 0, False, np.ones(collector.count, bool)
        )
        one = lambda tree: jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x)[1:], jnp.asarray(x).dtype), tree)  # noqa: E731
        length = self.task.spec.codec.length
        natives = jax.tree.map(lambda s: jax.ShapeDtypeStruct((length, *s.shape), s.dtype), one(native))
        step = one(lanes.step)
        return Batch(
            step, one(code), natives, step, one(extras), jax.ShapeDtypeStruct((), jnp.bool_), one(lanes.context)
        )

    def run(self, agent: Any, carry: Carry, ticks: int, uniform: bool) -> tuple[Carry, Tally, dict[str, float]]:
        """Several ticks; the tally and the learner's metrics (mean over the updates)."""
        tallies, metrics = [], []
        learner, lanes, buffers = carry.learner, dict(carry.lanes), dict(carry.buffers)
        first, key = int(carry.ticks), carry.key
        streams = {name: fold(key, "collect", name) for name in self.sources}  # derived once: a tick is short
        for tick in range(first, first + ticks):
            fresh = {}
            for name, source in self.sources.items():
                rollout = collecting(source)
                if rollout is None:
                    continue
                if name in self._lost:
                    self._lost.discard(name)
                    begun = fold(key, "begun again", tick, name)
                    policy = rollout.behaviour or agent
                    lanes[name] = self.collectors[name].begin(policy, rollout, learner, begun)
                batch, lanes[name], tally = self.collectors[name].roll_out(
                    agent,
                    rollout,
                    learner,
                    lanes[name],
                    streams[name],
                    tick,
                    uniform=uniform,
                    discount=self.task.spec.discount,
                )
                tallies.append(tally)
                if isinstance(source, Replay):
                    batch = batch._replace(memory=())
                    buffers[name] = self._add(buffers[name], batch)
                    if name in self._observe:
                        learner = self._observe[name](learner, batch)
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
        scores = self._score(batch._replace(memory=(), extras=(), context=()))
        return {**{name: np.asarray(values) for name, values in scores.items()}, "violations": tally.violations}

    def snapshot(self, carry: Carry) -> tuple[Tree, dict[str, Any], dict[str, Any]]:
        """Arrays whose shapes are known, arrays whose shapes are not (running episodes), and JSON (host state)."""
        running = {
            f"{name}/{part}": np.asarray(array)
            for name, collector in self.collectors.items()
            for part, array in collector.lanes.snapshot().items()
        }
        memories = {n: lane.memory for n, lane in carry.lanes.items() if isinstance(lane.memory, Objects)}
        lanes = {n: lane._replace(memory=()) if n in memories else lane for n, lane in carry.lanes.items()}
        host: dict[str, Any] = {"memories": {name: [to_plain(m) for m in memory] for name, memory in memories.items()}}
        learner = carry.learner
        if self._plain:
            host["learner"], learner = to_plain(learner), ()
        return Carry(learner, lanes, carry.buffers, carry.key, carry.ticks), running, host

    def restore(self, carry: Carry, running: Mapping[str, np.ndarray], host: Mapping[str, Any]) -> Carry:
        """The carry that goes on from a snapshot; running episodes are replayed from their seed and actions.

        Where the simulators cannot do that (`Lanes.survives`), `run` begins new episodes, and what was played of the
        old ones ends in the buffer without an end.
        """
        for name, collector in self.collectors.items():
            if not collector.lanes.survives:
                self._lost.add(name)
                continue
            prefix = f"{name}/"
            collector.lanes.restore({k[len(prefix) :]: v for k, v in running.items() if k.startswith(prefix)})
        lanes = dict(carry.lanes)
        for name, memory in host["memories"].items():
            lanes[name] = lanes[name]._replace(memory=Objects(from_plain(m) for m in memory))
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
