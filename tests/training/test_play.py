"""The loop plays the code: discounting by native steps, chunks cut by ends, sets counted and not enforced."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.chunk import Chunk
from actlab.agents.simple import Random
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.sets import Mask
from actlab.core.sources import Rollout
from actlab.core.spaces import Box, Discrete
from actlab.core.steps import first_step, next_step
from actlab.tasks.make import make_task
from actlab.training.collect import begin_lanes, check_rollout, roll_out
from actlab.training.graph import raise_for


@dataclass(frozen=True)
class Counter:
    """The observation is the time; the reward too; it ends (terminated or truncated) after `horizon` steps."""

    horizon: int = 5
    truncates: bool = False
    observation: Box = field(default=Box(0.0, 100.0, (1,)))
    action: Discrete = field(default=Discrete(3))
    legal: tuple[bool, bool, bool] = (True, True, True)
    compiled = True

    def reset(self, key, context):
        return jnp.zeros(()), first_step(jnp.zeros((1,)), self.allowed)

    @property
    def allowed(self):
        return None if all(self.legal) else Mask(jnp.asarray(self.legal))

    def step(self, key, state, native):
        time = state + 1.0
        end = time >= self.horizon
        no = jnp.zeros((), bool)
        flags = (no, end) if self.truncates else (end, no)
        return time, next_step(time[None], time, *flags, allowed=self.allowed)


def collected(task: Task, source: Rollout, *, uniform: bool = True, key: int = 0):
    agent = Random()
    state = agent.init(task.spec, jax.random.key(1))
    lanes = begin_lanes(task, agent, source, state, jax.random.key(2))
    flag = jnp.asarray(True) if uniform else None
    return roll_out(task, agent, source, state, lanes, jax.random.key(key), uniform=flag)


@pytest.mark.parametrize("truncates", [False, True])
def test_rows_keep_the_true_successor_and_restart_behind_it(truncates):
    task = make_task(Counter(truncates=truncates), "counter")
    batch, _, tally = collected(task, Rollout(decisions=12, environments=2))
    times = np.asarray(batch.step.observation[0, :, 0])
    np.testing.assert_array_equal(times, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
    np.testing.assert_array_equal(batch.next.observation[0, :, 0], times + 1)
    np.testing.assert_array_equal(batch.step.first[0], times == 0)
    np.testing.assert_array_equal(batch.next.ended[0], times == 4)
    assert bool(batch.next.truncated.any()) == truncates
    assert bool(batch.next.terminated.any()) != truncates
    assert (int(tally.native_steps), int(tally.episodes), int(tally.lengths)) == (24, 4, 20)
    assert float(tally.returns) == 4 * 15


def test_a_chunk_is_discounted_by_native_steps_and_cut_by_the_end():
    task = make_task(Counter(), "counter", discount=0.5).with_code(Chunk(length=3))
    batch, _, tally = collected(task, Rollout(decisions=3))
    np.testing.assert_array_equal(batch.next.elapsed[0], [3, 2, 3])
    np.testing.assert_allclose(batch.next.reward[0], [1 + 2 / 2 + 3 / 4, 4 + 5 / 2, 1 + 2 / 2 + 3 / 4])
    np.testing.assert_array_equal(batch.next.terminated[0], [False, True, False])
    assert batch.native.shape == (1, 3, 3)
    np.testing.assert_array_equal(batch.native[0, 0], batch.code[0, 0])
    assert int(tally.native_steps) == 8
    assert float(tally.returns) == 15


def test_whole_episodes_start_afresh_and_pad_behind_their_end():
    task = make_task(Counter(), "counter")
    batch, _, tally = collected(task, Rollout(episodes=2, environments=3))
    assert batch.valid.shape == (3, 10)
    assert batch.valid.all()
    short = make_task(Counter(horizon=5), "counter").with_code(Chunk(length=4))
    batch, _, tally = collected(short, Rollout(episodes=1))
    np.testing.assert_array_equal(batch.next.elapsed[0], [4, 1])
    assert int(tally.episodes) == 1


def test_violations_are_counted_and_never_repaired():
    class Stubborn(Random):
        def act(self, state, memory, step, key, *, explore):
            return jnp.asarray(2, jnp.int32), memory, ()

    task = make_task(Counter(legal=(True, True, False)), "counter")
    agent = Stubborn()
    state = agent.init(task.spec, jax.random.key(0))
    source = Rollout(decisions=4)
    lanes = begin_lanes(task, agent, source, state, jax.random.key(2))
    batch, _, tally = roll_out(task, agent, source, state, lanes, jax.random.key(0))
    assert int(tally.violations) == 4
    np.testing.assert_array_equal(batch.native, 2)
    batch, _, tally = collected(task, Rollout(decisions=64))
    assert int(tally.violations) == 0
    assert set(np.asarray(batch.native).ravel()) == {0, 1}


def test_nothing_legal_is_a_checked_error():
    task = make_task(Counter(legal=(False, False, False)), "counter")
    _, _, tally = collected(task, Rollout(decisions=3))
    with pytest.raises(ActlabError, match=r"counter no action at all was legal in 3 decision"):
        raise_for(task, tally)


def test_a_group_shares_its_context_and_refused_groups_are_rolled_out_again():
    task = make_task(Counter(horizon=1), "counter", contexts=lambda key: jax.random.randint(key, (), 0, 1_000_000))
    batch, _, _ = collected(task, Rollout(episodes=1, environments=6, group=3))
    context = np.asarray(batch.context)[:, 0].reshape(2, 3)
    assert (context == context[:, :1]).all()
    assert context[0, 0] != context[1, 0]

    def mixed(group):
        return jnp.any(group.code == 0) & jnp.any(group.code == 2)

    source = Rollout(episodes=1, environments=30, group=3, accept=mixed, attempts=50)
    batch, _, tally = collected(task, source)
    codes = np.asarray(batch.code)[:, 0].reshape(10, 3)
    assert all({0, 2} <= set(row) for row in codes)
    assert batch.valid.all()
    assert int(tally.native_steps) > 30
    never = Rollout(episodes=1, environments=3, group=3, accept=lambda group: jnp.zeros((), bool), attempts=2)
    batch, _, _ = collected(task, never)
    assert not batch.valid.any()


def test_a_source_that_contradicts_itself_is_refused():
    for source in (Rollout(), Rollout(decisions=1, episodes=1), Rollout(decisions=1, environments=3, group=2)):
        with pytest.raises(ActlabError, match="'r'"):
            check_rollout(source, "r")
