"""What a paper is and what it claims. Cards are words and numbers only: reading them imports nothing heavy."""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell, Claim, Count, Study

__all__ = ["JUDGED", "KINDS", "SCALES", "Card", "Cell", "Claim", "Count", "Kind", "Paper", "Reported", "Scale", "Study"]

Scale = Literal["smoke", "small", "paper"]

SCALES: dict[Scale, str] = {
    "smoke": "seconds; shows that all parts join up, and says nothing about a claim",
    "small": "the primary claim, its baseline and the ablation that shows the mechanism, on two cores",
    "paper": "the paper's own setting, for those who have the hardware",
}
JUDGED: tuple[Scale, ...] = ("paper", "small")
"""The scales whose results give a claim its status; the first one that has judged the claim counts."""

Kind = Literal["codec", "constraint", "agent", "planner", "world", "benchmark", "metric", "survey"]

KINDS: dict[Kind, str] = {
    "codec": "a way to write actions",
    "constraint": "a rule for which actions are allowed",
    "agent": "something that acts and improves from experience",
    "planner": "a search over actions in a model of the world",
    "world": "a learned model of the world, to act or plan in",
    "benchmark": "tasks or data with a score",
    "metric": "a number that says something of data or of training",
    "survey": "an order of the field",
}
"""What a system can be in actlab; several may hold."""

REPRODUCED, DIRECTION, FAILED, PENDING = "reproduced", "direction only", "not reproduced", "not yet run"
PLANNED = "planned"
"""The status of a system that has a card and nothing that could be run."""
STATUSES = (REPRODUCED, DIRECTION, FAILED, PENDING, PLANNED)
"""What a system's status may be: that of its primary claim, or `PLANNED`."""

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DATE = re.compile(r"\d{4}|\d{4}-\d{2}-\d{2}")
ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}")
SYMBOL = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Card:
    """Who wrote what, and what it is here.

    Raises:
        ActlabError: a field is not written as it should be.
    """

    slug: str
    """Short name: of the command line, of the folder under `results/`, of the page under `docs/papers/`."""
    title: str
    date: str
    """Of the first version: a year, or year-month-day."""
    authors: int
    """How many; 0 where it is not known."""
    arxiv: str
    """The arXiv id; "" where there is none."""
    code: str
    """Where the authors' code lies, and its licence; "" where none was found."""
    summary: str
    """Would it help me? The problem, the idea, what was shown, when to use it, what it costs: in our own words."""
    here: str
    """What it is in actlab: which agent, codec, task or planner, and how it deviates."""
    tags: tuple[str, ...] = ()
    """Words of the taxonomy (`actlab.papers.taxonomy`)."""
    switches: tuple[str, ...] = ()
    """Where paper and published code differ: each a sentence that names the switch. The default is the paper."""
    organisation: str = ""
    """Where its authors work; "" where it is not known."""
    kinds: tuple[Kind, ...] = ()
    """What it is here."""
    symbols: tuple[str, ...] = ()
    """What implements it here, each as `module:attribute`; none where it is not built."""
    related: tuple[str, ...] = ()
    """Slugs of papers that one should read beside it."""
    comments: int = 0
    """How many comments it has had on the list that it was found on."""

    def __post_init__(self):
        if not NAME.fullmatch(self.slug):
            raise ActlabError(f"A paper's slug has small letters, digits and dashes; received {self.slug!r}.")
        for field in ("tags", "switches", "kinds", "symbols", "related"):
            if isinstance(value := getattr(self, field), str):
                raise ActlabError(f"The {field} of {self.slug} are several, as a tuple; received {value!r}.")
        if not is_date(self.date):
            raise ActlabError(f"The date of {self.slug} is a year or year-month-day; received {self.date!r}.")
        if self.arxiv and not ARXIV.fullmatch(self.arxiv):
            raise ActlabError(f"The arXiv id of {self.slug} looks like 2502.00288; received {self.arxiv!r}.")
        if min(self.authors, self.comments) < 0:
            raise ActlabError(f"{self.slug} cannot have fewer than 0 authors or comments.")
        for kind in self.kinds:
            if kind not in KINDS:
                raise ActlabError(f"{self.slug} is one of {', '.join(KINDS)}, or several; received {kind!r}.")
        for symbol in self.symbols:
            if not SYMBOL.fullmatch(symbol):
                raise ActlabError(f"A symbol of {self.slug} is written module:attribute; received {symbol!r}.")
        if self.slug in self.related:
            raise ActlabError(f"{self.slug} is not related to itself.")


