"""Sweeps: many settings of one agent on one task, several seeds each, as a study whose arms are the settings.

Options annotated `float` are traced, so settings that differ in these alone are trained by one driver and share its
compilation; every other option is compiled anew for each of its values. The cells are those of `compare`: a setting
that some study has trained already is not trained again.
"""

import itertools
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from actlab.core.codec import Codec
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.options import OptionError, convert, value_text
from actlab.core.registry import AGENTS
from actlab.reports.sweep import SweepResult, Varied
from actlab.tasks.catalogue import task as find_task
from actlab.training.api import StudyRun
from actlab.training.compilation import enable_compilation_cache
from actlab.training.patience import PATIENCE, patient
from actlab.training.runs import options_of, static_options
from actlab.training.study import plan, run_plan

DIGITS = 4
"""Significant digits of values that a grid or a draw makes, so that they can be typed again."""
POINTS = 4
"""Values of a range in a grid that does not say how many."""
FRESH_SEEDS = 5
"""Fewest seeds of the command that confirms the best setting: from so many a winner may be named."""


class Span(NamedTuple):
    """A range of numbers, both ends included."""

    low: float
    high: float
    log: bool
    whole: bool

    def at(self, share: float) -> float | int:
        """The number at `share` in [0, 1] of the way from low to high, rounded; the ends are exact."""
        if share in (0.0, 1.0):
            return self.high if share else self.low
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        return round(value) if self.whole else min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class SweepRun:
    """A sweep that was run: what it found, its study, and where both lie."""

    result: SweepResult
    study: StudyRun
    folder: Path

    def figure(self) -> Path:
        """Draw the parallel coordinates into `figures/sweep.png` and `.svg`; returns the path of the first."""
        from actlab.reports.figures import save
        from actlab.reports.parallel import parallel_coordinates

        task, seeds = self.result.study.tasks[0], self.result.seeds
        title = f"{task}: {len(self.result.rows)} settings, {seeds} {'seed' if seeds == 1 else 'seeds'} each"
        return save(parallel_coordinates(self.result, title=title), self.folder / "figures" / "sweep")[0]


@patient
def sweep(
    agent: Any,
    task: Task | str,
    vary: Mapping[str, str | Sequence[Any]],
    code: Codec | str = "identity",
    *,
    grid: int | None = None,
    random: int | None = None,
    seeds: int = 3,
    seed: int = 0,
    steps: int = 100_000,
    out: str | Path | None = None,
    evaluations: int = 10,
    episodes: int = 20,
    workers: int | None = None,
    ray: str | None = None,
    patience: float = PATIENCE,
    command: str = "",
    quiet: bool = False,
) -> SweepRun:
    """Train an agent with many settings of its options, several seeds each, and sort them by their final score.

    Settings that were trained before are kept: a second call trains nothing, an interrupted one goes on, and more
    seeds, a longer list of values or more draws (with the same first seed) train only what is new.

    Args:
        agent: an agent; what is not varied stays as it is set there.
        vary: option -> its values: a list, or as text "0.9,0.95,0.99" (a list) or "1e-4..1e-2:log" (a range; even
            steps where ":log" is left out).
        code: one code.
        grid: every combination, with so many values of each range (4 where neither grid nor random is given).
        random: so many settings drawn at random: uniform in a range (in its logarithm with ":log") or a list.
        seeds: of every setting: `seed`, `seed + 1`, ...
        others: as in `compare`.

    Raises:
        ActlabError: an option is unknown or a value does not fit, or the agent does not fit the code.
    """
    enable_compilation_cache()
    chosen = find_task(task) if isinstance(task, str) else task
    name = AGENTS.name_of(type(agent))
    if not vary:
        raise OptionError("A sweep needs at least one option to vary, such as learning_rate=1e-4..1e-2:log.")
    if grid is not None and random is not None:
        raise OptionError("A sweep is over a grid or over random draws; received both.")
    choices = {option: _choice(type(agent), name, option, spec) for option, spec in vary.items()}
    settings = _grid(choices, grid or POINTS) if random is None else _draws(choices, random, seed)
    settings.sort(key=lambda s: json.dumps(static_options(name, s), default=str))  # one compiled program after another
    agents = [replace(agent, **setting) for setting in settings]

    planned = plan(
        agents,
        [chosen],
        [code],
        range(seed, seed + seeds),
        steps,
        evaluations,
        episodes,
        f"Which settings of {name} learn best on {chosen.spec.name}?",
    )
    if not planned.study.arms:
        raise ActlabError(f"No setting of {name} fits. {planned.skipped[0].reason}")
    study, folder = run_plan(
        planned, "sweep", out, workers=workers, ray=ray, patience=patience, command=command, quiet=quiet
    )
    trained = {arm.name: {option: arm.parameters[option] for option in choices} for arm in study.arms}
    varied = [
        Varied(
            option, tuple(dict.fromkeys(s[option] for s in trained.values())), isinstance(choice, Span) and choice.log
        )
        for option, choice in choices.items()
    ]
    result = SweepResult(study, tuple(varied), trained, seeds)
    if result.best is not None:
        again = replace(agent, **result.best.options)
        words = ["--task", chosen.spec.name, "--code", study.arms[0].code, "--steps", str(steps)]
        words += ["--evaluations", str(evaluations), "--episodes", str(episodes)]
        words += ["--seed", str(seed + seeds), "--seeds", str(max(seeds, FRESH_SEEDS))]
        pair = dict.fromkeys([agent_word(again), agent_word(agent)])
        result = replace(result, confirm=shlex.join(["actlab", "compare", *pair, *words]))
    result.save(folder / "sweep.json")
    return SweepRun(result, StudyRun(planned.study, study, folder), folder)


