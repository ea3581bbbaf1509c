"""Language models as experimenters: propose, decompose, judge (arXiv 2409.03402). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="rl-experimenters",
    title="Game On: Towards Language Models as RL Experimenters",
    date="2024-09-05",
    authors=5,
    organisation="Google DeepMind",
    arxiv="2409.03402",
    code="",
    summary=(
        "Somebody has to decide what a learning robot should try next, which skills that takes, and when a curve has "
        "flattened. This system hands these decisions to a vision-language model that is not trained for it: it "
        "proposes tasks, splits them into skills of a library, and reads learning curves, while an offline "
        "actor-critic learns from all data, relabelled for each skill. Data gathered in this way were more varied "
        "than those of skills played at random, and new skills followed. It suits long robot campaigns with many "
        "reward functions. The evidence is one simulated arm, and it asks a large model in every round."
    ),
    here=(
        "a study in rounds: a proposer picks skills, episodes are recorded and relabelled, an offline actor-critic is "
        "trained on; the skill is the context of an episode"
    ),
    tags=("skills", "levels", "offline", "mixed-quality-data", "online-learning", "decomposition"),
    kinds=("planner", "agent"),
    related=("metra", "nl-robot-planner", "data-quality", "skillmimic-v2"),
)

CLAIMS = (
    Reported(
        name="a-curriculum-gives-varied-data",
        text="Tasks that a model proposes give more varied data than skills in equal shares.",
        task="a simulated robot arm",
        published="more varied; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="and-better-policies",
        text="Training on these data improves the policy round after round.",
        task="a simulated robot arm",
        published="better with every round; no figure in the abstract",
        source="abstract",
    ),
)

PAPER = Paper(CARD, CLAIMS)
