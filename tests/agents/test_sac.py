"""SAC against losses, gradients and densities worked out by hand, under sets, and on bandits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy import stats

from actlab.actions.identity import Identity
from actlab.agents.enumeration import situation
from actlab.agents.sac import SAC, State, Values, decide, policy_losses, soft_values
from actlab.core import sets
from actlab.core.contracts import Learner, Policy, TaskSpec
from actlab.core.errors import SpaceError
from actlab.core.sets import Automaton, Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import Batch, TimeStep, first_step
from actlab.nets import encoder as encoders

SMALL = SAC(width=16, layers=1, learning_rate=1e-2)


def quick(function):
    """Compiled in a hurry rather than well: these programs run once."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=options)


LEARN = quick(lambda agent, state, batch, key: agent.learn(state, batch, key))
HYBRID = OneOf([Box(0.0, 4.0, (1,)), Discrete(2), Tuple([Discrete(2), Box(-1.0, 1.0, (2,))])])
HYBRID_SET = Choice(
    None,
    (
        Interval(jnp.array([1.0]), jnp.array([2.0])),
        Mask(jnp.array([False, True])),
        (None, Interval(jnp.array([0.0, 0.5]), jnp.array([1.0, 0.5]))),
    ),
)
"""Outcomes: branch 0; branch 1 with 0 (illegal) or 1; branch 2 with 0 or 1. Coordinate 2 is fixed to 0.5."""


class FixedActor(eqx.Module):
    """The same probabilities everywhere."""

    logits: jax.Array

    def __call__(self, here):
        return jax.nn.log_softmax(self.logits), None


class FixedCritics(eqx.Module):
    """The same values `[E, N]` everywhere."""

    values: jax.Array

    def __call__(self, features, coordinates):
        return self.values


def spec_of(space, discount=0.9):
    return TaskSpec("test", Box(-1.0, 1.0, (2,)), Identity().fit(space), horizon=10, discount=discount)


def batch_of(codes, reward, elapsed=1, terminated=False, allowed=None, valid=True):
    """Decisions `[B, 1]`; `allowed` is the set before and after."""
    reward = jnp.asarray(reward, jnp.float32)[:, None]
    no = jnp.zeros(reward.shape, bool)
    inside = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*reward.shape, *leaf.shape)), allowed)
    codes = jax.tree.map(lambda leaf: leaf[:, None], codes)
    seen = jnp.ones((*reward.shape, 2))
    here = TimeStep(seen, inside, 0.0 * reward, jnp.zeros(reward.shape, jnp.int32), no, no, no)
    there = here._replace(reward=reward, elapsed=jnp.full(reward.shape, elapsed), terminated=no | terminated)
    return {"replay": Batch(here, codes, codes, there, valid=~no & jnp.asarray(valid).reshape(-1, 1))}


def begin(agent, space, key):
    return quick(lambda key: agent.init(spec_of(space), key))(key)


@pytest.fixture(scope="module")
def hybrid():
    """A state over HYBRID, and one situation under HYBRID_SET."""
    state = begin(SMALL, HYBRID, jax.random.key(0))
    return state, quick(lambda state: told(state, first_step(jnp.ones(2), HYBRID_SET)))(state)


def told(state, step):
    """What the state's networks are told of a step."""
    return situation(state.codec, state.values.encoder, step)


def fixed(logits, values, targets):
    """A state whose networks are tables; both temperatures are 0.5."""
    spec, adam = spec_of(Discrete(3)), SAC()._optimiser
    actor, critics, log_temperatures = FixedActor(logits), FixedCritics(values), jnp.log(jnp.array([0.5, 0.5]))
    encoder = encoders.build(spec.observation, key=jax.random.key(0))
    held = Values(encoder, critics)
    return State(
        actor=actor,
        values=held,
        targets=Values(encoder, FixedCritics(targets)),
        log_temperatures=log_temperatures,
        moments=(adam.init(eqx.filter(held, eqx.is_array)), adam.init(actor), adam.init(log_temperatures)),
        codec=spec.codec,
        discount=jnp.asarray(spec.discount, jnp.float32),
    )


