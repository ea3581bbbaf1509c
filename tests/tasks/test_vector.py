"""Vector environments as lanes: what they refuse, Gymnasium's own CartPole vector, structured spaces."""

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv, VectorEnv

from actlab.core.errors import ActlabError
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.lanes import SingleLanes, VectorLanes, lanes_for
from tests.tasks.environments.revealing import COUNT, KINDS, Revealing, drive, equal, made, play


def test_vectors_refuse_what_they_cannot_do():
    everywhere, seeds, zeros = np.ones(COUNT, bool), np.arange(COUNT), np.zeros(COUNT, np.int64)
    for kind in KINDS[1:]:
        lanes = made(kind)
        assert not lanes.can_wait
        with pytest.raises(ActlabError, match="before the first reset"):
            lanes.step(zeros, everywhere)
        with pytest.raises(ActlabError, match="reset of all lanes first"):
            lanes.reset(seeds, (), np.array([True, False, False]))
        lanes.reset(seeds, (), everywhere)
        with pytest.raises(ActlabError, match="a lane that waits"):
            lanes.step(zeros, np.array([True, False, True]))
        with pytest.raises(ActlabError, match="take no contexts"):
            lanes.reset(seeds, {"goal": np.zeros(COUNT)}, everywhere)
    for kind in ("NextStep", "SameStep"):
        lanes = made(kind)
        lanes.reset(seeds, (), everywhere)
        with pytest.raises(ActlabError, match=r"cannot reset lanes \[1\] now"):
            lanes.reset(seeds, (), np.array([False, True, False]))
    lanes = made("SameStep")
    step = lanes.reset(seeds, (), everywhere)
    while not step.ended.any():
        step = lanes.step(zeros, everywhere)
    with pytest.raises(ActlabError, match="has ended"):
        lanes.step(zeros, everywhere)


def test_a_vector_must_name_its_autoreset_convention():
    class Silent(VectorEnv):
        num_envs, metadata, spec = 1, {}, None

    with pytest.raises(ActlabError, match=r"'Silent' does not say metadata\['autoreset_mode'\]"):
        VectorLanes(Silent())


def test_a_fault_in_a_vector_names_what_and_when():
    class Broken(Revealing):
        def step(self, action):
            seen, reward, *rest = super().step(action)
            return seen, reward if self.time < 2 else np.nan, *rest

    lanes = VectorLanes(SyncVectorEnv([Broken], autoreset_mode="SameStep"), "Broken-v0")
    lanes.reset(np.zeros(1, int), (), np.ones(1, bool))
    lanes.step(np.zeros(1, int), np.ones(1, bool))
    with pytest.raises(ActlabError, match=r"'Broken-v0' returned a wrong reward or flag at step 2 .* finite"):
        lanes.step(np.zeros(1, int), np.ones(1, bool))


# --- Gymnasium's own vectors -------------------------------------------------------------------------


def test_cartpole_vector_entry_point_equals_the_single_environment():
    count = 4
    lanes = lanes_for(HostEnvironment("CartPole-v1", max_episode_steps=15, vector="vector_entry_point"), count)
    assert isinstance(lanes, VectorLanes)
    assert lanes.restarts
    generator = np.random.default_rng(0)
    decisions, starts = play(lanes, 120, lambda tick, step: generator.integers(0, 2, count))
    model = gymnasium.make("CartPole-v1", disable_env_checker=True)
    model.reset(seed=0)
    ends = {"terminated": 0, "truncated": 0}
    for lane in range(count):
        time = 0
        for before, native, after in decisions[lane]:
            time += 1
            model.reset(seed=0)
            model.unwrapped.state = before.observation.astype(np.float64)
            seen, reward, terminated, _, _ = model.step(int(native))
            np.testing.assert_allclose(after.observation, seen, rtol=1e-4, atol=1e-5)
            assert (after.reward, after.elapsed) == (reward, 1)
            assert bool(after.terminated) == terminated
            assert bool(after.truncated) == (time == 15)
            if after.ended:
                ends["terminated" if after.terminated else "truncated"] += 1
                time = 0
        assert all((np.abs(start.observation) <= 0.05).all() and start.first for start in starts[lane])
    assert min(ends.values()) >= 3


def test_cartpole_vector_is_restored_bit_for_bit():
    environment = HostEnvironment("CartPole-v1", vector="vector_entry_point")
    lanes, generator = lanes_for(environment, 3), np.random.default_rng(1)

    def draw(generator):
        return generator.integers(0, 2, 3)

    step, _ = drive(lanes, lanes.reset(np.array([4, 5, 6]), (), np.ones(3, bool)), generator, 90, draw)
    snapshot, rest, other = lanes.snapshot(), generator.bit_generator.state, lanes_for(environment, 3)
    assert equal(other.restore(snapshot), step)
    _, expected = drive(lanes, step, generator, 60, draw)
    generator.bit_generator.state = rest
    _, seen = drive(other, step, generator, 60, draw)
    assert all(equal(a, b) for a, b in zip(expected, seen, strict=True))


def test_sync_vector_and_single_lanes_are_equal_where_lanes_are_reset_by_seed():
    def draw(generator):
        return generator.integers(0, 2, COUNT)

    runs = []
    for vector in (None, "sync"):
        generator = np.random.default_rng(7)
        lanes = lanes_for(HostEnvironment("CartPole-v1", vector=vector), COUNT)
        start = lanes.reset(np.arange(COUNT), (), np.ones(COUNT, bool))
        runs.append([start, *drive(lanes, start, generator, 80, draw)[1]])
    assert all(equal(a, b) for a, b in zip(*runs, strict=True))


def test_structured_spaces_pass_through_a_vector():
    from gymnasium import spaces

    class Structured(gymnasium.Env):
        """Gives back the action it took, field by field."""

        action_space = spaces.Dict(
            {
                "pick": spaces.OneOf([spaces.Discrete(3), spaces.Box(-2.0, 2.0, (2,), np.float64)]),
                "switch": spaces.Tuple([spaces.MultiBinary((2, 2)), spaces.MultiDiscrete([[2, 3], [4, 5]])]),
            }
        )
        observation_space = spaces.Dict({"branch": spaces.Discrete(2), "sum": spaces.Box(-99.0, 99.0, (), np.float64)})

        def reset(self, *, seed=None, options=None):
            return {"branch": 0, "sum": np.float64(0)}, {}

        def step(self, action):
            assert self.action_space.contains(action), action
            branch, value = action["pick"]
            total = float(np.sum(value) + np.sum(action["switch"][0]) + np.sum(action["switch"][1]))
            return {"branch": int(branch), "sum": np.float64(total)}, total, False, False, {}

    pattern = HostEnvironment(Structured)
    keys = jax.random.split(jax.random.key(0), 3)
    native = jax.vmap(pattern.action.sample)(keys)
    vectors = SyncVectorEnv([Structured] * 3, autoreset_mode="SameStep")
    steps = []
    for lanes in (SingleLanes(pattern, 3), VectorLanes(vectors, "Structured")):
        lanes.reset(np.arange(3), (), np.ones(3, bool))
        steps.append(lanes.step(native, np.ones(3, bool)))
        again = (SingleLanes(pattern, 3) if lanes.can_wait else lanes).restore(lanes.snapshot())
        assert equal(again, steps[-1])
    assert equal(*steps)
    assert steps[0].observation["branch"].tolist() == np.asarray(native["pick"].index).tolist()
    assert steps[0].reward.dtype == np.float32
