"""Action codes: codecs (how an action is represented) and constraints (which are allowed now)."""

from actlab.actions.affine import Normalise
from actlab.actions.bins import Bins
from actlab.actions.chunk import Chunk
from actlab.actions.coarse_to_fine import CoarseToFine
from actlab.actions.delta import Delta
from actlab.actions.digits import Digits
from actlab.actions.flatten import Flatten
from actlab.actions.identity import Identity
from actlab.actions.mu_law import MuLaw
from actlab.actions.primitives import Primitives, ScaledPrimitives, TerminatingPrimitives
from actlab.actions.project import Project
from actlab.actions.quantile_bins import QuantileBins
from actlab.actions.repeat import Repeat, RepeatCount
from actlab.actions.rescale import Rescale
from actlab.actions.unflatten import Unflatten

__all__ = [
    "Bins",
    "Chunk",
    "CoarseToFine",
    "Delta",
    "Digits",
    "Flatten",
    "Identity",
    "MuLaw",
    "Normalise",
    "Primitives",
    "Project",
    "QuantileBins",
    "Repeat",
    "RepeatCount",
    "Rescale",
    "ScaledPrimitives",
    "TerminatingPrimitives",
    "Unflatten",
]
