"""The checker, on Gymnasium environments each broken in exactly one way (in the graph: `test_check_contract`)."""

import re

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from actlab.core.errors import MissingExtra, UnknownName
from actlab.tasks.check import Finding, check_task
from actlab.tasks.gymnasium import gymnasium_task
from tests.tasks.environments.plain import UNIT, Plain


def faults(task, **options) -> list[str]:
    """Errors and warnings, as they are told."""
    return [str(finding) for finding in check_task(task, **options) if finding.severity != "information"]


def plain(kind: type = Plain, limit: int | None = 30, **options):
    return gymnasium_task(kind, max_episode_steps=limit, **options)


def one(told: list[str], start: str, *parts: str) -> None:
    """Exactly one fault was told, in one sentence, and it says this."""
    assert len(told) == 1, told
    assert told[0].startswith(start)
    assert told[0].endswith(".")
    for part in parts:
        assert part in told[0]


def late(wrong, right, step=2):
    """An answer that is wrong at one step."""
    return lambda time: wrong if time == step else right


ZERO = np.zeros(2, np.float32)


def test_nothing_wrong_is_said_with_what_was_checked():
    findings = check_task(plain())
    assert {finding.severity for finding in findings} == {"information"}
    told = [finding.sentence for finding in findings]
    assert re.fullmatch(r"It takes about [\d,]+ steps a second\.", told[0])
    assert re.fullmatch(r"No fault was found in \d+ steps of 3 episodes: .*seeds.*bounds were checked\.", told[1])
    assert isinstance(findings[0], Finding)


@pytest.mark.parametrize("name", ["gymnasium/CartPole-v1", "Hopper-v5", "FrozenLake-v1"])
def test_published_environments_are_sound(name):
    assert faults(name, longest=100) == []


def test_names():
    with pytest.raises(UnknownName, match="did you mean 'HalfCheetah-v5'"):
        check_task("HalfCheeta-v5")


def test_a_missing_extra_is_raised_not_found():
    def needy():
        raise ImportError("No module named 'mujoco'", name="mujoco")

    gymnasium.register("actlab-test/Needy-v0", needy)
    try:
        with pytest.raises(MissingExtra, match=r"actlab\[mujoco\]"):
            check_task("actlab-test/Needy-v0")
    finally:
        gymnasium.registry.pop("actlab-test/Needy-v0")


def test_an_environment_that_cannot_even_be_made_is_a_finding():
    gymnasium.register("actlab-test/Broken-v0", lambda: Plain(answers={"observation": lambda time: ZERO[:1]}))
    try:
        one(
            faults("actlab-test/Broken-v0"),
            "error: The environment 'actlab-test/Broken-v0' returned a wrong observation at reset",
            "expected float32 of shape [2], received float32 of shape [1]",
        )
    finally:
        gymnasium.registry.pop("actlab-test/Broken-v0")


@pytest.mark.parametrize(
    ("answers", "start", "part"),
    [
        (
            {"observation": late(np.array([np.nan, 0], np.float32), ZERO)},
            "error: Its observation is wrong at step 2",
            "nan",
        ),
        (
            {"observation": late(np.zeros(3, np.float32), ZERO)},
            "error: Its observation is wrong at step 2",
            "shape [3]",
        ),
        (
            {"observation": late(np.array(["a", "b"]), ZERO)},
            "error: Its observation is wrong at step 2",
            "received <U1",
        ),
        (
            {"observation": late(np.zeros(2), ZERO)},
            "warning: Its observation is float64 at step 2",
            "its space says float32",
        ),
        (
            {"observation": late(np.array([0, 11], np.float32), ZERO)},
            "warning: Its observation leaves the declared space at step 2",
            "entry [1] is 11, expected -10 .. 10",
        ),
        (
            {"reward": late(np.nan, 0.0)},
            "error: Its reward is wrong at step 2",
            "expected a finite reward, received nan",
        ),
        ({"reward": late(None, 0.0)}, "error: Its reward is wrong at step 2", "expected a number"),
        (
            {"truncated": late("no", False)},
            "error: Its `terminated` or `truncated` is wrong at step 2",
            "True or False",
        ),
        ({"info": late(None, {})}, "error: Its info is no dict at step 2", "received None"),
        ({"info": late({"action_mask": 1}, {})}, "error: The first reset gave no mask", "there was one at step 2"),
        ({"info": late({"final_obs": ZERO}, {})}, "error: It starts over by itself within a step", "autoreset wrapper"),
    ],
)
def test_wrong_answers(answers, start, part):
    one(faults(plain(answers=answers)), start, part)


