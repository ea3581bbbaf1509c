"""What a paper is and what it claims. Cards are words and numbers only: reading them imports nothing heavy."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell, Claim, Count, Study

__all__ = ["JUDGED", "SCALES", "Card", "Cell", "Claim", "Count", "Paper", "Scale", "Study"]

Scale = Literal["smoke", "small", "paper"]

SCALES: dict[Scale, str] = {
    "smoke": "seconds; shows that all parts join up, and says nothing about a claim",
    "small": "the primary claim, its baseline and the ablation that shows the mechanism, on two cores",
    "paper": "the paper's own setting, for those who have the hardware",
}
JUDGED: tuple[Scale, ...] = ("paper", "small")
"""The scales whose results give a claim its status; the first one that has judged the claim counts."""


@dataclass(frozen=True)
class Card:
    """Who wrote what, and what it is here.

    Raises:
        ActlabError: the slug is no word of small letters, digits and dashes.
    """

    slug: str
    """Short name: of the command line, of the folder under `results/`, of the page under `docs/papers/`."""
    title: str
    date: str
    """Of the first version: a year, or year-month-day."""
    authors: int
    """How many."""
    arxiv: str
    """The arXiv id; "" where there is none."""
    code: str
    """Where the authors' code lies, and its licence; "" where none was found."""
    summary: str
    """What the paper proposes, in our own words."""
    here: str
    """What it is in actlab: which agent, codec, task or planner, and how it deviates."""
    tags: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    """Where paper and published code differ: each a sentence that names the switch. The default is the paper."""

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.slug):
            raise ActlabError(f"A paper's slug has small letters, digits and dashes; received {self.slug!r}.")


@dataclass(frozen=True)
class Paper:
    """A paper's card, its claims, and the study that tests them at each scale.

    Raises:
        ActlabError: two claims share a name, or not exactly one is primary.
    """

    card: Card
    claims: tuple[Claim | Count, ...]
    study: Callable[[Scale], Study]
    """The arms of a scale, each a list of cells, one a seed. Arms of claims beyond a scale's budget are left out."""
    budget: str = ""
    """How the small scale was chosen, and what it was planned to cost: written before it was run."""

    def __post_init__(self):
        names = [claim.name for claim in self.claims]
        if len(set(names)) < len(names):
            raise ActlabError(f"The claims of {self.card.slug} need different names; received {', '.join(names)}.")
        if sum(claim.primary for claim in self.claims) != 1:
            raise ActlabError(f"Exactly one claim of {self.card.slug} is the primary one.")

    def plan(self, scale: Scale) -> Study:
        """The study of a scale, with the paper's claims.

        Raises:
            ActlabError: there is no such scale, or an arm has no cell or the same seed twice.
        """
        if scale not in SCALES:
            raise ActlabError(f"The scale is one of {', '.join(SCALES)}; received {scale!r}.")
        study = self.study(scale)
        for name, cells in study.arms.items():
            seeds = [cell.seed for cell in cells]
            if not seeds or len(set(seeds)) < len(seeds):
                raise ActlabError(f"The arm {name!r} of {self.card.slug} needs cells of different seeds: {seeds}.")
        return replace(study, claims=self.claims)

    def unknown_arms(self) -> list[str]:
        """Arms that a claim names and no scale has: misspelt ones."""
        known = {name for scale in SCALES for name in self.study(scale).arms}
        return sorted({arm for claim in self.claims for arm in claim.arms} - known)
