"""Policies that leave: what is written, what is read back, and that ONNX Runtime decides as the policy does."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

import actlab as al
from actlab.actions.parse import parse_agent, parse_code
from actlab.actions.save import codec_to_json
from actlab.core.errors import ActlabError, MissingExtra
from actlab.core.options import OptionError
from actlab.core.steps import first_step
from actlab.training.api import LEARNER, learner_of
from actlab.training.checkpoint import save_tree, write_json
from actlab.training.export import Deciding, load_policy
from actlab.training.graph import RUN_ONCE
from actlab.training.runs import describe, write_config

CODE = "normalise+bins:bins=5"


def learner(agent, task):
    """A state that has learned something: every number moved a little."""
    state = jax.jit(lambda key: agent.init(task.spec, key), compiler_options=RUN_ONCE)(jax.random.key(1))
    return jax.tree.map(lambda x: x + np.float32(0.05) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """A run's folder as training leaves it, with a code and a normaliser, but without the training."""
    agent = al.agents.PPO(environments=2, decisions=16, minibatch=16, width=8, normalise_observations=True)
    task = al.task("Pendulum-v1").with_code(parse_code(CODE))
    folder = tmp_path_factory.mktemp("export") / "run"
    folder.mkdir()
    settings = {"codec": codec_to_json(task.spec.codec), "steps": 64, "evaluations": 1, "episodes": 1, "seed": 0}
    write_config(folder, {**describe(agent, task), **settings})
    save_tree(folder / LEARNER, learner(agent, task), {})
    write_json(folder / "result.json", {"steps": 64})
    return al.load(folder)


def decisions(run, observations) -> np.ndarray:
    """The native actions of the run's deterministic policy."""
    state, codec = learner_of(run), run.task.spec.codec

    def act(observation):
        step = first_step(observation)
        code, _, _ = run.agent.act(state, (), step, jax.random.key(1), explore=False)
        return codec.decode(code, step, jnp.int32(0), None)

    return np.asarray(jax.jit(jax.vmap(act))(observations))


@pytest.fixture(scope="module")
def observations() -> jax.Array:
    return jax.random.normal(jax.random.key(3), (200, 3)) * jnp.asarray([[1.0, 1.0, 4.0]])


def test_weights_and_description_are_enough_to_decide_again(trained, observations, tmp_path):
    done = al.export(trained.folder, tmp_path)
    assert done.files == ("policy.safetensors", "policy.json")
    description = json.loads((tmp_path / "policy.json").read_text())
    assert description["agent"] == "ppo"
    assert description["options"]["width"] == 8
    assert description["code"] == CODE
    assert description["inputs"] == {"observation": {"dtype": "float32", "shape": [3]}}
    assert description["outputs"] == {"action": {"dtype": "float32", "shape": [1]}}
    assert (description["seed"], description["steps"], description["onnx"]) == (0, 64, None)
    weights = load_file(tmp_path / "policy.safetensors")
    assert {name: [array.dtype.name, *array.shape] for name, array in weights.items()} == description["weights"]
    assert any("policy" in name for name in weights)
    assert not any("networks.value" in name or "moments.0" in name for name in weights)  # neither critic nor optimiser

    policy = load_policy(tmp_path, al.task("Pendulum-v1"))

    def act(observation):
        step = first_step(observation)
        code, _, _ = policy.agent.act(policy.state, (), step, jax.random.key(1), explore=False)
        return policy.codec.decode(code, step, jnp.int32(0), None)

    again = np.asarray(jax.jit(jax.vmap(act))(observations))
    np.testing.assert_array_equal(again, decisions(trained, observations))
    assert len(np.unique(again)) > 1
    with pytest.raises(ActlabError, match="The policy sees"):
        load_policy(tmp_path, al.task("CartPole-v1"))


def test_an_onnx_file_decides_as_the_policy(trained, observations, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    done = al.export(trained, tmp_path, format="onnx")
    assert done.files[-1] == "policy.onnx"
    assert done.description["onnx"]["largest difference"] <= 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx", providers=["CPUExecutionProvider"])
    found = np.stack([session.run(["action"], {"observation": np.asarray(row)})[0] for row in observations])
    np.testing.assert_allclose(found, decisions(trained, observations), atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["code"] == CODE


@pytest.mark.parametrize(
    ("agent", "task", "code", "inputs", "outputs"),
    [
        ("sac:width=8,normalise_observations=true", "actlab/Platform-v0", "identity", 1, "action/index"),
        ("td3:width=8", "Pendulum-v1", "normalise+chunk:length=2", 1, "steps"),
        ("ppo:width=8,memory=gru,decisions=8,minibatch=8", "CartPole-v1", "identity", 2, "next_memory"),
        ("branching-dqn:width=8", "Pendulum-v1", "coarse-to-fine:levels=2,bins=3", 1, "action"),
        ("dqn:width=8", "probe/mask-discrete", "identity", 2, "action"),
        ("ppo:width=8", "probe/image", "identity", 1, "action"),
    ],
)
def test_every_kind_of_policy_is_translated(agent, task, code, inputs, outputs):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    made, bound = parse_agent(agent), al.task(task).with_code(parse_code(code))
    state, deciding = learner(made, bound), Deciding(made, bound)
    model = deciding.to_onnx(state).SerializeToString()
    difference = deciding.check(state, model)
    assert difference is not None
    assert difference <= 1e-5
    assert len(deciding.inputs) == inputs
    assert outputs in deciding.outputs
    if outputs == "steps":
        assert deciding.outputs["action"].shape == (2, 1)


def test_a_file_that_decides_otherwise_is_noticed(trained):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    deciding, state = Deciding(trained.agent, trained.task), learner_of(trained)
    other = jax.tree.map(lambda leaf: leaf + 1 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, state)
    model = deciding.to_onnx(other).SerializeToString()
    with pytest.raises(ActlabError, match="The ONNX file's action differs"):
        deciding.check(state, model)


def test_what_cannot_be_exported_says_why(trained, tmp_path: Path, monkeypatch):
    with pytest.raises(OptionError, match="safetensors or onnx"):
        al.export(trained, tmp_path, format="torch")
    with pytest.raises(ActlabError, match="is no run folder"):
        al.export(tmp_path, tmp_path)
    with pytest.raises(ActlabError, match="draws random numbers"):
        Deciding(al.agents.Random(), al.task("CartPole-v1"))
    chunked = al.task("Pendulum-v1").with_code(parse_code("delta:limit=0.5+chunk:length=2"))
    with pytest.raises(ActlabError, match="looks at the state"):
        Deciding(al.agents.TD3(width=8), chunked)
    with pytest.raises(ActlabError, match="does not exist"):
        load_policy(tmp_path, al.task("Pendulum-v1"))
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"actlab\[onnx\]"):
        al.export(trained, tmp_path / "none", format="onnx")
    assert not (tmp_path / "none").exists()
