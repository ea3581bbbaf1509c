"""Cells that cost nothing, for the tests of where cells run. (Worker processes import this module.)"""

import os
import signal
import time
from dataclasses import replace
from unittest.mock import patch

from actlab.core.errors import ActlabError
from actlab.tasks.waiting import waits_for
from actlab.training import api
from actlab.training.graph import GraphDriver


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

    SIGKILL at the calls whose numbers the parameter `kills` lists, counted over all processes that worked at the cell.
    """
    run, settings, calls = GraphDriver.run, api._settings, folder / "calls"

    def counted(*arguments):
        result = run(*arguments)
        with open(calls, "a") as file:
            file.write(f"{os.getpid()}\n")
        if len(calls.read_text().splitlines()) in cell.parameters["kills"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    with (
        patch.object(GraphDriver, "run", counted),
        patch.object(api, "_settings", lambda config: replace(settings(config), checkpoint_seconds=0.0)),
    ):
        return api.train_cell(cell, folder, inputs, quiet)
