"""Cells that cost nothing, for the tests of where cells run. (Worker processes import this module.)"""

import os
import signal
import time
from dataclasses import replace
from unittest.mock import patch

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell, Claim, Study
from actlab.papers.card import Paper
from actlab.tasks.waiting import waits_for
from actlab.training import api
from actlab.training.graph import GraphDriver
from tests.papers.coin import CARD as COINS


def process_cell(cell, folder, inputs, quiet):
    """Which process computed it; or a failure, a death or a wait without an end, where the parameters ask for one."""
    if cell.parameters["fate"] == "fail":
        raise ActlabError("asked to fail")
    if cell.parameters["fate"] == "die":
        os._exit(1)
    if cell.parameters["fate"] == "hang":
        with waits_for("environment", "toy", "at step 1"):
            time.sleep(3600)
    return {"process": os.getpid(), "inputs": sorted(inputs)}


def killed_cell(cell, folder, inputs, quiet):
    """`train_cell` with a checkpoint after every call of the driver, of which the file `calls` tells (process ids).

    SIGKILL at the calls whose numbers the parameter `kills` lists, and a wait for Ctrl-C at those of `waits`, counted
    over all processes that worked at the cell.
    """
    run, settings, calls = GraphDriver.run, api._settings, folder / "calls"

    def counted(*arguments):
        result = run(*arguments)
        with open(calls, "a") as file:
            file.write(f"{os.getpid()}\n")
        count = len(calls.read_text().splitlines())
        if count in cell.parameters["kills"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if count in cell.parameters["waits"]:
            wait_for_interrupt(folder / "waits")
        return result

    with (
        patch.object(GraphDriver, "run", counted),
        patch.object(api, "_settings", lambda config: replace(settings(config), checkpoint_seconds=0.0)),
    ):
        return api.train_cell(cell, folder, inputs, quiet)


def wait_for_interrupt(sign):
    """Make the file `sign`, and return when Ctrl-C has come and whoever listened before has heard of it."""
    listener, heard = signal.getsignal(signal.SIGINT), []

    def hear(*arguments):
        listener(*arguments)
        heard.append(arguments)

    signal.signal(signal.SIGINT, hear)
    sign.touch()
    for _ in range(6_000):
        time.sleep(0.05)  # not a lock: Ray's signal is simulated and would not end the wait for one
        if heard:
            break
    signal.signal(signal.SIGINT, listener)
    if not heard:
        raise ActlabError("nobody pressed Ctrl-C")


def scored(kills=(), waits=()):
    """The score of a training that is killed, or stopped, at these calls of its driver."""
    from actlab.agents.ppo import PPO
    from actlab.tasks.catalogue import task
    from actlab.training.runs import describe

    small = PPO(environments=2, decisions=32, minibatch=32, epochs=2, width=16)
    parameters = describe(small, task("CartPole-v1"))
    parameters |= {"steps": 640, "evaluations": 2, "episodes": 2, "kills": list(kills), "waits": list(waits)}
    trained = Cell(f"{__name__}:killed_cell", parameters, 3)
    return Cell("actlab.training.api:evaluate_cell", {"episodes": 2}, 3, {"train": trained})


STOPPED = Paper(
    replace(COINS, slug="stopped"),
    (Claim("learns", "It learns.", "return", "CartPole-v1", "trained", 1.0, primary=True),),
    lambda scale: Study("Does it learn?", {"trained": [scored(waits=[5])]}),
)
"""A study that waits for Ctrl-C in the middle of its only training."""
