"""Ego2-Map: camera features that know the floor plan (arXiv 2307.12335). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="ego2-map",
    title="Learning Navigational Visual Representations with Semantic Map Supervision",
    date="2023-07-23",
    authors=7,
    arxiv="2307.12335",
    code="YicongHong/Ego2Map-NaViT (a README without code or licence)",
    summary=(
        "A robot that finds its way indoors sees with features that were trained on photographs from the web, and "
        "these say little about rooms and doors. Here the encoder is trained so that two views, one from each end of "
        "a walk, can be recognised among others by the labelled floor map of that walk; two small extra tasks ask for "
        "angles and free directions. The map is thrown away afterwards, so acting costs what it did before. Better "
        "navigation was shown with predicted waypoints and with single steps. Consider it when your observations are "
        "first-person pictures and training can happen in scanned or simulated buildings; it needs a simulator with "
        "depth and object labels."
    ),
    here=(
        "a learner over recorded pairs of views and maps, whose result is an encoder that behaviour cloning then "
        "uses; the code stays as it is, with waypoints and with single moves"
    ),
    tags=("representation-learning", "maps", "perception", "meaning-and-contact"),
    kinds=("agent", "benchmark"),
    related=("etp-r1", "taco", "4d-vla"),
)

CLAIMS = (
    Reported(
        name="maps-teach-features",
        text="The same waypoint agent arrives more often with these features than with its old ones.",
        task="R2R-CE, unseen validation houses; success and success weighted by path length",
        published="47 % and 41 %, where VLN-BERT with waypoints has 44 % and 39 %",
        source="as later papers' tables quote it",
        primary=True,
    ),
    Reported(
        name="also-on-the-test-server",
        text="The gain is there on houses whose answers nobody holds.",
        task="R2R-CE test server; success and success weighted by path length",
        published="47 % and 41 %",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)
