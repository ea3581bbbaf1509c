"""The checker, on environments of our own contract that are each broken in exactly one way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Discrete, Space
from actlab.core.steps import TimeStep, first_step, next_step
from actlab.tasks.check import check_task
from actlab.tasks.make import make_task

UNIT, WIDE = Box(-1.0, 1.0, (2,)), Box(-50.0, 50.0, (2,))


class WalkState(NamedTuple):
    """A place float32 `[2]`, and the time int32 `[]`."""

    place: Array
    time: Array


def unchanged(state: WalkState, step: TimeStep) -> tuple[Any, Any]:
    return state, step


@dataclass(frozen=True)
class Walk:
    """A random walk of 6 steps; `begun` and `moved` may change what reset and step return."""

    horizon: int = 6
    begun: Callable[[Any, Any], tuple[Any, Any]] = unchanged
    moved: Callable[[Any, Any], tuple[Any, Any]] = unchanged
    action: Space = UNIT
    observation: Space = WIDE
    compiled: bool = False
    """Played step by step, unless a test says otherwise: that is the faster one, and the judgement is the same."""

    def reset(self, key: Array, context: Any) -> tuple[Any, Any]:
        state = WalkState(jax.random.uniform(key, (2,)), jnp.zeros((), jnp.int32))
        return self.begun(state, first_step(state.place))

    def step(self, key: Array, state: WalkState, native: Array) -> tuple[Any, Any]:
        after = WalkState(state.place + native, state.time + 1)
        arrived = next_step(after.place, -jnp.abs(after.place).sum(), jnp.zeros((), bool), after.time >= self.horizon)
        return self.moved(after, arrived)


def faults(environment: Any, **options: Any) -> list[str]:
    """Errors and warnings, as they are told."""
    findings = check_task(make_task(environment, "walk", **options))
    return [str(finding) for finding in findings if finding.severity != "information"]


def one(told: list[str], start: str, *parts: str) -> None:
    """Exactly one fault was told, in one sentence, and it says this."""
    assert len(told) == 1, told
    assert told[0].startswith(start)
    assert told[0].endswith(".")
    for part in parts:
        assert part in told[0]


def at(time: int, state: WalkState, wrong: Any, right: Any) -> Array:
    return jnp.where(state.time == time, wrong, right)


def test_nothing_wrong_is_said_with_what_was_checked():
    told = [str(finding) for finding in check_task("CartPole-v1", longest=60)]
    assert told[0].startswith("information: It takes about")
    assert told[0].endswith("steps a second, compiled, 8 episodes at once.")
    assert told[1].startswith("information: No fault was found in ")
    assert "and that compilation changes nothing" in told[1]
    assert len(told) == 2


# --- what stops it before it runs --------------------------------------------------------------------


def test_not_compilable():
    def moved(state, step):
        return (state, step) if state.place[0] > 0 else (state, step._replace(reward=-step.reward))

    one(faults(Walk(compiled=True, moved=moved)), "error: Its step cannot be compiled: TracerBoolConversionError")

    def begun(state, step):
        return state._replace(place=jnp.asarray(np.asarray(state.place))), step

    one(faults(Walk(compiled=True, begun=begun)), "error: Its reset cannot be compiled: TracerArrayConversionError")


def test_not_a_step():
    told = faults(Walk(compiled=True, moved=lambda state, step: (state, (step.observation, step.reward))))
    one(told, "error: Its step must return (state, TimeStep); received")


@pytest.mark.parametrize(
    ("field", "dtype", "sentence"),
    [
        ("reward", jnp.int32, "`reward` must be float32 []; received int32 []"),
        ("elapsed", jnp.float32, "`elapsed` must be int32 []; received float32 []"),
        ("terminated", jnp.int32, "`terminated` must be bool []; received int32 []"),
    ],
)
def test_wrong_dtypes(field, dtype, sentence):
    told = faults(
        Walk(
            compiled=True,
            moved=lambda state, step: (state, step._replace(**{field: getattr(step, field).astype(dtype)})),
        )
    )
    one(told, f"error: After step, {sentence}")


def test_a_wrong_shape():
    told = faults(Walk(compiled=True, moved=lambda state, step: (state, step._replace(reward=step.reward[None]))))
    one(told, "error: After step, `reward` must be float32 []; received float32 [1]")


def test_an_observation_that_is_not_of_the_space():
    told = faults(Walk(compiled=True, observation=Box(-50.0, 50.0, (3,))))
    one(
        told, "error: After reset, its observation must be float32 [3], as Box(-50, 50, [3]) says; received float32 [2]"
    )
    told = faults(
        Walk(compiled=True, begun=lambda state, step: (state, step._replace(observation=(step.observation,))))
    )
    one(told, "error: After reset, its observation must be made up as PyTreeDef(*); received PyTreeDef((*,))")


def test_a_state_that_changes_its_structure_or_type():
    told = faults(
        Walk(compiled=True, begun=lambda state, step: ((state.place, state.time, state.time), step), moved=unchanged)
    )
    assert told[0].startswith("error: Its step cannot be compiled: AttributeError")

    def counted(state, step):
        return state._replace(time=state.time.astype(jnp.float32)), step

    told = faults(Walk(compiled=True, moved=counted))
    one(told, "error: Its state.time is int32 [] after reset but float32 [] after step", "one type for all steps")
    told = faults(Walk(compiled=True, moved=lambda state, step: (tuple(state), step)))
    one(told, "error: Its state changes its structure between reset and step")


def test_a_set_that_comes_and_goes():
    def masked(state, step):
        return state, step._replace(allowed=Interval(-jnp.ones(2), jnp.ones(2)))

    one(
        faults(Walk(compiled=True, moved=masked)),
        "error: Its set of allowed actions changes its structure between reset and step",
    )


def test_a_weakly_typed_state():
    def weak(state, step):
        return state._replace(place=jnp.full((2,), 0.5)), step

    told = faults(Walk(compiled=True, begun=weak))
    one(told, "warning: Its state.place is weakly typed after reset", "use jnp.asarray(..., jnp.float32)")


# --- what shows in play ------------------------------------------------------------------------------


def test_numbers_that_are_none():
    def nan(state, step):
        return state, step._replace(observation=at(2, state, jnp.nan, step.observation))

    one(faults(Walk(moved=nan)), "error: Its observation is NaN or infinite at step 2.")

    def infinite(state, step):
        return state, step._replace(reward=at(3, state, jnp.inf, step.reward))

    one(faults(Walk(moved=infinite)), "error: Its reward is NaN or infinite at step 3.")


def test_an_observation_outside_of_its_space():
    def outside(state, step):
        return state, step._replace(observation=at(2, state, 51.0, step.observation))

    one(faults(Walk(moved=outside)), "warning: Its observation leaves the declared space at step 2.")


def test_a_set_that_allows_nothing():
    def masked(last):
        def change(state, step):
            return state, step._replace(allowed=Mask((jnp.arange(3) != 1) & (state.time != last)))

        return change

    def play(self, key, state, native):
        return Walk.step(self, key, state, jnp.asarray([native, native]).astype(jnp.float32))

    game = type("Game", (Walk,), {"step": play})
    broken, sound = (
        game(begun=masked(last), moved=masked(last), action=Discrete(3)) for last in (2, 6)
    )  # at the end nothing need be legal
    one(faults(broken), "error: Its set allows nothing at step 2, though the episode goes on.")
    assert faults(sound) == []


def test_a_constraint_that_allows_nothing():
    class Closing:
        compiled = True

        def begin(self, key, context):
            return jnp.zeros((), jnp.int32)

        def allowed(self, memory, step):
            low = jnp.where(memory == 3, 2.0, -1.0) * jnp.ones(2)
            return Interval(low, jnp.ones(2)), memory + 1

    told = faults(Walk(compiled=True), constraint=Closing())
    one(told, "error: Its set allows nothing at step 3")


def test_first_and_elapsed():
    told = faults(Walk(moved=lambda state, step: (state, step._replace(first=state.time == 2))))
    assert told[0] == "error: Its `first` is wrong at step 2: it is True after reset and False after a step."
    told = faults(Walk(moved=lambda state, step: (state, step._replace(elapsed=jnp.asarray(3, jnp.int32)))))
    one(told, "error: Its `elapsed` is wrong at step 1: it is 0 after reset and 1 after a step.")


def test_an_episode_that_is_over_before_it_began():
    told = faults(Walk(begun=lambda state, step: (state, step._replace(terminated=~step.terminated))))
    one(told, "error: Its episode has ended at reset, before any action.")


def test_an_environment_that_starts_over_by_itself():
    def again(state, step):
        over = state.time > 6
        return state, step._replace(first=over, elapsed=jnp.where(over, 0, step.elapsed))

    for compiled in (True, False):
        one(
            faults(Walk(moved=again, compiled=compiled)),
            "error: It starts over by itself after an end; leave that to the loop.",
        )


def test_ends():
    def never(state, step):
        return state, step._replace(truncated=~step.first & False)

    told = faults(Walk(moved=never, compiled=True))
    one(told, "error: An episode was neither terminated nor truncated after its horizon of 6 steps")

    def confused(state, step):
        return state, step._replace(truncated=step.truncated | (state.place[0] > 1.5))

    told = faults(Walk(horizon=30, moved=confused))
    one(
        told,
        "warning: An episode was truncated after",
        "before its limit of 30: a failure or a goal must be `terminated`",
    )

    def stopped(state, step):
        return state, step._replace(terminated=step.truncated, truncated=step.terminated)

    told = faults(Walk(horizon=30, moved=stopped))
    one(told, "warning: Every episode terminated after exactly 30 steps", "`truncated`")
    assert faults(Walk(horizon=6, moved=stopped)) == []  # so short a game is taken at its word


def test_an_unbounded_action():
    told = faults(Walk(action=Box(-np.inf, np.inf, (2,))))
    one(told, "warning: The action space has an unbounded part, Box(-inf, inf, [2])", "normalise:low=-1,high=1")


# --- the same again ----------------------------------------------------------------------------------


def test_numbers_drawn_outside_of_the_key():
    generator = np.random.default_rng(0)

    def windy(state, step):
        return state, step._replace(reward=step.reward + jnp.float32(generator.normal()))

    for compiled in (True, False):
        told = faults(Walk(moved=windy, compiled=compiled))
        one(told, "error: It is not deterministic", "differ in the reward at step 1", "from the key only")


def test_what_python_remembers_differs_when_compiled():
    class Counting(Walk):
        def reset(self, key, context):
            taken.clear()
            return super().reset(key, context)

        def step(self, key, state, native):
            taken.append(1)  # once a step, but once in all where it is compiled
            after, step = super().step(key, state, native)
            return after, step._replace(reward=step.reward + len(taken))

    taken = []
    told = faults(Counting(compiled=True))
    one(told, "error: Compiled it does something else than without compilation: they differ in the reward at step 2")


def test_one_start_for_all_keys_is_mentioned():
    def same(state, step):
        place = jnp.zeros((2,), jnp.float32)
        return WalkState(place, state.time), step._replace(observation=place)

    findings = check_task(make_task(Walk(begun=same), "walk"))
    assert all(finding.severity == "information" for finding in findings)
    assert any("All episodes start with the same observation" in finding.sentence for finding in findings)


def test_an_environment_on_the_host_that_refuses():
    def refuse(time):
        def moved(state, step):
            if state.time == time:
                raise ValueError("no")
            return state, step

        return moved

    assert faults(Walk()) == faults(Walk(moved=refuse(7))) == []  # after the end it may
    one(faults(Walk(moved=refuse(2))), "error: It cannot be played: ValueError ('no').")
