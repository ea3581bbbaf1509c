"""Cells that cost nothing, for the tests of where cells run. (Worker processes import this module.)"""

import os
import time

from actlab.core.errors import ActlabError
from actlab.tasks.waiting import waits_for


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
