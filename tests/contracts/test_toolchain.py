"""Stands for ToolChain* (arXiv 2310.13227): a planner over tool calls that learns from its successes.

The cut it proves: an agent may live wholly on the host. It searches in its first act, keeps the plan in `Memory`, and
plays it call by call; its state is a list of plans that worked, to which `learn` appends. Both are plain Python data,
so a checkpoint holds them as text and a run goes on in the middle of a plan. The set that it searches is the
`Automaton` in the step. Where the environment runs - in the graph, or as a Gymnasium environment on the host - is no
concern of the agent's.

The task: a request is served by one chain of calls among several whose types fit. Nobody says which.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from actlab.actions.constraints import Dependent
from actlab.core.contracts import Metrics, TaskSpec, hyperparameters
from actlab.core.sets import Automaton
from actlab.core.sources import Rollout
from actlab.core.spaces import Dict, Discrete, MultiDiscrete
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.tasks.face import as_gymnasium
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.make import make_task
from actlab.training.host import HostDriver
from actlab.training.plain import from_plain, to_plain
from tests.contracts.helpers import driven, greedy, learned

# --- the learner ---------------------------------------------------------------------------------------


@hyperparameters
class ToolChain:
    """A* over the automaton of calls; a call costs less where a remembered plan begins as the path does."""

    remembers: bool = True
    """False is the ablation: nothing is appended."""
    compiled = False

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {"rollout": Rollout(decisions=4, environments=4)}  # not a multiple of a plan: ticks end inside of one

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> list[list[int]]:
        return start or []

    def begin(self, state: list[list[int]], context: Any, key: Array) -> dict[str, Any]:
        return {"plan": [], "played": 0}

    def act(self, state: list[list[int]], memory: dict[str, Any], step: TimeStep, key: Array, *, explore: bool) -> Any:
        plan, played = memory["plan"], memory["played"]
        if not plan:
            draw = np.random.default_rng(np.asarray(jax.random.key_data(key)))
            noise = draw.random(step.allowed.next.shape) if explore else np.zeros(step.allowed.next.shape)
            request = int(step.observation["request"])
            plan = search(step.allowed, noise, [tuple(known[1:]) for known in state if known[0] == request])
        padded = np.full(HORIZON, -1, np.int32)
        padded[: len(plan)] = plan
        extras = {"plan": padded, "searched": np.asarray(not memory["plan"])}
        return np.asarray([plan[played]], np.int32), {"plan": plan, "played": played + 1}, extras

    def learn(self, state: list[list[int]], batch: Mapping[str, Batch], key: Array) -> tuple[Any, Metrics]:
        rows, plans = batch["rollout"], list(state)
        for at in zip(*np.nonzero(np.asarray(rows.next.reward) > 0.0), strict=True):
            request, plan = rows.step.observation["request"][at], rows.extras["plan"][at]
            success = [int(request), *plan[plan >= 0].tolist()]
            if self.remembers and success not in plans:
                plans.append(success)
        return plans, {"plans": np.asarray(len(plans))}

    def export(self, state: list[list[int]]) -> Any:
        return self, state


def search(allowed: Automaton, noise: np.ndarray, known: list[tuple[int, ...]]) -> list[int]:
    """The cheapest path from the automaton's start to where no call is left; A* with the hops to go as its bound."""
    table = np.asarray(allowed.next)
    ends = (table < 0).all(axis=1)
    hops = np.where(ends, 0.0, np.inf)
    for _ in table:
        hops = np.minimum(hops, np.where(table >= 0, 1.0 + hops[table], np.inf).min(axis=1))
    start = int(allowed.start)
    frontier: list[tuple[float, float, int, tuple[int, ...]]] = [(0.1 * hops[start], 0.0, start, ())]
    while True:
        _, cost, node, path = heappop(frontier)
        if ends[node]:
            return list(path)
        for call in np.flatnonzero(table[node] >= 0).tolist():
            longer, after = (*path, call), int(table[node, call])
            remembered = any(plan[: len(longer)] == longer for plan in known)
            total = cost + (0.1 if remembered else 1.0 + noise[node, call])
            heappush(frontier, (total + 0.1 * hops[after], total, after, longer))


# --- the task ------------------------------------------------------------------------------------------