@pytest.mark.parametrize(
    ("wrong", "start", "part"),
    [
        ([1, 1, 0], "error: Its action mask has another form at step 2", "expected [2] of 0 and 1, received [1, 1, 0]"),
        ([0, 0], "error: Its action mask allows nothing at step 2", "though the episode goes on"),
        (None, "error: The first reset gave a mask, but there was none at step 2", "one always or never"),
    ],
)
def test_wrong_masks(wrong, start, part):
    answers = {"info": late({"action_mask": wrong}, {"action_mask": [1, 0]})}
    one(faults(plain(action_space=spaces.Discrete(2), answers=answers)), start, part)


def test_a_mask_of_other_parts():
    space = spaces.Tuple([spaces.Discrete(2)] * 2)
    answers = {"info": late({"action_mask": ([1, 0], None)}, {"action_mask": ([1, 0], [1, 1])})}
    one(faults(plain(action_space=space, answers=answers)), "error: Its action mask restricts other parts at step 2")


def test_a_mask_is_obeyed_and_may_allow_nothing_at_the_end():
    class Strict(Plain):
        def step(self, action):
            assert action != 1, "not allowed"
            return super().step(action)

    def mask(time):
        return {"action_mask": [1, 0, 1] if time < 4 else [0, 0, 0]}

    answers = {"info": mask, "terminated": lambda time: time == 4}
    assert faults(plain(Strict, action_space=spaces.Discrete(3), answers=answers)) == []


def test_an_action_that_is_declared_but_refused():
    class Shy(Plain):
        def step(self, action):
            if np.abs(action).max() == 1:  # random actions never are at the bound
                raise ValueError("not so hard")
            return super().step(action)

    one(
        faults(plain(Shy)),
        "error: It raised ValueError ('not so hard') at step 1 for the action",
        "space and mask allow",
    )

    class Choosy(Plain):
        def step(self, action):
            if self.time == 1 and action == 3:
                raise KeyError(3)
            return super().step(action)

    one(
        faults(plain(Choosy, action_space=spaces.Discrete(4))),
        "error: It raised KeyError ('3') at step 2",
        "np.int64(3)",
    )


def test_a_reset_that_fails_later():
    class Tired(Plain):
        def reset(self, *, seed=None, options=None):
            if seed == 2:
                raise RuntimeError("no more")
            return super().reset(seed=seed)

    one(faults(plain(Tired)), "error: It raised RuntimeError ('no more') when it was reset with seed 2")


def test_an_unbounded_action_names_the_code_that_helps():
    space = spaces.Dict(
        {"a": spaces.Discrete(2), "b": spaces.OneOf([UNIT, spaces.Box(-np.inf, np.inf, (3,), np.float32)])}
    )
    told = faults(plain(action_space=space))
    one(told, "warning: The action space has an unbounded part, Box(-inf, inf, [3])", "normalise:low=-1,high=1")


# --- ends --------------------------------------------------------------------------------------------


def test_an_episode_that_never_ends():
    class Endless(Plain):
        spec = EnvSpec("Endless-v0", max_episode_steps=12)  # declared, but nobody keeps it

    task = plain(Endless, limit=None, answers={"terminated": lambda time: False})
    one(faults(task), "error: An episode was neither terminated nor truncated after its horizon of 12 steps")


