"""Cells that cost nothing, for the tests of where cells run. (Worker processes import this module.)"""

import os

from actlab.core.errors import ActlabError


def process_cell(cell, folder, inputs, quiet):
    """Which process computed it; or a failure, or a death, where the parameters ask for one."""
    if cell.parameters["fate"] == "fail":
        raise ActlabError("asked to fail")
    if cell.parameters["fate"] == "die":
        os._exit(1)
    return {"process": os.getpid(), "inputs": sorted(inputs)}
