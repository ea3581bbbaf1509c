"""DQC: judge long chunks of actions, decide short ones (arXiv 2512.10926). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="dqc",
    title="Decoupled Q-Chunking",
    date="2025-12-11",
    authors=3,
    arxiv="2512.10926",
    code="ColinQiyangLi/dqc (MIT, JAX)",
    summary=(
        "Far goals and rare rewards are hard for Q-learning from recordings: values have to travel back step by step. "
        "A critic that judges whole chunks of actions takes long strides without bias, but then the policy has to "
        "commit to whole chunks, too. Here the two lengths are separated: the critic looks at twenty-five actions, a "
        "second critic learns what the first few of them are worth if they are continued well, and the policy decides "
        "only these. On the hardest OGBench tasks it led or nearly led, and n-step returns stayed ahead on two. Use "
        "it offline with goals and plenty of data; every decision samples and scores 32 candidates."
    ),
    here=(
        "an agent over windows of recorded episodes with goals drawn in hindsight; the code is a chunk, longer in the "
        "critic than in the play, and the policy is a flow"
    ),
    tags=("chunks", "flow-and-diffusion", "value-based", "offline"),
    kinds=("agent", "codec"),
    related=("arsq", "vipra", "metra", "vq-vla"),
)

CLAIMS = (
    Reported(
        name="two-lengths-beat-one",
        text="With different lengths for critic and policy it solves what one length does not.",
        task="OGBench cube-quadruple, mean success of five tasks, 10 seeds: lengths 25 and 5, against chunks of 5",
        published="0.92 against 0.35",
        source="notebook of the release",
        primary=True,
    ),
    Reported(
        name="eight-cubes",
        text="It is among the few that get anywhere with eight cubes.",
        task="OGBench cube-octuple, mean success of five tasks, 10 seeds; chunks of 5",
        published="0.34 against 0.00",
        source="notebook of the release",
    ),
    Reported(
        name="not-everywhere-best",
        text="Returns over 25 steps are better in the giant maze.",
        task="OGBench humanoidmaze-giant, mean success of five tasks, 10 seeds",
        published="0.92, where 25-step returns have 0.95",
        source="notebook of the release",
    ),
)

PAPER = Paper(CARD, CLAIMS)
