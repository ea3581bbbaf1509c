"""Every agent, code and kind of space that the README's table names really takes a training step.

The table says what runs by tracing an agent's act; here the real driver collects, and the learner's numbers move.
"""

import re
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from actlab.actions.parse import parse_agent, parse_code
from actlab.tasks.catalogue import task
from actlab.training.compatibility import AGENTS, ALONE, CODES, SPACES
from actlab.training.graph import GraphDriver

README = Path(__file__).parents[2] / "README.md"
SMALL = {
    "arsq": "width=8,layers=1,batch_size=8,warmup=16,environments=1",
    "branching-dqn": "width=8,batch_size=8,warmup=16,environments=1",
    "cqn": "width=8,features=4,batch_size=8,warmup=16,environments=1",
    "dqn": "width=8,layers=1,batch_size=8,warmup=16,environments=1,decisions=4",
    "ppo": "environments=2,decisions=8,minibatch=8,epochs=1,width=8",
    "sac": "width=8,layers=1,batch_size=8,warmup=16,environments=1",
    "td3": "width=8,layers=1,batch_size=8,warmup=16,environments=1",
}


def cells() -> list[tuple[str, str, str]]:
    """(agent, code, kind of space) of every entry of the generated table, which `tests/project` holds up to date."""
    text = README.read_text("utf-8")
    table = text.partition("compatibility table: begin -->")[2].partition("<!-- compatibility")[0]
    _, _, *rows = table.strip().splitlines()
    found = []
    for row in rows:
        code, *entries = (entry.strip() for entry in row.strip("|").split("|"))
        for space, entry in zip(SPACES, entries, strict=True):
            found += [(agent, code.strip("`"), space) for agent in re.findall(r"[a-z][a-z0-9-]*", entry)]
    return found


CELLS = cells()


def test_the_table_is_read():
    assert {agent for agent, _, _ in CELLS} == set(AGENTS) == set(SMALL)
    assert {code for _, code, _ in CELLS} == set(CODES)
    assert {space for _, _, space in CELLS} == set(SPACES)
    assert len(set(CELLS)) == len(CELLS)


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "code", "space"), CELLS, ids=[" ".join(cell) for cell in CELLS])
def test_it_takes_a_training_step(agent, code, space):
    made = task(f"probe/{SPACES[space]}").with_code(parse_code(code))
    alone = ALONE.get(agent, agent)
    learner = parse_agent(f"{alone}{',' if ':' in alone else ':'}{SMALL[agent]}")
    jax.config.update("jax_disable_most_optimizations", True)  # it runs a few ticks
    try:
        driver = GraphDriver(made, learner)
        carry = driver.start(learner, jax.random.key(0), {}, None, 40)
        before = [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(carry.learner, eqx.is_inexact_array))]
        if driver._warms_up:
            carry, _, _ = driver.run(learner, carry, 20, True)
        carry, tally, metrics = driver.run(learner, carry, 4, False)
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
    after = jax.tree.leaves(eqx.filter(carry.learner, eqx.is_inexact_array))
    assert any(not np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(np.isfinite(leaf).all() for leaf in after)
    assert metrics
    assert all(np.isfinite(value) for value in metrics.values())
    assert int(tally.violations) == int(tally.impossible) == int(tally.nonfinite) == 0