def agent_word(agent: Any) -> str:
    """An agent as it is written on the command line, with the options that are not its defaults."""
    defaults = options_of(type(agent)())
    changed = [f"{k}={value_text(v)}" for k, v in options_of(agent).items() if v != defaults[k]]
    return AGENTS.name_of(type(agent)) + (f":{','.join(changed)}" if changed else "")


# --- what is varied ----------------------------------------------------------------------------------


def _choice(cls: type, name: str, option: str, spec: str | Sequence[Any]) -> Span | list[Any]:
    """The range or the values that `spec` says.

    Raises:
        OptionError: the option is unknown, or the text is no range and no list of values that fit.
    """

    def value(given: Any) -> Any:
        return convert(cls, {option: given if isinstance(given, str) else value_text(given)}, name=name)[option]

    if not isinstance(spec, str):
        values = [value(each) for each in spec]
    elif ".." in spec:
        return _span(option, spec, value)
    else:
        values = [value(each.strip()) for each in spec.split(",")]
    if not values:
        raise OptionError(f"The option {option!r} is varied over nothing; expected at least one value.")
    return list(dict.fromkeys(values))


def _span(option: str, spec: str, value: Any) -> Span:
    span, _, scale = spec.partition(":")
    low, high = (value(end.strip()) for end in span.split("..", 1))
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise OptionError(f"The option {option!r} holds no numbers, so it has no range; list its values: a,b,c.")
    if scale not in ("", "log"):
        raise OptionError(f"A range is low..high or low..high:log; received {spec!r} for {option!r}.")
    if not low < high:
        raise OptionError(f"A range goes from the lower end to the higher one; received {spec!r} for {option!r}.")
    if scale and low <= 0:
        raise OptionError(f"A range with :log needs a lower end above 0; received {spec!r} for {option!r}.")
    return Span(low, high, bool(scale), isinstance(low, int) and isinstance(high, int))


def _grid(choices: Mapping[str, Span | list[Any]], points: int) -> list[dict[str, Any]]:
    """Every combination, ranges cut at so many values."""

    def values(choice: Span | list[Any]) -> list[Any]:
        if not isinstance(choice, Span):
            return choice
        shares = [0.5] if points == 1 else [i / (points - 1) for i in range(points)]
        return list(dict.fromkeys(choice.at(share) for share in shares))

    combinations = itertools.product(*map(values, choices.values()))
    return [dict(zip(choices, combination, strict=True)) for combination in combinations]


def _draws(choices: Mapping[str, Span | list[Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """So many draws, equal ones once. The i-th draw of an option depends on (seed, option, i) alone."""

    def draw(option: str, choice: Span | list[Any], i: int) -> Any:
        share = float(np.asarray(jax.random.uniform(fold(jax.random.key(seed), "sweep", option, i))))
        return choice.at(share) if isinstance(choice, Span) else choice[int(share * len(choice))]

    drawn = [{option: draw(option, choice, i) for option, choice in choices.items()} for i in range(count)]
    return list({json.dumps(setting, default=str): setting for setting in drawn}.values())
