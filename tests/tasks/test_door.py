"""What passes through the door between Gymnasium and us: every space, every form of mask, every fault."""

import jax
import numpy as np
import pytest
from gymnasium import spaces

from actlab.core.errors import ActlabError, SpaceError
from actlab.core.spaces import from_gymnasium
from actlab.tasks.door import mask_from_host
from actlab.tasks.gymnasium import HostEnvironment
from tests.tasks.environments.plain import Plain
from tests.tasks.environments.revealing import equal

ZERO = np.zeros(2, np.float32)
PUSH = np.ones(2, np.float32)


def plain(**answers) -> HostEnvironment:
    return HostEnvironment(Plain, answers=answers)


# --- spaces ------------------------------------------------------------------------------------------

ACTIONS = {
    "discrete": spaces.Discrete(4),
    "box of double precision": spaces.Box(-0.1, 0.1, (2,), np.float64),
    "box of whole numbers": spaces.Box(0, 255, (2, 2), np.int64),
    "multi-discrete in two rows": spaces.MultiDiscrete([[2, 3], [4, 5]]),
    "multi-binary in two rows": spaces.MultiBinary((2, 3)),
    "tuple": spaces.Tuple([spaces.Discrete(2), spaces.Box(-1.0, 1.0, (1,), np.float32)]),
    "dict": spaces.Dict({"turn": spaces.Box(-1.0, 1.0, (1,), np.float64), "fire": spaces.Discrete(2)}),
    "one of": spaces.OneOf([spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,), np.float64), spaces.MultiBinary(2)]),
    "nested": spaces.Dict({"a": spaces.Tuple([spaces.OneOf([spaces.Discrete(2), spaces.MultiDiscrete([2, 2])])])}),
}


@pytest.mark.parametrize("kind", ACTIONS)
def test_actions_and_observations_of_every_space(kind):
    space, made = ACTIONS[kind], []
    space.seed(0)
    answers = {
        "observation": lambda time: made[-1].actions[-1] if time else space.sample(),  # gives back the action
        "terminated": lambda time: False,
    }
    environment = HostEnvironment(lambda: made.append(Plain(space, space, answers)) or made[-1])
    assert environment.action == environment.observation
    state, _ = environment.reset(0)
    expected = jax.tree.map(lambda leaf: (leaf.dtype, leaf.shape), environment.action.zeros())
    samples = [environment.action.from_host(space.sample()) for _ in range(8)]
    for native in samples:
        state, step = environment.step(None, state, native)  # Plain asserts that its space contains the action
        assert equal(step.observation, native)
        assert jax.tree.map(lambda leaf: (leaf.dtype, leaf.shape), step.observation) == expected
    assert not all(equal(native, samples[0]) for native in samples)


def test_bounds_of_double_precision_are_kept_and_nothing_else_is_clipped():
    space, made = spaces.Box(-0.1, 0.1, (2,), np.float64), []
    environment = HostEnvironment(lambda: made.append(Plain(space)) or made[-1])
    state, _ = environment.reset(0)
    assert float(environment.action.highs[0]) > 0.1  # float32 rounds up
    state, _ = environment.step(None, state, environment.action.highs)
    assert made[0].actions[0].tolist() == [0.1, 0.1]
    with pytest.raises(ActlabError, match="failed at step 2: AssertionError"):
        environment.step(None, state, np.array([0.2, 0.0], np.float32))


def test_spaces_without_a_twin_are_refused():
    with pytest.raises(SpaceError, match="'Plain' cannot be used: The space Text"):
        HostEnvironment(Plain, action_space=spaces.Text(5))


# --- masks -------------------------------------------------------------------------------------------

