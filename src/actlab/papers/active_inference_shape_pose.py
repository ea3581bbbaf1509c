"""Shape and pose apart: choose the camera move that makes the view familiar (arXiv 2209.09097). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="active-inference-shape-pose",
    title="Disentangling Shape and Pose for Object-Centric Deep Active Inference Models",
    date="2022-09-16",
    authors=5,
    arxiv="2209.09097",
    code="",
    summary=(
        "Move a camera until a mug is seen as another mug is seen in a picture. The agent learns a small model that "
        "keeps what a thing is and from where it is seen in two separate codes, by swapping the first between views "
        "while it trains, and only the second one changes when the camera moves. A goal is then a pose, and the move "
        "is the best of ten thousand candidates under the model. It came nearer than a model that is given the true "
        "viewpoint for two of four kinds of objects, and the gain over an undivided code was not significant. Look at "
        "it for goals that name only a part of the state; it needs renders of many objects from the same viewpoints."
    ),
    here=(
        "a world learned from pairs of views, and a planner by random shooting whose actions are camera moves with a "
        "quaternion; the score is the expected free energy"
    ),
    tags=("shooting", "model-based", "active-inference", "representation-learning", "predictive-models"),
    kinds=("world", "planner"),
    related=("hypercrl", "onelife", "4d-vla"),
)

CLAIMS = (
    Reported(
        name="nearer-to-the-wanted-view",
        text="With separate codes the reached view is nearer to the goal than with the true viewpoint as input.",
        task="error of the reached view, 50 cans whose goal shows another can",
        published="0.0487 against 0.0806 (p = 0.001)",
        source="table of reached views, and its tests",
        primary=True,
    ),
    Reported(
        name="no-clear-gain-over-one-code",
        text="Against an undivided code of the same size the difference is not significant.",
        task="error of the reached view, 50 cans",
        published="0.0487 against 0.0608 (p = 0.220)",
        source="table of reached views, and its tests",
    ),
)

PAPER = Paper(CARD, CLAIMS)
