"""Three updates of SAC give the weights that Stable-Baselines3's give, from the same weights, batch and noise.

`python -m tests.parity.test_sac` writes the inputs, `benchmarks/parity_sac.py` adds what Stable-Baselines3 makes of
them.
"""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.agents.sac import SAC
from actlab.core.keys import fold
from actlab.core.spaces import Box
from actlab.core.steps import Batch, TimeStep
from tests.agents.helpers import LEARN, quick, spec_of

PATH = Path(__file__).parent / "sac_stable_baselines3.json"
ROWS, ACTIONS, UPDATES = 5, 3, 3
DISCOUNT, RATE = 0.9, 1e-2
AGENT = SAC(width=8, learning_rate=RATE)
SPEC = spec_of(Box(-1.0, 1.0, (ACTIONS,)), discount=DISCOUNT)


def keys(update: int) -> tuple:
    """Of an update, and of its draws (as `learn` derives them)."""
    key = jax.random.key(100 + update)
    each = lambda name: [fold(fold(key, name), i) for i in range(ROWS)]  # noqa: E731
    return key, each("here"), each("there")


def actor_layers(actor) -> list:
    head = actor.coordinates
    return [*actor.torso.layers, head.mean, head.log_std]


def critic_layers(values, e: int) -> list:
    member = jax.tree.map(lambda leaf: leaf[e], eqx.filter(values.critics.members, eqx.is_array))
    return list(member.network.layers)


def written(layers) -> list[dict]:
    return [{"weight": np.asarray(layer.weight).tolist(), "bias": np.asarray(layer.bias).tolist()} for layer in layers]


def batch(values) -> dict[str, Batch]:
    """The rows `[5, 1]`."""
    rows = {name: jnp.asarray(value, jnp.float32)[:, None] for name, value in values.items()}
    no, one = jnp.zeros((ROWS, 1), bool), jnp.ones((ROWS, 1), jnp.int32)
    step = TimeStep(rows["observations"], None, jnp.zeros((ROWS, 1)), 0 * one, no, no, no)
    after = TimeStep(rows["next_observations"], None, rows["rewards"], one, no, rows["terminated"] > 0, no)
    return {"replay": Batch(step, rows["actions"], rows["actions"], after, valid=~no)}


def begun():
    return quick(lambda key: AGENT.init(SPEC, key))(jax.random.key(0))


@pytest.fixture(scope="module")
def document():
    return json.loads(PATH.read_text())


@pytest.fixture(scope="module")
def states(document):
    """The states after every update, from the weights in the file."""
    state, seen = begun(), []
    assert written(actor_layers(state.actor)) == document["inputs"]["actor"]  # the same initial weights as then
    for update in range(UPDATES):
        state, metrics = LEARN(AGENT, state, batch(document["inputs"]["batch"]), keys(update)[0])
        seen.append((state, metrics))
    return seen


@pytest.mark.parametrize("update", range(UPDATES))
def test_weights_losses_and_temperature(document, states, update):
    (state, metrics), expected = states[update], document["outputs"][update]
    np.testing.assert_allclose(metrics["critic_loss"], expected["critic_loss"], rtol=2e-5)
    np.testing.assert_allclose(metrics["actor_loss"], expected["actor_loss"], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(state.log_temperatures[1], expected["log_temperature"], atol=1e-6)
    pairs = [(actor_layers(state.actor), expected["actor"])]
    for e in range(2):
        pairs.append((critic_layers(state.values, e), expected["critics"][e]))
        pairs.append((critic_layers(state.targets, e), expected["targets"][e]))
    for layers, values in pairs:
        for layer, value in zip(layers, values, strict=True):
            # Adam's first steps are of the size of the learning rate, whatever the gradient: 1e-2 here
            np.testing.assert_allclose(layer.weight, value["weight"], atol=2e-5)
            np.testing.assert_allclose(layer.bias, value["bias"], atol=2e-5)


def test_the_noise_in_the_file_is_ours(document):
    for update in range(UPDATES):
        for drawn, expected in zip(noise(update), document["inputs"]["noise"][update], strict=True):
            np.testing.assert_allclose(drawn, expected, atol=1e-6)


def noise(update: int) -> list:
    """Standard normal draws `[5, 3]` here and there."""
    return [[np.asarray(jax.random.normal(key, (ACTIONS,))).tolist() for key in part] for part in keys(update)[1:]]


def main() -> None:
    """Write the inputs."""
    state, generator = begun(), np.random.default_rng(0)
    rows = {
        "observations": generator.uniform(-1, 1, (ROWS, 2)),
        "actions": generator.uniform(-1, 1, (ROWS, ACTIONS)),
        "next_observations": generator.uniform(-1, 1, (ROWS, 2)),
        "rewards": generator.normal(size=ROWS),
        "terminated": np.array([0.0, 1.0, 0.0, 0.0, 1.0]),
    }
    inputs = {
        "discount": DISCOUNT,
        "learning_rate": RATE,
        "actor": written(actor_layers(state.actor)),
        "critics": [written(critic_layers(state.values, e)) for e in range(2)],
        "batch": {name: np.asarray(value, np.float32).tolist() for name, value in rows.items()},
        "noise": [noise(update) for update in range(UPDATES)],
    }
    PATH.write_text(json.dumps({"inputs": inputs}) + "\n")


if __name__ == "__main__":
    main()