LOGITS = jnp.array([0.0, 1.0, -1.0])
VALUES = jnp.array([[1.0, 2.0, 3.0], [2.0, 1.0, 4.0]])
TARGETS = jnp.array([[0.5, 3.0, -1.0], [1.5, 2.0, 0.0]])


@pytest.mark.parametrize(("options", "bootstrap"), [({}, 0.9), ({"elapsed": 3}, 0.9**3), ({"terminated": True}, 0.0)])
def test_critic_target_by_hand(options, bootstrap, key):
    state = fixed(LOGITS, VALUES, TARGETS)
    after, metrics = LEARN(SAC(), state, batch_of(jnp.array([2, 0]), [0.7, 99.0], valid=[True, False], **options), key)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum()
    soft_value = np.sum(p * (np.min(TARGETS, axis=0) - 0.5 * np.log(p)))
    target = 0.7 + bootstrap * soft_value
    np.testing.assert_allclose(metrics["critic_loss"], 0.5 * ((3 - target) ** 2 + (4 - target) ** 2), rtol=1e-5)
    np.testing.assert_array_equal(after.values.critics.values[:, :2], VALUES[:, :2])  # only outcome 2 was taken
    moved = 0.995 * TARGETS + 0.005 * after.values.critics.values
    np.testing.assert_allclose(after.targets.critics.values, moved, rtol=1e-5)


def test_discrete_gradient_is_the_enumerated_one(key):
    here = jax.tree.map(lambda x: x[None], told(fixed(LOGITS, VALUES, TARGETS), first_step(jnp.ones(2))))

    def loss(logits):
        actor, critics = FixedActor(logits), FixedCritics(VALUES)
        relevant, alphas = jnp.zeros((3, 0)), jnp.array([0.5, 9.0])
        return policy_losses(actor, critics, here, here.features, relevant, alphas, key[None])[0][0]

    p = np.exp(LOGITS) / np.exp(LOGITS).sum()
    regret = 0.5 * np.log(p) - np.min(VALUES, axis=0)
    np.testing.assert_allclose(loss(LOGITS), np.sum(p * regret), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(loss)(LOGITS), p * (regret - np.sum(p * regret)), rtol=1e-4)