MASKS = {
    "discrete": (spaces.Discrete(3), [1, 0, 1], [[True, False, True]]),
    "digits apart": (spaces.MultiDiscrete([2, 3]), ([1, 0], [0, 1, 1]), [[[True, False, False], [False, True, True]]]),
    "digits joined": (
        spaces.MultiDiscrete([2, 3]),
        np.array([1, 0, 0, 1, 1]),
        [[[True, False, False], [False, True, True]]],
    ),
    "digits padded": (
        spaces.MultiDiscrete([2, 3]),
        np.array([[1, 0, 0], [0, 1, 1]], bool),
        [[[True, False, False], [False, True, True]]],
    ),
    "switches": (spaces.MultiBinary(2), np.array([[1, 0], [1, 1]]), [[[True, False], [True, True]]]),
    "switches, as Gymnasium samples": (
        spaces.MultiBinary(3),
        np.array([0, 1, 2], np.int8),
        [[[True, False], [False, True], [True, True]]],
    ),
    "interval": (
        spaces.Box(-1.0, 1.0, (2,), np.float32),
        {"low": np.zeros(2), "high": np.ones(2)},
        [[0.0, 0.0], [1.0, 1.0]],
    ),
    "dict with a free part": (
        spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Discrete(2)}),
        {"b": [0, 1]},
        [[False, True]],
    ),
    "tuple": (spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)]), (None, [0, 1]), [[False, True]]),
    "branches": (spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]), np.array([0, 1]), [[False, True]]),
    "within branches": (
        spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]),
        ([1, 0], [0, 1, 0]),
        [[True, False], [False, True, False]],
    ),
    "branches and within": (
        spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]),
        {"index": [1, 0], "values": ([0, 1], None)},
        [[True, False], [False, True]],
    ),
}


@pytest.mark.parametrize(
    ("space", "mask", "sentence"),
    [
        (
            spaces.Dict({"a": spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)])}),
            {"a": ([1, 1], [1, 1])},
            r"^in 'a', in part 1, expected \[3\] of 0 and 1, received \[1, 1\]$",
        ),
        (
            spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]),
            (None, [1]),
            r"^in branch 1, expected \[3\] of 0 and 1",
        ),
    ],
)
def test_a_wrong_mask_of_a_part_names_the_part(space, mask, sentence):
    with pytest.raises(SpaceError, match=sentence):
        mask_from_host(from_gymnasium(space), mask)


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_space(kind):
    space, mask, expected = MASKS[kind]
    environment = HostEnvironment(Plain, action_space=space, answers={"info": lambda time: {"action_mask": mask}})
    _, step = environment.reset(0)
    leaves = jax.tree.leaves(step.allowed)
    assert [leaf.tolist() for leaf in leaves] == expected
    assert all(leaf.dtype == (np.float32 if kind == "interval" else bool) for leaf in leaves)


@pytest.mark.parametrize(
    ("space", "late", "sentence"),
    [
        (spaces.Discrete(2), {"action_mask": [1, 0, 1]}, r"expected \[2\] of 0 and 1, received \[1, 0, 1\]"),
        (spaces.Discrete(2), {"action_mask": [1, 7]}, r"expected \[2\] of 0 and 1, received \[1, 7\]"),
        (spaces.Discrete(2), {}, "expected one, as at the first reset, received none"),
        (spaces.Discrete(2), {"action_mask": [0, 0]}, "expected at least one legal action, received none"),
        (spaces.MultiBinary(2), {"action_mask": [3, 0]}, r"expected \[2, 2\] of 0 and 1 or"),
        (spaces.MultiDiscrete([2, 2]), {"action_mask": ([1, 1],)}, "expected masks of 2 digits, received 1"),
        (spaces.Tuple([spaces.Discrete(2)] * 2), {"action_mask": ([1, 1], None)}, "masks for the same parts"),
        (spaces.Dict({"a": spaces.Discrete(2)}), {"action_mask": {"z": [1, 1]}}, "expected a dict with names of a"),
        (spaces.Box(-1.0, 1.0, (2,)), {"action_mask": [1, 1]}, "expected a dict with 'low' and 'high'"),
    ],
)
def test_a_wrong_mask_is_told_where_it_comes(space, late, sentence):
    right = {
        spaces.Discrete: [1, 1],
        spaces.MultiBinary: [2, 2],
        spaces.MultiDiscrete: ([1, 1], [1, 1]),
        spaces.Tuple: ([1, 1], [1, 1]),
        spaces.Dict: {"a": [1, 1]},
        spaces.Box: {"low": ZERO, "high": PUSH},
    }[type(space)]
    answers = {"info": lambda time: {"action_mask": right} if time < 2 else late}
    environment = HostEnvironment(Plain, action_space=space, answers=answers)
    state, _ = environment.reset(0)
    action = jax.tree.map(np.asarray, environment.action.zeros())
    state, _ = environment.step(None, state, action)
    with pytest.raises(ActlabError, match=rf"'Plain' gave a wrong action mask at step 2: .*{sentence}"):
        environment.step(None, state, action)


