"""An anatomy of vision-language-action models: parts, milestones, challenges (arXiv 2512.11362). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="vla-anatomy",
    title="An Anatomy of Vision-Language-Action Models: From Modules to Milestones and Challenges",
    date="2025-12-12",
    authors=0,
    comments=2,
    organisation="IROOTECH TECHNOLOGY",
    arxiv="2512.11362",
    code="SuyuZ1/VLA-Survey-Anatomy (no licence)",
    summary=(
        "Hundreds of models now go from pictures and words to robot motion, and a newcomer does not know where to "
        "begin. This survey sorts them in the order in which one learns the field: the five parts that a model is "
        "made of, the steps by which the field came here, and five challenges with fifteen parts. A public table "
        "places close to four hundred models under the challenges. Read it to find out who has worked on your "
        "difficulty. It runs nothing itself, and the table is kept by hand, with slips."
    ),
    here=(
        "the order of the vision-language-action part of this catalogue, as records that anybody can edit, and a "
        "reader of the public table; the small models that its parts ask for are planned"
    ),
    tags=("perception", "brain", "action-head", "training", "data-and-evaluation", "end-to-end", "hierarchical"),
    kinds=("survey",),
    related=("vq-vla", "univla", "vipra", "vita", "4d-vla", "openha"),
)

CLAIMS = (
    Reported(
        name="where-the-work-goes",
        text="The largest group of the table is about open worlds, the smallest about learning without forgetting.",
        task="public table of August 2026, 390 rows: open worlds, learning on",
        published="68 and 9 rows",
        source="the public table, by our count",
        primary=True,
    ),
    Reported(
        name="what-they-are-tested-on",
        text="LIBERO is by far the most used test.",
        task="public table of August 2026, 390 rows: LIBERO, and SimplerEnv as the next",
        published="109 and 22 rows",
        source="the public table, by our count",
    ),
)

PAPER = Paper(CARD, CLAIMS)