def test_hybrid_log_probabilities(hybrid, key):
    """log p(code) = log p_n + what counts under n, against the density of the change of variables."""
    state, here = hybrid
    np.testing.assert_array_equal(here.legal, [True, False, True, True, True])
    np.testing.assert_allclose(here.low, [1.0, 0.0, 0.5])
    np.testing.assert_allclose(here.high, [2.0, 1.0, 0.5])
    draw = quick(decide)(state.actor, here, jnp.asarray(HYBRID.relevant, jnp.float32), key)
    _, box = quick(lambda actor, here: actor(here))(state.actor, here)
    unit = (draw.coordinates[:2] - here.low[:2]) / (0.5 * (here.high - here.low)[:2]) - 1.0
    normal = stats.norm.logpdf(jnp.arctanh(unit), box.mean[:2], jnp.exp(box.log_std[:2]))
    first, second = normal - jnp.log(1.0 - unit**2)
    assert draw.coordinates[2] == 0.5  # fixed by the set: no density
    np.testing.assert_allclose(draw.log_densities, [first, 0.0, 0.0, second, second], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(jnp.sum(draw.probs), 1.0, rtol=1e-6)
    assert draw.probs[1] == 0.0
    cost = draw.cost(jnp.array([2.0, 3.0]))
    np.testing.assert_allclose(cost[3], 2.0 * draw.log_probs[3] + 3.0 * second, rtol=1e-3)
    discrete, continuous = draw.entropies()
    p = draw.probs
    np.testing.assert_allclose(discrete, -sum(x * np.log(x) for x in p if x > 0), rtol=1e-5)
    np.testing.assert_allclose(continuous, -(p[0] * first + (p[3] + p[4]) * second), rtol=1e-3)


def test_target_entropies_count_what_is_legal_free_and_relevant(hybrid, key):
    agent, (state, here) = SAC(discrete_entropy=0.5, continuous_entropy=-2.0), hybrid
    relevant = jnp.asarray(HYBRID.relevant, jnp.float32)
    draw = quick(decide)(state.actor, here, relevant, key)
    discrete, continuous = agent._target_entropies(here, draw, relevant)
    np.testing.assert_allclose(discrete, 0.5 * np.log(4), rtol=1e-6)
    np.testing.assert_allclose(continuous, -2.0 * (draw.probs[0] + draw.probs[3] + draw.probs[4]), rtol=1e-6)


def test_illegal_outcomes_never_count(hybrid, key):
    """However high its value, an illegal outcome moves neither values nor losses, and is never chosen."""
    state, here = hybrid
    here = jax.tree.map(lambda x: x[None], here)
    relevant, alphas = jnp.asarray(HYBRID.relevant, jnp.float32), jnp.ones(2)
    plain, tempting = (FixedCritics(jnp.zeros((2, 5)).at[:, 1].set(value)) for value in (0.0, 1e6))
    for function in (soft_values, lambda *inputs: policy_losses(*inputs)[0]):
        function = quick(function)
        np.testing.assert_array_equal(
            function(state.actor, plain, here, here.features, relevant, alphas, key[None]),
            function(state.actor, tempting, here, here.features, relevant, alphas, key[None]),
        )
    act = quick(jax.vmap(lambda key: SMALL.act(state, (), first_step(jnp.ones(2), HYBRID_SET), key, explore=True)[0]))
    codes = act(jax.random.split(key, 500))
    assert jnp.all(quick(jax.vmap(lambda code: sets.contains(HYBRID_SET, code) & HYBRID.contains(code)))(codes))
    assert len(np.unique(codes.index)) == 3


SPACES = [
    (Box(-1.0, 3.0, (2,)), Interval(jnp.array([0.0, -1.0]), jnp.array([0.5, 3.0])), True),
    (Discrete(3), Mask(jnp.array([True, False, True])), False),
    (MultiDiscrete((2, 3)), Mask(jnp.array([[True, True, False], [False, True, True]])), False),
    (MultiDiscrete((2, 2)), Automaton(jnp.array([[1, 1], [2, -1], [-1, -1]]), jnp.asarray(0)), False),
    (MultiBinary(3), None, False),
    (Tuple([Discrete(2), Box(0.0, 1.0, (1,))]), (Mask(jnp.array([False, True])), None), True),
    (Dict({"a": Box(0.0, 1.0, ()), "b": Discrete(3)}), None, True),
    (HYBRID, HYBRID_SET, True),
]


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize(("space", "allowed", "continuous"), SPACES, ids=lambda part: type(part).__name__)
def test_every_space(space, allowed, continuous, key):
    spec = spec_of(space)
    state = jax.eval_shape(lambda key: SMALL.init(spec, key), key)
    step = first_step(jnp.ones(2), allowed)
    for explore in (True, False):
        code, _, _ = jax.eval_shape(lambda s, k, e=explore: SMALL.act(s, (), step, k, explore=e), state, key)
        assert shapes(code) == shapes(space.zeros())
    codes = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), space.zeros())
    after, metrics = jax.eval_shape(SMALL.learn, state, batch_of(codes, [0.0, 1.0], allowed=allowed), key)
    assert shapes(after) == shapes(state)
    assert ("continuous_temperature" in metrics) == continuous
    assert ("discrete_temperature" in metrics) == (space.outcomes > 1)
    assert all(metric.shape == () for metric in metrics.values())


def test_every_weight_and_both_temperatures_learn(hybrid, key):
    state, _ = hybrid
    codes = quick(jax.vmap(HYBRID.sample))(jax.random.split(key, 32))
    after, metrics = LEARN(SMALL, state, batch_of(codes, jnp.linspace(-1.0, 1.0, 32), allowed=HYBRID_SET), key)
    changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state, after)
    assert all(jax.tree.leaves((changed.actor, changed.values, changed.targets, changed.log_temperatures)))
    moved = after.log_temperatures - state.log_temperatures
    assert jnp.all(moved != 0.0)
    assert all(jnp.isfinite(value) for value in metrics.values())
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(after))


def test_temperatures_move_towards_their_targets_and_rest_without_a_part(key):
    batch = batch_of(jnp.array([2, 0]), [0.0, 0.0])
    state = fixed(LOGITS, VALUES, TARGETS)
    for fraction, direction in ((0.98, 1.0), (0.1, -1.0)):  # the entropy of LOGITS is 0.76 log 3
        after, _ = LEARN(SAC(discrete_entropy=fraction), state, batch, key)
        moved = after.log_temperatures - state.log_temperatures
        np.testing.assert_allclose(moved, [direction * 3e-4, 0.0], rtol=1e-3, atol=1e-9)


