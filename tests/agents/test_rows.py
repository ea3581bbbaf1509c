"""What agents that replay keep count of: every decision of their own once, the warm-up's too, and no batch."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.agents.bc import BC
from actlab.agents.branching_dqn import BranchingDQN
from actlab.agents.dqn import DQN
from actlab.agents.rows import decisions, gather, mixed, returns_of
from actlab.agents.sac import SAC
from actlab.agents.td3 import TD3
from actlab.agents.td3_bc import TD3BC
from actlab.core.spaces import Box, Discrete, MultiDiscrete
from actlab.nets import moments
from actlab.nets.encoder import Encoder
from actlab.nets.moments import Returns
from actlab.tasks.catalogue import task
from actlab.training.graph import GraphDriver
from actlab.training.host import HostDriver
from tests.agents.helpers import batch_of, begin, expert_rows, quick, spec_of

BOX = Box(-1.0, 1.0, (1,))
BOTH = {"normalise_observations": True, "normalise_rewards": True, "environments": 4, "width": 16}
REPLAYING = [
    (SAC(**BOTH), BOX),
    (TD3(**BOTH), BOX),
    (DQN(**BOTH), Discrete(2)),
    (BranchingDQN(**BOTH), MultiDiscrete((2, 2))),
]
DATA = [(BC(width=16, normalise_observations=True), BOX), (TD3BC(width=16), BOX)]


def name(part) -> str:
    return type(part).__name__


def encoders_of(state) -> list[Encoder]:
    """Every encoder among the weights of a state."""
    weights = replace(state, moments=())  # those of the optimiser mirror the weights
    found = jax.tree.leaves(weights, is_leaf=lambda part: isinstance(part, Encoder))
    return [part for part in found if isinstance(part, Encoder)]


def shown(space, size: int, key):
    """Decisions `[size, 1]` with observations far from 0 and large rewards."""
    seen = np.random.default_rng(0).normal([3.0, -2.0], [0.5, 4.0], (size, 2)).astype(np.float32)
    codes = quick(jax.vmap(space.sample))(jax.random.split(key, size))
    return seen, batch_of(codes, 50.0 * np.arange(size) / size, seen=seen, valid=np.arange(size) != 0)


@pytest.mark.parametrize(("agent", "space"), [*REPLAYING, *DATA], ids=name)
def test_all_encoders_count_what_the_source_is_shown(agent, space, key):
    (source,) = agent.experience(spec_of(space)).values()
    (label,) = agent.experience(spec_of(space))
    seen, rows = shown(space, 4, key)
    state = quick(source.observe)(begin(agent, space, key), rows)
    assert len(encoders_of(state)) == (1 if isinstance(agent, BC) else 2)
    for encoder in encoders_of(state):
        np.testing.assert_allclose(encoder.moments.mean, seen[1:].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(encoder.moments.variance, seen[1:].var(axis=0), rtol=1e-4)
    if label == "replay":
        assert float(state.returns.moments.count) == 3.0
        np.testing.assert_allclose(state.returns.moments.mean, 50.0 * np.mean([1, 2, 3]) / 4)


@pytest.mark.parametrize(("agent", "space"), [*REPLAYING, *DATA], ids=name)
def test_without_the_options_nothing_is_observed(agent, space, key):
    options = {option: False for option in BOTH if option.startswith("normalise") and option in vars(agent)}
    plain = replace(agent, **options)
    (source,) = plain.experience(spec_of(space)).values()
    state = jax.eval_shape(lambda key: plain.init(spec_of(space), key), key)
    assert source.observe is None
    assert [encoder.moments for encoder in encoders_of(state)] == [None] * len(encoders_of(state))
    assert getattr(state, "returns", None) is None


def test_rewards_of_a_batch_are_scaled_by_what_was_counted(key):
    held = Returns(jnp.zeros((1,)), moments.begin(1).update(jnp.asarray([[0.0], [8.0]]), jnp.ones((2,), bool)))
    batch = batch_of(jnp.zeros((2,), jnp.int32), [2.0, -100.0])
    rows, weights = decisions(batch, held)
    np.testing.assert_allclose(rows.next.reward, [0.5, -10.0], rtol=1e-6)  # a deviation of 4; the limit
    np.testing.assert_array_equal(weights, [0.5, 0.5])
    np.testing.assert_array_equal(decisions(batch)[0].next.reward, [2.0, -100.0])


@pytest.mark.parametrize("where", ["probe/credit", "gymnasium/CartPole-v1"])
def test_in_training_every_decision_counts_once_and_batches_move_nothing(where, key):
    agent = DQN(
        **(BOTH | {"width": 8, "layers": 1, "environments": 2}), decisions=4, updates=3, warmup=16, batch_size=8
    )
    made = task(where)
    driver = (GraphDriver if made.environment.compiled else HostDriver)(made, agent)
    carry = driver.start(agent, key, {}, None, 64)
    assert float(carry.learner.network.encoder.moments.count) == 0.0
    for ticks, uniform, count in ((2, True, 16), (2, False, 32)):
        carry, _, _ = driver.run(agent, carry, ticks, uniform)
        held = carry.buffers["replay"].rows.step.observation[:, : count // 2]
        held = held.reshape(-1, held.shape[-1])
        for encoder in encoders_of(carry.learner):
            assert float(encoder.moments.count) == count
            np.testing.assert_allclose(encoder.moments.mean, held.mean(axis=0), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(encoder.moments.variance, held.var(axis=0), rtol=1e-3, atol=1e-6)
        assert float(carry.learner.returns.moments.count) == count
    assert int(carry.learner.updates) == 6


def test_a_data_set_is_shown_as_a_whole_before_the_first_update(key):
    rows = expert_rows("policy-box", 40, key)
    driver = GraphDriver(task("probe/policy-box"), TD3BC(width=8, layers=1, batch_size=8))
    carry = driver.start(TD3BC(width=8, layers=1, batch_size=8), key, {"data": rows}, None, 1)
    for encoder in encoders_of(carry.learner):
        np.testing.assert_allclose(encoder.moments.mean, rows.step.observation[0].mean(axis=0), rtol=1e-5)
        assert float(encoder.moments.count) == 40.0


def test_rewards_go_on_being_scaled_as_where_the_weights_come_from(key):
    agent, space = REPLAYING[2]
    start = quick(agent.experience(spec_of(space))["replay"].observe)(begin(agent, space, key), shown(space, 4, key)[1])
    again = quick(lambda start: agent.init(spec_of(space), key, start))(start)
    assert float(again.returns.moments.count) == 3.0
    assert not again.returns.running.any()
    assert float(returns_of(agent, replace(start, returns=None)).moments.count) == 0.0


def test_batches_mix_recorded_and_own_decisions_in_stated_shares():
    agent = SAC(batch_size=10, recorded_rows=4, prefill="all")
    sources = mixed(agent, lambda state: ())
    assert (sources["data"].batch_size, sources["replay"].batch_size, sources["replay"].prefill) == (4, 6, "all")
    assert set(mixed(SAC(batch_size=10), lambda state: ())) == {"replay"}
    assert set(mixed(SAC(batch_size=10, recorded_rows=10), lambda state: ())) == {"data"}
    data = batch_of(jnp.zeros((2, 1)), [1.0, 2.0], valid=[True, False])._replace(extras=jnp.zeros((2, 1)))
    own = batch_of(jnp.ones((3, 1)), [3.0, 4.0, 5.0])
    rows, weights, recorded = gather({"data": data, "replay": own})
    np.testing.assert_array_equal(rows.next.reward, [1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(rows.code[:, 0], [0.0, 0.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(weights, [0.25, 0.0, 0.25, 0.25, 0.25])
    np.testing.assert_array_equal(recorded, [True, True, False, False, False])