def test_a_failure_that_is_called_truncated():
    class Confused(Plain):
        def step(self, action):
            seen, reward, terminated, _, info = super().step(action)
            return seen, reward, False, terminated, info

    told = faults(plain(Confused, limit=500, action_space=spaces.Box(-5.0, 5.0, (2,), np.float32)))
    one(told, "warning: An episode was truncated after", "before its limit of 500", "must be `terminated`")


def test_a_time_limit_that_is_called_terminated():
    told = faults(plain(limit=500, answers={"terminated": lambda time: time >= 25}))
    one(told, "warning: Every episode terminated after exactly 25 steps", "as `truncated`")


def test_a_time_limit_that_is_not_declared():
    answers = {"terminated": lambda time: False, "truncated": lambda time: time >= 25}
    told = faults(plain(limit=500, answers=answers))
    one(told, "warning: Every episode was truncated after 25 steps, but the declared limit is 500")


def test_no_time_limit_at_all_is_mentioned():
    told = [str(finding) for finding in check_task(plain(limit=None), longest=40)]
    assert any("declares no time limit" in sentence and "after 1000 steps" in sentence for sentence in told)
    never = check_task(plain(limit=None, answers={"terminated": lambda time: False}), longest=40)
    assert any("followed for 40 steps only" in finding.sentence for finding in never)


def test_a_step_after_the_end_that_begins_a_new_episode():
    def make():
        return gymnasium.wrappers.Autoreset(gymnasium.wrappers.TimeLimit(Plain(), 12))

    one(faults(gymnasium_task(make, max_episode_steps=12)), "error: It starts over by itself: a step after the end")


def test_a_step_after_the_time_limit_that_goes_on():
    class Forgetful(Plain):
        spec = EnvSpec("Forgetful-v0", max_episode_steps=12)

    answers = {"terminated": lambda time: False, "truncated": lambda time: time == 12}
    one(faults(plain(Forgetful, limit=None, answers=answers)), "warning: A step after the time limit is answered as if")


def test_to_refuse_a_step_after_the_end_is_right():
    class Firm(Plain):
        def step(self, action):
            if self.time >= 12:
                raise RuntimeError("reset me")
            return super().step(action)

    assert faults(plain(Firm, limit=12)) == []


# --- seeds and copies --------------------------------------------------------------------------------


def test_a_reset_that_ignores_the_seed():
    generator = np.random.default_rng(0)

    class Deaf(Plain):
        def reset(self, *, seed=None, options=None):
            _, info = super().reset(seed=seed)
            self.place = generator.uniform(-1, 1, 2).astype(np.float32)
            return self.place.copy(), info

    one(faults(plain(Deaf)), "error: Its reset ignores the seed", "super().reset(seed=seed)")


def test_steps_that_draw_outside_of_the_seed():
    generator = np.random.default_rng(0)

    class Windy(Plain):
        def step(self, action):
            seen, reward, *rest = super().step(action)
            return seen, reward + generator.normal(), *rest

    one(
        faults(plain(Windy)), "error: It is not deterministic: two copies with seed 0", "differ in the reward at step 1"
    )


def test_what_is_left_over_from_earlier_episodes():
    class Leaky(Plain):
        """Its wind grows with all steps that the instance ever took."""

        taken = 0

        def step(self, action):
            self.taken += 1
            seen, reward, *rest = super().step(action)
            return seen, reward + (0.0 if self.taken < 150 else 1e-3 * self.taken), *rest

    told = faults(plain(Leaky, limit=60))
    one(told, "error: It is not deterministic", "reset all that changes")


def test_one_start_for_all_seeds_is_mentioned():
    findings = check_task(plain(answers={"observation": lambda time: ZERO}))
    assert all(finding.severity == "information" for finding in findings)
    assert any("All episodes start with the same observation" in finding.sentence for finding in findings)


def test_errors_come_first():
    space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    severities = [
        finding.severity for finding in check_task(plain(action_space=space, answers={"reward": late(None, 0.0)}))
    ]
    assert severities[:2] == ["error", "warning"]
    assert set(severities[2:]) == {"information"}
