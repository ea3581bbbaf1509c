"""Action codes: codecs (how an action is represented) and constraints (which are allowed now)."""

from actlab.actions.affine import Normalise
from actlab.actions.bins import Bins
from actlab.actions.chunk import Chunk
from actlab.actions.coarse_to_fine import CoarseToFine
from actlab.actions.flatten import Flatten
from actlab.actions.identity import Identity

__all__ = ["Bins", "Chunk", "CoarseToFine", "Flatten", "Identity", "Normalise"]
