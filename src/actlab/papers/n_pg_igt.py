"""N-PG-IGT and HARPG: policy gradients with memory, one or two episodes a step (arXiv 2302.01734). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="n-pg-igt",
    title=("Stochastic Policy Gradient Methods: Improved Sample Complexity for Fisher-non-degenerate Policies"),
    date="2023-02-03",
    authors=4,
    arxiv="2302.01734",
    code="a fork of garage by the authors (PyTorch, MIT base licence)",
    summary=(
        "Plain policy gradients throw each gradient away after one step, so they want large batches. These two "
        "optimisers keep a running average instead: one acts from a point slightly ahead, so that the average does "
        "not lag behind; the other corrects it with a Hessian-vector product from a second episode. The paper proves "
        "how few episodes suffice to come near the best policy of the class, and shows curves on classic control and "
        "MuJoCo. Use them wherever your policy gives differentiable log-probabilities, masked and grouped ones "
        "included, and episodes are dear. Memory is that of momentum; the second method also pays for an episode and "
        "a second derivative at every step."
    ),
    here=(
        "two optimisers of a learner that rolls out whole episodes at parameters of its own choice; any head of any "
        "code, as long as its log-probability can be differentiated twice"
    ),
    tags=("policy-gradient",),
    kinds=("agent",),
    related=("entropy-mechanism", "action-grouping", "s5-rl"),
)

CLAIMS = (
    Reported(
        name="fewer-episodes-with-look-ahead",
        text="With one episode a step and no importance weights, the look-ahead method needs fewer samples.",
        task="distance e to the best policy of the class, up to its bias; theory",
        published="order e^-2.5, where e^-3 was known",
        source="abstract; theorem 1",
        primary=True,
    ),
    Reported(
        name="fewest-with-curvature",
        text="With a Hessian-vector product and at most two episodes a step, still fewer samples are needed.",
        task="distance e to the best policy of the class, up to its bias; theory",
        published="order e^-2",
        source="theorems 2 and 3",
    ),
)

PAPER = Paper(CARD, CLAIMS)