HORIZON, REQUESTS = 6, 4
CALLS = np.asarray(
    [  # search, look up, summarise, translate, rephrase, finish
        [1, 1, -1, -1, 0, -1],  # a request
        [-1, -1, 2, 2, -1, -1],  # documents
        [-1, -1, -1, -1, -1, 3],  # an answer
        [-1, -1, -1, -1, -1, -1],  # done
    ],
    np.int32,
)


@dataclass(frozen=True)
class Tools:
    """Request r needs call r mod 2, then 2 + r div 2, then finish: that pays 1."""

    compiled = True
    observation = Dict({"node": Discrete(len(CALLS)), "request": Discrete(REQUESTS)})
    action = MultiDiscrete((6,))
    horizon = HORIZON

    def reset(self, key: Array, context: Any) -> tuple[tuple[Array, ...], TimeStep]:
        request, none = jax.random.randint(key, (), 0, REQUESTS, jnp.int32), jnp.zeros((), jnp.int32)
        return (request, none, none, jnp.ones((), bool)), first_step({"node": none, "request": request})

    def step(self, key: Array, state: tuple[Array, ...], native: Array) -> tuple[tuple[Array, ...], TimeStep]:
        request, node, time, right = state
        needed = jnp.stack([request % 2, 2 + request // 2, jnp.full_like(request, 5), jnp.zeros_like(request)])[node]
        right = right & (native[0] == needed)
        after = jnp.maximum(jnp.asarray(CALLS)[node, native[0]], 0)
        done = after == len(CALLS) - 1
        step = next_step({"node": after, "request": request}, (done & right).astype(jnp.float32), done, time + 1 >= 6)
        return (request, after, time + 1, right), step


def gymnasium_tools() -> Any:
    """The same tools as a Gymnasium environment."""
    return as_gymnasium(make_task(Tools(), "tools"))


GRAMMAR = Dependent(lambda observation: Automaton(jnp.asarray(CALLS), observation["node"]))
"""Which calls fit here, and where they lead: the set is the whole automaton, started at the present node."""


@pytest.fixture(params=["in the graph", "on the host"])
def task(request):
    environment = Tools() if request.param == "in the graph" else HostEnvironment(gymnasium_tools, HORIZON)
    return make_task(environment, f"tools {request.param}", discount=1.0, constraint=GRAMMAR)


def test_successes_are_remembered_wherever_the_environment_runs(task, tmp_path):
    agent, driver = ToolChain(), HostDriver(task, ToolChain())
    plans = learned(agent, task, 240, tmp_path / "run", driver=driver)
    assert sorted(plans) == [[0, 0, 2, 5], [1, 1, 2, 5], [2, 0, 3, 5], [3, 1, 3, 5]]
    scores = greedy(driver, agent, plans, episodes=12)
    assert (scores["return"].mean(), scores["length"].max(), scores["violations"].sum()) == (1.0, 3, 0)
    assert greedy(driver, agent, [], episodes=12)["return"].mean() < 0.6  # the plans are what makes it


def test_a_run_goes_on_in_the_middle_of_a_plan(task, tmp_path):
    agent, driver = ToolChain(), HostDriver(task, ToolChain())
    carry = driven(driver, agent, ticks=2)
    lanes = carry.lanes["rollout"]
    assert any(0 < memory["played"] < len(memory["plan"]) for memory in lanes.memory)
    for data in (carry.learner, *lanes.memory):
        assert from_plain(json.loads(json.dumps(to_plain(data)))) == data
    # one run, and one that stopped at 48 of 96 calls and went on from its checkpoint: the same plans in the same order
    whole = learned(agent, task, 96, tmp_path / "whole", driver=driver)
    learned(agent, task, 48, tmp_path / "parts", driver=driver)
    assert whole == learned(agent, task, 96, tmp_path / "parts", driver=driver)
    assert len(whole) > 0
    assert learned(ToolChain(remembers=False), task, 48, tmp_path / "forgetful", driver=driver) == []


def test_the_search_is_in_the_first_act_alone():
    task = make_task(Tools(), "tools", discount=1.0, constraint=GRAMMAR)
    driver = HostDriver(task, ToolChain())
    carry = driver.start(ToolChain(), jax.random.key(0), {}, None, 0)
    source, collector = driver.sources["rollout"], driver.collectors["rollout"]
    rows, _, _ = collector.roll_out(
        ToolChain(), source, [], carry.lanes["rollout"], jax.random.key(1), 0, uniform=False, discount=1.0
    )
    assert np.array_equal(rows.extras["searched"], rows.step.first)
    assert rows.step.first.any()
    assert not rows.step.first.all()
