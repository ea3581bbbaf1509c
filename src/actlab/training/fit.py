"""Does an agent run on a task's code? Answered by tracing shapes, so it costs no computation."""

from typing import Any

import jax

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.steps import TimeStep
from actlab.training.graph import check_sources
from actlab.training.play import begin_episode


def first_step_of(task: Task) -> TimeStep:
    """A first step of the task, with the constraint's set (shapes only, where the task is in the graph)."""
    key = jax.random.key(0)
    if task.environment.compiled and (task.constraint is None or task.constraint.compiled):
        return jax.eval_shape(lambda k: begin_episode(task, k, task.spec.contexts(k))[1], key)
    return begin_episode(task, key, task.spec.contexts(key))[1]


def why_not(agent: Any, task: Task) -> str | None:
    """None if the agent runs on the task's code, else the sentence why not."""
    try:
        check_sources(agent.experience(task.spec), {})
        if not agent.compiled:
            return None
        step = first_step_of(task)

        def trace(key: jax.Array, step: TimeStep) -> Any:
            state = agent.init(task.spec, fold(key, "init"))
            context = task.spec.contexts(fold(key, "context"))
            memory = agent.begin(state, context, fold(key, "begin"))
            return agent.act(state, memory, step, fold(key, "act"), explore=True)[0]

        code = jax.eval_shape(trace, jax.random.key(0), step)
        expected = jax.eval_shape(task.spec.code.zeros)
        if jax.tree.map(lambda leaf: leaf.shape, code) != jax.tree.map(lambda leaf: leaf.shape, expected):
            return f"its act returns {code}, but the code's space is {task.spec.code}."
    except ActlabError as error:
        return str(error)
    return None
