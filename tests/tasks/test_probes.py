"""Every probe's best and random score by brute force, its temptation, and the games' rules."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.chunk import Chunk
from actlab.core import sets
from actlab.core.keys import fold
from actlab.core.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from actlab.core.steps import next_step
from actlab.tasks.games import TEMPTATION, honest_score, matching, nearness, sequence
from actlab.tasks.probes import PROBES

GRID = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)  # holds every target


def enumerate_actions(space, grid):
    """All actions `[A, ...]` with coordinates on the grid."""
    vectors = itertools.product(grid, repeat=space.dims)
    pairs = list(itertools.product(range(space.outcomes), vectors))
    outcomes = jnp.asarray([pair[0] for pair in pairs], jnp.int32)
    return jax.vmap(space.join)(outcomes, jnp.asarray([pair[1] for pair in pairs], jnp.float32).reshape(len(pairs), -1))


def play_all(probe):
    """Rewards `[E, W, T]` and legality of every word of actions in 24 episodes."""
    game = probe.game
    grid = GRID if game.horizon == 1 else (-0.5, 0.0, 0.5)
    actions = enumerate_actions(game.action, grid)
    count = jax.tree.leaves(actions)[0].shape[0]
    words = jnp.asarray(list(itertools.product(range(count), repeat=game.horizon)), jnp.int32)

    def play(key, word):
        state, step = game.reset(fold(key, "reset"), ())

        def advance(carry, index):
            state, step = carry
            native = jax.tree.map(lambda leaf: leaf[index], actions)
            legal = sets.contains(step.allowed, native)
            state, step = game.step(fold(key, "step"), state, native)
            return (state, step), (step.reward, legal, step.terminated, step.truncated)

        return jax.lax.scan(advance, (state, step), word)[1]

    keys = jax.random.split(jax.random.key(1), 24)
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(jax.vmap(play, (None, 0)), (0, None)))(keys, words))


@pytest.mark.parametrize("name", PROBES)
def test_the_best_score_is_the_best_of_all_legal_play(name):
    probe = PROBES[name]
    rewards, legal, terminated, truncated = play_all(probe)
    returns = np.where(legal.all(-1), rewards.sum(-1), -np.inf)
    best = returns.max(1)
    # Every episode's best is the same number, so one lucky cue cannot hide an unlucky one.
    np.testing.assert_allclose(best, probe.best, atol=1e-6)
    if name != "probe/value":
        assert probe.random < probe.solved < probe.best
        # A policy that is blind to the observation does not solve it. (Where there is nothing to see but the
        # set, or one cue, the best blind word is the best word.)
        blind = returns.mean(0).max()
        assert blind < probe.solved or name in ("probe/discount", "probe/mask-next")
    if probe.value is not None:
        discounted = (rewards * 0.99 ** np.arange(probe.game.horizon)).sum(-1)
        np.testing.assert_allclose(np.where(legal.all(-1), discounted, -np.inf).max(1), probe.value, rtol=1e-6)
    # It terminates at its horizon, and only there; a forbidden action tempts, an allowed one does not.
    assert terminated[..., -1].all()
    assert not terminated[..., :-1].any()
    assert not truncated.any()
    assert (rewards[~legal] == TEMPTATION).all()
    assert (rewards[legal] <= 1.0).all()
    assert legal.all() == (not name.startswith(("probe/mask", "probe/interval", "probe/dependence")))


QUICK = {"mask-nested", "mask-next", "interval", "chunk-box", "policy-dict"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name[6:] in QUICK else pytest.mark.slow) for name in PROBES]
)
def test_random_scores_and_spaces(name):
    probe = PROBES[name]
    game = probe.game

    def play(key):
        state, step = game.reset(fold(key, "reset"), ())

        def advance(carry, time):
            state, step = carry
            native = sets.sample(step.allowed, game.action, fold(key, "act", time))
            inside = game.action.contains(native) & game.observation.contains(step.observation)
            state, step = game.step(fold(key, "step", time), state, native)
            return (state, step), (step.reward, inside)

        return jax.lax.scan(advance, (state, step), jnp.arange(game.horizon))[1]

    rewards, inside = jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(0), 4000))
    returns = np.asarray(rewards).sum(1)
    assert abs(returns.mean() - probe.random) < 4 * returns.std() / 4000**0.5 + 0.005
    assert inside.all()


def test_every_kind_of_space_has_a_policy_probe_and_a_mask_or_interval():
    def kind(name):
        return type(PROBES[name].game.action).__name__

    names = [name for name in PROBES if name.startswith("probe/policy-")]
    kinds = {"Box", "Discrete", "MultiDiscrete", "MultiBinary", "Tuple", "Dict", "OneOf"}
    assert {kind(name) for name in names} == kinds
    masked = [name for name in PROBES if name.startswith(("probe/mask-", "probe/interval"))]
    assert {kind(name) for name in masked} == kinds


def test_a_task_is_made_of_a_probe():
    probe = PROBES["probe/mask-discrete"]
    task = probe.factory()
    assert task.spec.name == "probe/mask-discrete"
    assert task.spec.reference == {"random": 0.5, "expert": 1.0}
    assert task.spec.horizon == task.environment.horizon == 1
    assert task.score is honest_score


def test_the_score_counts_a_forbidden_action_as_minus_one():
    rewards = jnp.asarray([0.5, TEMPTATION, 0.25, TEMPTATION])
    after = next_step(jnp.zeros((4, 1)), rewards, jnp.zeros((4,), bool))._replace(elapsed=jnp.ones((4,), jnp.int32))
    episode = SimpleNamespace(next=after, valid=jnp.asarray([True, True, True, False]))
    score = honest_score(episode)
    assert {name: float(value) for name, value in score.items()} == {"return": -0.25, "length": 3.0, "forbidden": 1.0}


def test_nearness_counts_the_share_that_is_right():
    assert float(nearness(MultiDiscrete((3, 3)), jnp.asarray([0, 1]), jnp.asarray([0, 2]))) == 0.5
    assert float(nearness(MultiBinary(4), jnp.asarray([0, 1, 1, 1]), jnp.asarray([0, 1, 1, 0]))) == 0.75
    box = Box(-2.0, 2.0, (2,))
    assert float(nearness(box, jnp.asarray([2.0, 0.0]), jnp.asarray([0.0, 0.0]))) == 0.5
    assert float(nearness(box, jnp.asarray([2.0, 2.0]), jnp.asarray([-2.0, -2.0]))) == -1.0
    branches = PROBES["probe/policy-one-of"].game.action
    # outcomes: three categories of the first branch, then the two real branches
    right, wrong = (branches.join(jnp.asarray(outcome, jnp.int32), jnp.asarray([0.5, 0.5])) for outcome in (3, 4))
    assert float(nearness(branches, right, right)) == 1.0
    assert float(nearness(branches, wrong, right)) == 0.0


def test_an_early_mistake_spoils_a_sequence(key):
    game = sequence(Discrete(2), [[np.int32(1)] * 4])
    state, _ = game.reset(key, ())
    rewards = []
    for action in (1, 0, 1, 1):
        state, step = game.step(key, state, jnp.asarray(action, jnp.int32))
        rewards.append(float(step.reward))
    assert rewards == [0.25, 0.0, 0.0, 0.0]


def test_the_memory_probe_hides_its_cue_after_the_first_step(key):
    game = PROBES["probe/memory"].game
    seen = []
    for seed in range(8):
        state, step = game.reset(jax.random.key(seed), ())
        first = step.observation
        for _ in range(3):
            state, step = game.step(key, state, jnp.asarray(0, jnp.int32))
            seen.append(np.asarray(step.observation)[:2])
        assert float(first[:2].sum()) == 1.0
    assert not np.any(seen)


def test_all_sets_of_a_game_have_one_structure(key):
    for probe in PROBES.values():

        def two(key, game=probe.game):
            state, first = game.reset(key, ())
            return first, game.step(key, state, sets.sample(first.allowed, game.action, key))[1]

        first, second = (jax.tree.map(lambda x: (x.shape, x.dtype), step) for step in jax.eval_shape(two, key))
        assert first == second, probe.name


def test_a_key_decides_an_episode(key):
    game = matching(Discrete(5), [np.int32(i) for i in range(5)])
    cues = [int(game.reset(jax.random.key(seed), ())[0].hidden) for seed in range(40)]
    assert cues == [int(game.reset(jax.random.key(seed), ())[0].hidden) for seed in range(40)]
    assert set(cues) == set(range(5))


@pytest.mark.parametrize("name", ["probe/chunk-discrete", "probe/chunk-box"])
def test_a_chunk_of_four_solves_the_sequence_probes(name):
    game = PROBES[name].game
    made = PROBES[name].factory().with_code(Chunk(length=4))
    words = enumerate_actions(made.spec.code, (-0.5, 0.5))

    def total(key, code):
        state, step = game.reset(key, ())
        reward = 0.0
        for i in range(4):
            state, step = game.step(key, state, made.spec.codec.decode(code, step, jnp.asarray(i), None))
            reward += step.reward
        return reward, step.terminated

    rewards, ended = jax.jit(jax.vmap(total, (None, 0)))(jax.random.key(0), words)
    assert ended.all()
    assert np.sort(rewards)[-2] < PROBES[name].solved < float(rewards.max()) == 1.0
