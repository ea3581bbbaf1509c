"""From words to options: the commands, their flags, and their help, without importing JAX.

The options of agents come from `options.json`. `train ppo --help` shows those of PPO; elsewhere, and for
codes, options are part of the word: `ppo:learning_rate=1e-3,epochs=4`.
"""

import argparse
import difflib
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from actlab.cli import notes
from actlab.cli.catalogue import Item, table
from actlab.cli.data_flags import NOTE as DATA_NOTE
from actlab.cli.data_flags import add_data
from actlab.cli.digest_flags import NOTE as DIGEST_NOTE
from actlab.cli.digest_flags import add_digest
from actlab.cli.paper_flags import add_papers
from actlab.cli.values import agent, budget, code, count, device, port, seconds, seed, variation
from actlab.core.errors import ActlabError, UnknownName

_TASK = "a task's name, a Gymnasium id, module:Id-v0 or module:Class"


class UsageError(ActlabError):
    """The command line is wrong."""

    exit_code = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence, and which never guesses at shortened flags."""

    def __init__(self, **settings: Any):
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{_sentence(message)} See: {self.prog} --help")


def _sentence(message: str) -> str:
    message = message.replace("the following arguments are required: ", "missing: ").replace("argument ", "", 1)
    return message[:1].upper() + message[1:] + ("" if message.endswith((".", "?")) else ".")


# --- commands ----------------------------------------------------------------------------------------


def build(words: Sequence[str] = (), completion: bool = False) -> Parser:
    """The parser.

    Args:
        words: the command line, in which the agent of `train` is looked for.
        completion: for the completion script: names as choices, and the options of every agent.
    """
    top = Parser(
        prog="actlab",
        description="The laboratory for action spaces: choose how actions are represented, train, compare.",
        epilog=notes.EXAMPLES,
    )
    top.add_argument("--version", action="store_true", help="show the version and exit")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: str, text: str, note: str = "", **settings: Any) -> Parser:
        parser = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.{note}", **settings)
        parser.set_defaults(run=run)
        return parser

    def choices(action: argparse.Action, kind: str) -> None:
        if completion:
            action.choices = sorted(table(kind))
            action.type = None

    train = command("train", "train", "train one agent on one task")
    choices(
        train.add_argument(
            "agent", type=agent, metavar="AGENT", help="one that `actlab agents` lists, or module:Class of your own"
        ),
        "agent",
    )
    _task(train, choices)
    choices(train.add_argument("--code", type=code, metavar="CODE", help="how actions are represented"), "code")
    train.add_argument("--steps", type=count, metavar="N", default=100_000, help="native environment steps (100k)")
    _seeds(train, None)
    _measured(train)
    train.add_argument("--from", dest="start", metavar="RUN", help="begin with the weights of a finished run")
    train.add_argument("--sink", action="append", choices=("tensorboard", "wandb"), help="write metrics there too")
    _output(train, "run")
    _patience(train)
    _device(train)
    shown = list(table("agent").values()) if completion else _agents_in(words)
    _agent_options(train, shown, hidden=completion)

    compare = command("compare", "compare", "compare agents and action codes over seeds, and say what may be concluded")
    choices(compare.add_argument("agents", nargs="+", type=agent, metavar="AGENT", help="one or more agents"), "agent")
    _task(compare, choices, several=True)
    choices(
        compare.add_argument(
            "--code", action="append", type=code, metavar="CODE", help="an action code; give it again for more"
        ),
        "code",
    )
    compare.add_argument(
        "--steps", type=count, metavar="N", default=20_000, help="native environment steps of a run (20k)"
    )
    _seeds(compare, 5)
    _measured(compare)
    _workers(compare)
    compare.add_argument("--question", metavar="TEXT", help="what is asked, as the report's title")
    _output(compare, "study")
    _patience(compare)
    _device(compare)

    sweep = command(
        "sweep", "sweep.sweep", "train one agent with many settings, and sort them by score", notes.SWEEP_NOTE
    )
    sweep.epilog = notes.SWEEP_EXAMPLES
    choices(
        sweep.add_argument(
            "agent", type=agent, metavar="AGENT", help="the agent; its options stay where they are not varied"
        ),
        "agent",
    )
    _task(sweep, choices)
    choices(
        sweep.add_argument("--code", type=code, metavar="CODE", default="identity", help="the action code (identity)"),
        "code",
    )
    sweep.add_argument(
        "--vary",
        action="append",
        required=True,
        type=variation,
        metavar="OPTION=VALUES",
        help="LOW..HIGH, LOW..HIGH:log or A,B,C; give it again for more options",
    )
    spread = sweep.add_mutually_exclusive_group()
    spread.add_argument("--grid", type=count, metavar="N", help="every combination, N values of each range (4)")
    spread.add_argument("--random", type=count, metavar="N", help="N settings drawn at random instead")
    sweep.add_argument(
        "--steps", type=count, metavar="N", default=20_000, help="native environment steps of a run (20k)"
    )
    _seeds(sweep, 3)
    _measured(sweep)
    _workers(sweep)
    _output(sweep, "sweep")
    _patience(sweep)
    _device(sweep)

    suggest = command(
        "suggest", "suggest.suggest", "try the agents and codes that fit a task, and rank them", notes.SUGGEST_NOTE
    )
    suggest.epilog = notes.SUGGEST_EXAMPLES
    choices(
        suggest.add_argument(
            "task", type=str, metavar="TASK", help="a task's name, a Gymnasium id, module:Id-v0 or module:Class"
        ),
        "task",
    )
    suggest.add_argument(
        "--budget", type=budget, required=True, metavar="N", help="training steps (200k) or time (20m), all together"
    )
    choices(
        suggest.add_argument(
            "--agent", action="append", type=agent, metavar="AGENT", help="only this agent; give it again for more"
        ),
        "agent",
    )
    choices(
        suggest.add_argument(
            "--code", action="append", type=code, metavar="CODE", help="only this code; give it again for more"
        ),
        "code",
    )
    suggest.add_argument("--steps", type=count, metavar="N", help="steps of the last runs (what the budget affords)")
    suggest.add_argument("--shortest", type=count, metavar="N", default=1_000, help="fewest steps of a run (1k)")
    suggest.add_argument("--seed", type=seed, metavar="S", default=0, help="the first seed (0)")
    suggest.add_argument("--seeds", type=count, metavar="N", default=5, help="seeds of the last candidates (5)")
    _measured(suggest)
    _workers(suggest)
    _output(suggest, "suggestion")
    _device(suggest)

    evaluate = command("evaluate", "evaluate", "evaluate a trained run on fresh episodes")
    evaluate.add_argument("folder", metavar="RUN", help="the folder of a run")
    choices(evaluate.add_argument("--task", metavar="ID", help="another task with the same spaces"), "task")
    evaluate.add_argument("--episodes", type=count, metavar="N", default=100, help="episodes (100)")
    evaluate.add_argument("--seed", type=seed, metavar="S", default=0, help="seed of the episodes (0)")
    _patience(evaluate)
    _device(evaluate)

    video = command("video", "video.video", "film a trained run: its best, median and worst episode", notes.VIDEO_NOTE)
    video.epilog = notes.VIDEO_EXAMPLES
    video.add_argument("folder", metavar="RUN", help="the folder of a run")
    choices(video.add_argument("--task", metavar="ID", help="another task with the same spaces"), "task")
    video.add_argument("--episodes", type=count, metavar="N", default=10, help="episodes to choose from (10)")
    video.add_argument("--out", metavar="FILE", help="an .mp4 or .gif file (RUN/video.mp4)")
    video.add_argument("--fps", type=count, metavar="N", help="frames a second (what the task declares, else 30)")
    video.add_argument("--height", type=count, metavar="N", default=320, help="height of the video in pixels (320)")
    video.add_argument("--sampled", action="store_true", help="play the sampling policy, not the greedy one")
    video.add_argument("--seed", type=seed, metavar="S", default=0, help="seed of the episodes (0)")
    _patience(video)
    _device(video)

    export = command("export", "export.export", "write a trained policy as files that run without actlab")
    export.add_argument("folder", metavar="RUN", help="the folder of a finished run")
    export.add_argument("--out", required=True, metavar="DIR", help="where the files go")
    export.add_argument(
        "--format", choices=("safetensors", "onnx"), default="safetensors", help="weights alone, or an ONNX file too"
    )

    resume = command("resume", "resume", "go on with a run that was stopped")
    resume.add_argument("folder", metavar="RUN", help="the folder of a run")
    _patience(resume)
    _device(resume)

    report = command("report", "report", "write the report of a study as one HTML page")
    report.add_argument("folder", metavar="STUDY", help="the folder of a study")
    report.add_argument("--out", metavar="DIR", help="folder of the report (the study's own)")

    tasks = command("tasks", "tasks", "list tasks; show or check one", usage="actlab tasks [NAME | check ID] [flags]")
    choices(tasks.add_argument("words", nargs="*", metavar="NAME", help="a task to show; or `check ID`"), "task")
    _patience(tasks)

    for kind in ("agent", "code"):
        listing = command(f"{kind}s", "catalogue", f"list {kind}s; show one with its options")
        choices(listing.add_argument("name", nargs="?", metavar="NAME", help=f"the {kind} to show"), kind)
        listing.set_defaults(kind=kind)

    add_papers(command, choices, _workers, _device)

    runs = command("runs", "runs", "list runs and studies, or remove some")
    runs.add_argument("action", choices=("list", "rm"), metavar="list|rm", help="what to do")
    runs.add_argument("folders", nargs="*", metavar="FOLDER", help="what to remove; or where to list from (runs)")

    web = command("web", "web.web", "read, run, watch and compare in a browser, on this machine", notes.WEB_NOTE)
    web.add_argument("--port", type=port, metavar="N", default=8765, help="where it answers; 0 is any free port (8765)")
    web.add_argument("--open", action="store_true", help="open it in a browser")
    web.add_argument("--runs", metavar="DIR", default="runs", help="folder of runs (runs)")
    web.add_argument("--results", metavar="DIR", default="results", help="folder of the papers' results (results)")

    add_digest(command("digest", "digest.digest", "send the news of the catalogue by mail", DIGEST_NOTE), choices)

    add_data(command("data", "data.data", "make, list, show or examine data sets of recorded episodes", DATA_NOTE))

    doctor = command("doctor", "doctor", "say what is installed, which extras work, and how fast this machine is")
    _device(doctor)

    script = command(
        "completion", "completion", "print the script that lets a shell complete `actlab`", notes.COMPLETION_NOTE
    )
    script.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="bash|zsh|fish", help="the shell")

    demo = command("demo", "demo", "one task, two action codes, five seeds, one figure; about a minute")
    _output(demo, "study")
    _device(demo)

    for parser in commands.choices.values():
        shared = parser.add_argument_group("output")
        shared.add_argument("--json", action="store_true", help="print the result as JSON")
        shared.add_argument("--quiet", action="store_true", help="no progress")
        shared.add_argument("--debug", action="store_true", help="show where an error came from")
    return top


def _task(parser: Parser, choices: Callable, several: bool = False) -> None:
    text = _TASK + ("; give it again for more" if several else "")
    action = "append" if several else "store"
    choices(parser.add_argument("--task", required=True, action=action, metavar="ID", help=text), "task")


def _seeds(parser: Parser, default: int | None) -> None:
    parser.add_argument("--seed", type=seed, metavar="S", default=0, help="the first seed (0)")
    parser.add_argument("--seeds", type=count, metavar="N", default=default, help=f"how many seeds ({default or 1})")


def _measured(parser: Parser) -> None:
    parser.add_argument("--evaluations", type=count, metavar="N", default=10, help="evaluations along a run (10)")
    parser.add_argument("--episodes", type=count, metavar="N", default=20, help="episodes of one evaluation (20)")


def _workers(parser: Parser) -> None:
    text = "worker processes (this process alone); with --ray: cells at a time"
    parser.add_argument("--workers", type=count, metavar="N", help=text)
    text = "compute on a Ray cluster: its address, or `local` for one of this machine"
    parser.add_argument("--ray", metavar="ADDRESS", help=text)


def _output(parser: Parser, what: str) -> None:
    parser.add_argument("--out", metavar="DIR", help=f"folder of the {what} (default: a new one under runs/)")


def _patience(parser: Parser) -> None:
    text = "most seconds that a simulator may take for one step (600)"
    parser.add_argument("--patience", type=seconds, metavar="SECONDS", default=600.0, help=text)


def _device(parser: Parser) -> None:
    parser.add_argument("--device", type=device, metavar="cpu|gpu|N", help="where to compute (what JAX finds)")


def _agents_in(words: Sequence[str]) -> list[Item]:
    """The agent that `train` is asked for, if one of the words is one."""
    names = [word.partition(":")[0] for word in words[1:] if words[0] == "train"]
    return [table("agent")[name] for name in names if name in table("agent")][:1]


def _agent_options(train: Parser, items: Sequence[Item], hidden: bool) -> None:
    if not items:
        train.epilog = "The options of an agent: actlab train AGENT --help"
    given = {flag for action in train._actions for flag in action.option_strings}
    for item in items:
        group = train.add_argument_group(f"options of {item.name}")
        for option in item.options:
            if option.flag in given:
                if hidden:
                    continue
                raise AssertionError(f"{item.name} has an option {option.name!r}, which is a flag of `train`.")
            given.add(option.flag)
            text = f"{option.help} ({option.shown})".replace("%", "%%")
            group.add_argument(option.flag, dest=f"agent.{option.name}", metavar=option.value, help=text)


# --- parsing -----------------------------------------------------------------------------------------


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options of a command line.

    `run` names the function that does it (of `commands`, or `module.name`), `line` is how one would type it.

    Raises:
        UsageError: a flag is unknown, missing or has a wrong value.
        UnknownName: a command, agent or code is unknown.
        SystemExit: help was asked for, and printed.
    """
    parser = build(words)
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    if words and not words[0].startswith("-") and words[0] not in commands:
        raise UnknownName("command", words[0], commands)
    options, unknown = parser.parse_known_args(words)
    if options.version:
        options.run = "version"
    elif options.command is None:
        parser.print_help()
        raise SystemExit(0)
    elif unknown:
        raise UsageError(_unknown_flag(unknown[0].partition("=")[0], commands[options.command]))
    options.line = shlex.join(["actlab", *words])
    return options


def _unknown_flag(word: str, parser: argparse.ArgumentParser) -> str:
    known = [flag for action in parser._actions for flag in action.option_strings]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"see: {parser.prog} --help"
    return f"`{parser.prog}` does not know {word!r}; {hint}"
