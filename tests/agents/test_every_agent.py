"""What holds for everything that is registered as an agent: pure functions, and nothing lost by an interruption."""

import builtins
import sys
import time

import equinox as eqx
import gymnasium
import jax
import numpy as np
import pytest

from actlab.actions.parse import parse_agent, parse_code
from actlab.core.registry import AGENTS
from actlab.tasks.catalogue import task
from actlab.training.checkpoint import load_tree, save_tree
from actlab.training.loop import Settings, make_driver, train
from tests.agents.helpers import expert_rows

OFF_POLICY = "width=8,layers=1,batch_size=8,warmup=16,environments=1"
CASES = {
    "arsq": ("policy-box", "arsq:width=8,layers=1,batch_size=8,recorded_rows=4", "coarse-to-fine:levels=2,bins=2"),
    "bc": ("policy-box", "bc:width=8,layers=1,batch_size=8", "identity"),
    "branching-dqn": ("policy-box", "branching-dqn:width=8,batch_size=8,warmup=16,environments=1", "bins:bins=3"),
    "cqn": ("policy-box", "cqn:width=8,features=4,batch_size=8,recorded_rows=4", "coarse-to-fine:levels=2,bins=2"),
    "dqn": ("policy-discrete", f"dqn:{OFF_POLICY},decisions=4", "identity"),
    "ppo": ("policy-dict", "ppo:environments=2,decisions=8,minibatch=8,epochs=1,width=8", "identity"),
    "random": ("policy-one-of", "random", "identity"),
    "sac": ("policy-one-of", f"sac:{OFF_POLICY}", "identity"),
    "td3": ("policy-box", f"td3:{OFF_POLICY}", "chunk:length=2"),
    "td3-bc": ("policy-box", "td3-bc:width=8,layers=1,batch_size=8", "identity"),
}
"""Agent -> a probe, small settings, a code: together all kinds of sources and spaces."""
COMPILES = {"arsq", "branching-dqn", "cqn"}
"""Half a minute of compilation: with the slow tests."""
SETTINGS = Settings(steps=64, evaluations=0, checkpoint_seconds=0.0)


class Arm:
    """One agent on one task, with its driver and data."""

    def __init__(self, name: str):
        probe, words, code = CASES[name]
        self.task = task(f"probe/{probe}").with_code(parse_code(code))
        self.agent = parse_agent(words)
        wants = "data" in self.agent.experience(self.task.spec)
        self.data = {"data": expert_rows(probe, 32, jax.random.key(0), codec=self.task.spec.codec)} if wants else {}

    def train(self, folder, driver):
        folder.mkdir(exist_ok=True)
        return train(self.agent, self.task, SETTINGS, 3, folder, driver=driver, data=self.data)


def test_every_agent_has_its_case():
    assert {entry.name for entry in AGENTS} == set(CASES)


def refused(original):
    """The function, for everybody but us (JAX looks at the clock while it traces)."""

    def checked(*arguments, **options):
        caller = sys._getframe(1).f_globals["__name__"]
        assert not caller.startswith("actlab."), f"{caller} opens a file, looks at a clock or makes an environment"
        return original(*arguments, **options)

    return checked


def test_the_guard_sees_our_modules_alone(monkeypatch):
    monkeypatch.setattr(time, "time", refused(time.time))
    assert time.time() > 0
    with pytest.raises(AssertionError, match=r"actlab\.rogue opens"):
        eval("time.time()", {"time": time, "__name__": "actlab.rogue"})


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in COMPILES else []) for name in sorted(CASES)]
)
def test_it_is_pure_and_an_interruption_changes_no_bit(name: str, tmp_path, monkeypatch):
    arm = Arm(name)
    called = set()

    def pure(method: str):
        original = getattr(type(arm.agent), method)

        def checked(*arguments, **options):
            called.add(method)
            with pytest.MonkeyPatch.context() as patch:
                for clock in ("time", "perf_counter", "monotonic", "time_ns", "sleep"):
                    patch.setattr(time, clock, refused(getattr(time, clock)))
                patch.setattr(builtins, "open", refused(open))
                patch.setattr(builtins, "print", refused(print))
                patch.setattr(gymnasium, "make", refused(gymnasium.make))
                closed = eqx.filter_make_jaxpr(original)(*arguments, **options)[0]
                assert not closed.effects  # no callback to the host, no printing
            return original(*arguments, **options)

        monkeypatch.setattr(type(arm.agent), method, checked)

    for method in ("init", "begin", "act", "learn"):
        pure(method)
    driver = make_driver(arm.task, arm.agent)
    whole = arm.train(tmp_path / "whole", driver)
    assert called >= {"init", "learn"}

    run, calls = driver.run, []

    def dies(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(driver, "run", dies)
    with pytest.raises(KeyboardInterrupt):
        arm.train(tmp_path / "parts", driver)
    monkeypatch.setattr(driver, "run", run)
    again = arm.train(tmp_path / "parts", driver)
    assert again.steps == whole.steps
    assert (tmp_path / "parts" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    arrays, others = jax.tree.leaves(whole.learner), jax.tree.leaves(again.learner)
    for left, right in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(left, right)

    save_tree(tmp_path / "learner.safetensors", whole.learner, {})
    loaded = load_tree(tmp_path / "learner.safetensors", jax.eval_shape(lambda: whole.learner))[0]
    assert bool(eqx.tree_equal(whole.learner, loaded))
