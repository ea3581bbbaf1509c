"""GLiDE: find the stages of a task by disturbing demonstrations (arXiv 2403.17124). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="grounding-plans",
    title="Grounding Language Plans in Demonstrations Through Counterfactual Perturbations",
    date="2024-03-25",
    authors=5,
    organisation="MIT",
    arxiv="2403.17124",
    code="yanweiw/glide (MIT, PyTorch; the two-dimensional part)",
    summary=(
        "You have a few good demonstrations and a language model that can name the steps, but nobody marked where "
        "one step ends. GLiDE bends the demonstrations at random, notes which bent ones still succeed, and fits a "
        "classifier of states such that every failure is explained by a forbidden jump between steps. With the steps "
        "located, a controller knows what to do after a push: go back to the step it fell into. It was shown in a "
        "plane, in a simulator and on a robot. Use it where trying variations is cheap and success can be checked; "
        "it takes thousands of disturbed runs and an order of steps that is right."
    ),
    here=(
        "a learner over whole recorded episodes with their outcomes, whose result is a classifier of modes; then a "
        "policy that plans a path within the mode, or a cloned one for each"
    ),
    tags=("levels", "imitation", "grammars-and-graphs", "decomposition", "recovery", "interpretability"),
    kinds=("agent", "planner"),
    related=("nl-robot-planner", "data-quality", "skillmimic-v2"),
)

CLAIMS = (
    Reported(
        name="recovers-from-pushes",
        text="Policies that know their step are easier to understand and react better than plain imitation.",
        task="a plane, robosuite and a real robot",
        published="better in both respects; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="finds-the-modes",
        text="The best of ten guesses at the steps nearly coincides with the true ones.",
        task="a plane with four modes, share of a 200 x 200 grid",
        published="0.975, the worst guess 0.493",
        source="output of the release's tutorial",
    ),
)

PAPER = Paper(CARD, CLAIMS)
