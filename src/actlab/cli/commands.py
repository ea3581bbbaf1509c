"""What the commands do: each is one function of the parsed options that calls the library and shows its answer.

Everything but the standard library is imported inside the functions.
"""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actlab.cli.catalogue import look_up, runs_where, scores, table, task_table
from actlab.core.errors import ActlabError, SpaceError


def show(options: argparse.Namespace, data: Any, text: str) -> None:
    """The answer on standard output: `data` with `--json`, else `text`."""
    if options.json:
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    sys.stdout.write(text + "\n")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, two spaces apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph, at most 100 characters wide."""
    return textwrap.fill(text, 100, initial_indent=indent, subsequent_indent=indent)


def use_device(name: str | None) -> None:
    """Let JAX compute on the CPU, on any accelerator, or on one of them; None leaves the choice to JAX.

    Raises:
        ActlabError: there is no such device.
    """
    if name is None:
        return
    os.environ["JAX_PLATFORMS"] = "cpu" if name == "cpu" else "cuda"  # also for worker processes
    if name.isdigit():
        os.environ["CUDA_VISIBLE_DEVICES"] = name
    import jax

    jax.config.update("jax_platforms", os.environ["JAX_PLATFORMS"])
    try:
        found = jax.devices()
    except (RuntimeError, AssertionError):  # where no plugin for it is installed, JAX only asserts
        found = []
    if not found or (found[0].platform == "cpu") != (name == "cpu"):
        raise ActlabError(f"JAX finds no device {name!r} here; accelerators need: pip install 'actlab[cuda12]'.")


# --- lists, from options.json alone ------------------------------------------------------------------


def version(options: argparse.Namespace) -> None:
    """`actlab --version`"""
    from actlab import __version__

    sys.stdout.write(f"actlab {__version__}\n")


def catalogue(options: argparse.Namespace) -> None:
    """`actlab agents [NAME]` and `actlab codes [NAME]`"""
    if options.name is None:
        items = list(table(options.kind).values())
        data = [{"name": item.name, "summary": item.summary} for item in items]
        return show(options, data, columns([(item.name, item.summary) for item in items]))
    item = look_up(options.kind, options.name.partition(":")[0])
    lines = [f"{item.name}: {item.summary}", wrapped(item.description)]
    if item.options:
        lines += ["", f"Options, written as in {item.name}:{item.options[0].name}={item.options[0].default or '...'}"]
    for option in item.options:
        lines += [f"  {option.name}: {option.type} ({option.shown})", wrapped(option.help, "      ")]
    data = {
        "name": item.name,
        "summary": item.summary,
        "description": item.description,
        "options": [vars(option) for option in item.options],
    }
    show(options, data, "\n".join(lines))


def tasks(options: argparse.Namespace) -> None:
    """`actlab tasks`, `actlab tasks NAME`, `actlab tasks check ID`"""
    from actlab.core.suites import list_suites

    words = options.words
    if not words:
        items = list(task_table().values())
        text = "\n".join(item.lines for item in items)
        also = "and every Gymnasium id, such as HalfCheetah-v5, and module:Id-v0 (on the host) or module:Class"
        suites = list_suites()
        rows = [(suite.example, "installed" if suite.installed else suite.install) for suite in suites]
        data = [*(item.facts for item in items), *(suite.facts for suite in suites)]
        return show(options, data, f"{text}\n\n{also}\n\nSuites, by one task of each:\n{columns(rows)}")
    if words[0] == "check":
        if len(words) != 2:
            raise ActlabError("Name the task to check: actlab tasks check ID")
        return _check_task(options, words[1])
    if len(words) > 1:
        raise ActlabError(f"One task at a time; received {', '.join(words)}.")
    from actlab.tasks import task as find_task

    made = find_task(words[0])
    environment, spec = made.environment, made.spec
    data = {
        "name": spec.name,
        "summary": table("task")[spec.name].summary if spec.name in table("task") else "",
        "observation": repr(environment.observation),
        "action": repr(environment.action),
        "horizon": spec.horizon,
        "discount": spec.discount,
        "runs": runs_where(environment.compiled),
        "reference": dict(spec.reference),
    }
    told = {**data, "reference": scores(spec.reference)}
    show(options, data, columns([(name, str(value)) for name, value in told.items() if value]))


def _check_task(options: argparse.Namespace, name: str) -> None:
    """What the checker says of a task.

    Raises:
        ActlabError: it found errors (said last, so that the exit code tells).
    """
    from actlab.tasks.check import check_task
    from actlab.training.patience import patience

    with patience(options.patience):
        findings = check_task(name)
    data = [{"severity": finding.severity, "sentence": finding.sentence} for finding in findings]
    show(options, data, "\n".join(map(str, findings)))
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        raise ActlabError(f"{name} has {errors} {'error' if errors == 1 else 'errors'}; see above.")


def runs(options: argparse.Namespace) -> None:
    """`actlab runs list [ROOT]` and `actlab runs rm FOLDER...`"""
    from actlab.cli.folders import list_folders, remove_folders

    folders = [Path(folder) for folder in options.folders]
    if options.action == "list":
        found = [row for root in folders or [Path("runs")] for row in list_folders(root)]
        rows = [(row.folder, row.kind, row.state, f"{row.megabytes} MB", row.what) for row in found]
        return show(options, [vars(row) for row in found], columns(rows) if rows else "nothing here")
    if not folders:
        raise ActlabError("Name the folders to remove: actlab runs rm FOLDER...")
    removed = [str(folder) for folder in remove_folders(folders)]
    show(options, removed, "\n".join(f"removed {folder}" for folder in removed))


def doctor(options: argparse.Namespace) -> None:
    """`actlab doctor`"""
    use_device(options.device)
    from actlab.cli.doctor import advice, examine

    found = examine()
    cache = found["cache"]
    rows = [
        *found["versions"].items(),
        ("processor", f"{found['machine']['processor']}, {found['machine']['cores']} cores"),
        ("devices", ", ".join(found["devices"])),
        ("speed", f"{found['gigaflops']:.0f} GFLOP/s (matrix product, float32, 1024 x 1024)"),
        ("cache", f"{cache['folder']}: {cache['programs']} programs, {cache['megabytes']} MB"),
    ]
    wanting = {
        name: f"pip install 'actlab[{name}]' brings {', '.join(new)}" for name, new in found["extras"].items() if new
    }
    rows += [(f"[{name}]", wanting.get(name, "installed")) for name in found["extras"]]
    show(options, found, "\n".join([columns(rows), *(f"\n{sentence}" for sentence in advice(found))]))


def completion(options: argparse.Namespace) -> None:
    """`actlab completion bash|zsh|fish`"""
    from actlab.cli.parser import build
    from actlab.core.errors import MissingExtra

    try:
        import shtab
    except ImportError:
        raise MissingExtra("Shell completion", "completion") from None
    sys.stdout.write(shtab.complete(build(completion=True), options.shell) + "\n")


# --- training ----------------------------------------------------------------------------------------


def agent_of(word: str, flags: dict[str, str] | None = None) -> Any:
    """The agent that a word such as `ppo:epochs=4` and flags such as `--epochs 4` describe.

    Raises:
        ActlabError: an option is unknown or has a wrong value.
    """
    from actlab.core.options import construct, parse_call
    from actlab.core.registry import AGENTS

    call = parse_call(word)
    return construct(AGENTS, call._replace(options={**call.options, **(flags or {})}))


def train(options: argparse.Namespace) -> None:
    """`actlab train AGENT --task ID`"""
    use_device(options.device)
    from actlab.actions.parse import fitting_codes, parse_code
    from actlab.tasks import task as find_task
    from actlab.training import api
    from actlab.training.patience import patience

    flags = {
        name[6:]: value for name, value in vars(options).items() if name.startswith("agent.") and value is not None
    }
    with patience(options.patience):
        task = find_task(options.task)
    if options.code is not None:
        code = parse_code(options.code, own=True)
        try:
            task = task.with_code(code)
        except SpaceError as error:
            fitting = ", ".join(fitting_codes(task.environment.action))
            raise SpaceError(f"{error} Codes for {task.environment.action}: {fitting}.") from None
    runs = api.train(
        agent_of(options.agent, flags),
        task,
        options.steps,
        seed=options.seed,
        seeds=options.seeds,
        out=options.out,
        evaluations=options.evaluations,
        episodes=options.episodes,
        sinks=options.sink or (),
        start=options.start,
        patience=options.patience,
        quiet=options.quiet,
    )
    _show_runs(options, runs if isinstance(runs, list) else [runs])


def _show_runs(options: argparse.Namespace, runs: Sequence[Any]) -> None:
    """Where the runs are and what their last evaluation says."""
    from actlab.reports.verdict import number
    from actlab.training.metrics import read_metrics

    data = []
    for run in runs:
        evaluated = [row for row in read_metrics(run.folder) if "evaluation/return" in row]
        data.append({"folder": str(run.folder), "seed": run.seed, **run.result, "evaluation": evaluated[-1]})

    def line(row: dict[str, Any]) -> str:
        return f"{row['folder']}: return {number(row['evaluation']['evaluation/return'])} after {row['steps']:,} steps"

    show(options, data, "\n".join(map(line, data)))


def resume(options: argparse.Namespace) -> None:
    """`actlab resume RUN`

    Raises:
        ActlabError: the folder holds a study, which its own command continues, or nothing of ours.
    """
    from actlab.cli.folders import kind_of

    kind = kind_of(Path(options.folder))
    if kind in ("study", "suggestion"):
        raise ActlabError(f"{options.folder} is a {kind}: the `actlab` command that began it goes on with it.")
    use_device(options.device)
    from actlab.training import api

    _show_runs(options, [api.resume(options.folder, patience=options.patience, quiet=options.quiet)])


def evaluate(options: argparse.Namespace) -> None:
    """`actlab evaluate RUN`"""
    use_device(options.device)
    from actlab.reports.statistics import t_interval
    from actlab.reports.verdict import bracket, number
    from actlab.training import api

    scores = api.evaluate(
        options.folder, options.task, episodes=options.episodes, seed=options.seed, patience=options.patience
    )
    rows = [("score", "policy", "mean [95% interval]", "lowest", "highest")]
    for name, policies in scores.items():
        for policy, values in policies.items():
            mean = bracket(t_interval(values)) if len(values) > 1 else number(values[0])
            rows.append((name, policy, mean, number(min(values)), number(max(values))))
    show(options, scores, columns(rows))


def compare(options: argparse.Namespace) -> None:
    """`actlab compare AGENT... --task ID... --code CODE...`"""
    use_device(options.device)
    from actlab.training import api

    study = api.compare(
        [agent_of(word) for word in options.agents],
        options.task,
        options.code or ["identity"],
        seeds=options.seeds,
        seed=options.seed,
        steps=options.steps,
        out=options.out,
        evaluations=options.evaluations,
        episodes=options.episodes,
        workers=options.workers,
        ray=options.ray,
        patience=options.patience,
        question=options.question,
        command=options.line,
        quiet=options.quiet,
    )
    _show_study(options, study.result, study.report())


DEMO = (
    "compare sac:width=64,batch_size=64,warmup=500,learning_rate=1e-3 --task Pendulum-v1 "
    "--code normalise --code bins:bins=5 "
    "--seeds 5 --steps 5k --evaluations 5 --episodes 10 --workers 2 --out runs/demo"
)
"""What the demonstration is short for."""


def demo(options: argparse.Namespace) -> None:
    """`actlab demo`: a comparison that fits into a minute, and its figure."""
    from actlab.cli.parser import parse

    given = [f"--{name}={value}" for name in ("out", "device") if (value := getattr(options, name)) is not None]
    given += [f"--{name}" for name in ("json", "quiet") if getattr(options, name)]
    asked = parse([*DEMO.split(), *given])
    sys.stderr.write(f"{asked.line}\n")
    compare(asked)
    for figure in sorted(Path(asked.out).glob("figures/*.png")):
        sys.stderr.write(f"figure: {figure}\n")


def report(options: argparse.Namespace) -> None:
    """`actlab report STUDY`"""
    from actlab.reports.compare import write_report
    from actlab.reports.result import StudyResult

    folder = Path(options.folder)
    result = StudyResult.load(folder / "study.json")
    _show_study(options, result, write_report(result, Path(options.out) if options.out else folder))


def _show_study(options: argparse.Namespace, result: Any, page: Path) -> None:
    """The arms, what may be concluded, what was left out, and where the report is.

    Raises:
        ActlabError: seeds failed (said last, so that the exit code tells).
    """
    from actlab.reports.summary import judge
    from actlab.reports.verdict import bracket

    said = judge(result)
    lines = []
    for task, verdict in said.items():
        rows = [("arm", f"{result.metric} [95% interval]", "seeds", "failed")]
        rows += [(arm.name, bracket(arm.mean), str(arm.seeds), str(arm.failed or "-")) for arm in verdict.arms]
        lines += [f"{task}: {verdict.headline}", "", columns(rows), ""]
    lines += [f"left out: {pair.agent} with {pair.code}: {pair.reason}" for pair in result.skipped]
    lines += [f"failed: {failure.arm}, seed {failure.seed}: {failure.sentence}" for failure in result.failed]
    lines.append(f"report: {page}")
    data = {
        "report": str(page),
        "study": json.loads(result.to_json()),
        "verdicts": {
            task: {"headline": v.headline, "status": v.status, "winner": v.winner, "may": v.may, "may_not": v.may_not}
            for task, v in said.items()
        },
    }
    show(options, data, "\n".join(lines))
    if result.failed:
        raise ActlabError(f"Failed seeds: {len(result.failed)}; the sentences are in the report.")