def is_date(text: str) -> bool:
    """Is it a year or a day of the calendar, as cards write it?"""
    if not DATE.fullmatch(text):
        return False
    try:
        datetime.date.fromisoformat(text if len(text) > 4 else f"{text}-01-01")
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Reported:
    """What a paper says of itself, and nothing here tests: words and a figure.

    Raises:
        ActlabError: its name is no word, or something is left empty.
    """

    name: str
    """Unique among the claims of a paper: letters, digits and dashes."""
    text: str
    """What is claimed, as a sentence."""
    task: str
    """Where, in words."""
    published: str
    """The paper's figure."""
    source: str
    """Where the paper says so: its table, figure or section."""
    primary: bool = False
    """Is it the claim that the paper stands for?"""

    def __post_init__(self):
        if not NAME.fullmatch(self.name):
            raise ActlabError(f"A claim is named with small letters, digits and dashes; received {self.name!r}.")
        for field in ("text", "task", "published", "source"):
            if not getattr(self, field).strip():
                raise ActlabError(f"The reported claim {self.name!r} needs its {field}.")


@dataclass(frozen=True)
class Paper:
    """A paper's card, its claims, and the study that tests them at each scale.

    Raises:
        ActlabError: two claims share a name, or not exactly one is primary, or a claim has arms and there is no study.
    """

    card: Card
    claims: tuple[Claim | Count | Reported, ...]
    study: Callable[[Scale], Study] | None = None
    """The arms of a scale, each a list of cells, one a seed. Arms of claims beyond a scale's budget are left out.
    None is a system that is planned: it has a card, and nothing that could be run."""
    budget: str = ""
    """How the small scale was chosen, and what it was planned to cost: written before it was run."""

    def __post_init__(self):
        slug, names = self.card.slug, [claim.name for claim in self.claims]
        if len(set(names)) < len(names):
            raise ActlabError(f"The claims of {slug} need different names; received {', '.join(names)}.")
        if sum(claim.primary for claim in self.claims) != 1:
            raise ActlabError(f"Exactly one claim of {slug} is the primary one.")
        if self.planned and (self.tested or self.card.symbols or self.card.switches):
            raise ActlabError(
                f"{slug} has no study, so it is planned: it has no symbols, switches or claims with arms."
            )

    @property
    def planned(self) -> bool:
        """Is there nothing that could be run?"""
        return self.study is None

    @property
    def primary(self) -> Claim | Count | Reported:
        """The claim that the paper stands for."""
        return next(claim for claim in self.claims if claim.primary)

    @property
    def tested(self) -> tuple[Claim | Count, ...]:
        """The claims that the study has arms for."""
        return tuple(claim for claim in self.claims if not isinstance(claim, Reported))

    def plan(self, scale: Scale) -> Study:
        """The study of a scale, with the claims that it tests.

        Raises:
            ActlabError: the system is planned, there is no such scale, or an arm has no cell or the same seed twice.
        """
        if self.study is None:
            slug = self.card.slug
            raise ActlabError(f"{slug} is planned: nothing of it can be run yet; its card: actlab papers show {slug}")
        if scale not in SCALES:
            raise ActlabError(f"The scale is one of {', '.join(SCALES)}; received {scale!r}.")
        study = self.study(scale)
        for name, cells in study.arms.items():
            seeds = [cell.seed for cell in cells]
            if not seeds or len(set(seeds)) < len(seeds):
                raise ActlabError(f"The arm {name!r} of {self.card.slug} needs cells of different seeds: {seeds}.")
        return replace(study, claims=self.tested)

    def unknown_arms(self) -> list[str]:
        """Arms that a claim names and no scale has: misspelt ones."""
        known = {name for scale in SCALES for name in self.study(scale).arms} if self.study else set()
        return sorted({arm for claim in self.tested for arm in claim.arms} - known)