def test_units_of_the_action_do_not_matter(key):
    """The same decisions in a Box of another size and place: the same losses and weights."""
    unit = jnp.array([[-0.5, 0.25], [0.75, 0.0]])
    results = []
    for low, high in ((-1.0, 1.0), (10.0, 50.0)):
        state = begin(SMALL, Box(low, high, (2,)), key)
        codes = low + 0.5 * (high - low) * (unit + 1.0)
        after, metrics = LEARN(SMALL, state, batch_of(codes, [1.0, -1.0]), key)
        results.append((metrics, jax.tree.leaves((after.actor, after.log_temperatures))))
    for one, other in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)


def test_work_of_one_update(key):
    """No recomputation: sixteen evaluations of a network of 2x256 in all, at 256 decisions."""
    spec = TaskSpec("test", Box(-1.0, 1.0, (17,)), Identity().fit(Box(-1.0, 1.0, (6,))), horizon=10)
    state = jax.eval_shape(lambda key: SAC().init(spec, key), key)
    batch = batch_of(jnp.zeros((256, 6)), jnp.zeros(256))
    seen = jnp.zeros((256, 1, 17))
    rows = batch["replay"]
    rows = rows._replace(step=rows.step._replace(observation=seen), next=rows.next._replace(observation=seen))
    lowered = jax.jit(SAC().learn).lower(state, {"replay": rows}, key)
    assert lowered.cost_analysis()["flops"] < 620e6


def test_codes_that_do_not_fit_are_refused_in_words(key):
    with pytest.raises(SpaceError, match=r"4,096.*117,649"):
        SAC().init(spec_of(MultiDiscrete((7,) * 6)), key)
    with pytest.raises(SpaceError, match="normalise"):
        SAC().init(spec_of(Box(-jnp.inf, jnp.inf, (2,))), key)
    with pytest.raises(SpaceError, match="integers"):
        SAC().init(spec_of(Box(0, 9, (2,), "int32")), key)


def test_contracts_and_sources():
    assert isinstance(SAC(), Learner)
    assert isinstance(SAC(), Policy)
    source = SAC(environments=4, updates=2).experience(spec_of(Discrete(2)))["replay"]
    assert (source.updates, source.warmup, source.batch_size, source.capacity) == (2, 1000, 256, 1_000_000)
    assert (source.collect.decisions, source.collect.environments) == (1, 4)


def reward_of_box(code):
    return -4.0 * jnp.square(code[0] - 0.5)


def reward_of_category(code):
    return jnp.array([0.0, 1.0, 0.2, 0.5])[code]


def reward_of_branch(code: Choice):
    return jnp.where(code.index == 0, 0.3, 1.0 - 4.0 * jnp.square(code.values[1][0] + 0.4))


@pytest.mark.parametrize(
    ("space", "reward"),
    [
        (Box(-1.0, 1.0, (1,)), reward_of_box),
        (Discrete(4), reward_of_category),
        (OneOf([Discrete(2), Box(-1.0, 1.0, (1,))]), reward_of_branch),
    ],
    ids=lambda part: type(part).__name__,
)
def test_learns_a_bandit(space, reward, key):
    agent = SAC(width=32, layers=2, learning_rate=3e-3, temperature=0.1, discrete_entropy=0.3)
    codes = quick(jax.vmap(space.sample))(jax.random.split(key, 128))
    batch = batch_of(codes, jax.vmap(reward)(codes), terminated=True)

    @quick
    def train(key):
        state = agent.init(spec_of(space), key)
        steps = jnp.arange(400, dtype=jnp.int32)
        return jax.lax.scan(lambda s, i: (agent.learn(s, batch, jax.random.fold_in(key, i))[0], None), state, steps)[0]

    code = quick(lambda state: agent.act(state, (), first_step(jnp.ones(2)), key, explore=False)[0])(train(key))
    best = jnp.max(jax.vmap(reward)(codes))
    assert float(reward(code)) > float(best) - 0.1