def test_a_mask_that_only_comes_later():
    environment = plain(info=lambda time: {"action_mask": {"low": ZERO, "high": PUSH}} if time else {})
    state, _ = environment.reset(0)
    with pytest.raises(ActlabError, match="at step 1: expected none, as at the first reset, received one"):
        environment.step(None, state, ZERO)


def test_at_the_end_a_mask_may_allow_nothing():
    answers = {
        "info": lambda time: {"action_mask": [[1, 0], [0, 1], [0, 0]][time]},
        "terminated": lambda time: time == 2,
    }
    environment = HostEnvironment(Plain, action_space=spaces.Discrete(2), answers=answers)
    state, _ = environment.reset(0)
    state, before = environment.step(None, state, np.int32(0))
    state, last = environment.step(None, state, np.int32(1))
    assert last.terminated
    assert equal(last.allowed, before.allowed)


# --- what does not fit -------------------------------------------------------------------------------


def explode(time):
    if time == 3:
        raise ValueError("the motor\nis on fire.")
    return 0.0


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("reward", lambda t: float("nan"), "wrong reward or flag at step 3: expected a finite reward, received nan"),
        ("reward", lambda t: np.float64("inf"), "expected a finite reward, received inf"),
        ("reward", lambda t: None, "expected a number of shape [], received None"),
        ("reward", lambda t: np.zeros(2), "expected a number of shape [], received float64 of shape [2]"),
        ("observation", lambda t: np.array([0, np.nan]), "at step 3: expected finite numbers, received nan"),
        ("observation", lambda t: np.zeros(3), "expected float32 of shape [2], received float64 of shape [3]"),
        ("observation", lambda t: np.zeros(2, complex), "expected float32 of shape [2], received complex128"),
        ("observation", lambda t: [[1.0], [1.0, 2.0]], "expected float32 of shape [2], received"),
        ("terminated", lambda t: "no", "expected True or False of shape []"),
        ("truncated", lambda t: 2, "expected True or False of shape []"),
        ("info", lambda t: None, "wrong info at step 3: expected a dict"),
        ("reward", explode, "failed at step 3: ValueError: the motor is on fire."),
    ],
)  # fmt: skip
def test_a_fault_names_environment_step_and_what_was_expected(name, answer, sentence):
    good = {"reward": 0.0, "observation": ZERO, "terminated": False, "truncated": False, "info": {}}[name]
    environment = plain(**{name: lambda time: answer(time) if time == 3 else good})
    state, _ = environment.reset(0)
    for _ in range(2):
        state, _ = environment.step(None, state, ZERO)
    with pytest.raises(ActlabError) as caught:
        environment.step(None, state, ZERO)
    message = str(caught.value)
    assert message.startswith("The environment 'Plain' ")
    assert sentence in message
    assert "at step 3" in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("space", "wrong", "sentence"),
    [
        (spaces.Discrete(3), 3, "expected 0 .. 2, received 3"),
        (spaces.Discrete(3), 0.5, "expected integers, received float64"),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 3]), "expected 0 .. 2, received 3"),
        (spaces.MultiBinary(2), np.array([0, 2]), "expected 0 .. 1, received 2"),
        (spaces.Box(0, 255, (2,), np.uint8), np.zeros(2, np.float32), "expected uint8 of shape [2], received float32"),
        (spaces.Tuple([spaces.Discrete(2)] * 2), (1,), "expected a tuple of 2, received (1,)"),
        (spaces.Dict({"a": spaces.Discrete(2)}), {"b": 1}, "expected a dict with a, received {'b': 1}"),
        (spaces.Dict({"a": spaces.Discrete(2)}), {"a": 5}, "in 'a' expected 0 .. 1, received 5"),
        (spaces.OneOf([spaces.Discrete(2)] * 2), (2, 0), "expected 0 .. 1, received 2"),
    ],
)
def test_observations_of_every_space_are_checked(space, wrong, sentence):
    with pytest.raises(ActlabError) as caught:
        HostEnvironment(Plain, observation_space=space, answers={"observation": lambda time: wrong})
    assert f"returned a wrong observation at reset: {sentence}" in str(caught.value)
