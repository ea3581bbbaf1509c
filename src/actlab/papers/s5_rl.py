"""S5 in reinforcement learning: long memory that can be reset inside a roll-out (arXiv 2303.03982). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="s5-rl",
    title="Structured State Space Models for In-Context Reinforcement Learning",
    date="2023-03-07",
    authors=7,
    arxiv="2303.03982",
    code="luchris429/popjaxrl (JAX, no licence)",
    summary=(
        "An agent that sees only part of its world, or has to find out which world it is in, needs memory over "
        "hundreds of steps. Recurrent networks are slow to train on that, and attention grows with the square. This "
        "work fits state space layers into on-policy learning with a scan that starts from a stored state and forgets "
        "at episode ends, and trains a single agent on many tasks whose observations and actions are mixed by random "
        "matrices. It remembers longer than an LSTM and trains several times faster than a GRU. Take it for partial "
        "observability with vector observations; on simple memory tasks a GRU is as good."
    ),
    here=(
        "a memory for PPO and the like, with resets inside a batch; and an action code that is a random linear map, "
        "drawn anew for each episode"
    ),
    tags=("in-context", "policy-gradient"),
    kinds=("agent", "codec"),
    related=("decision-mamba", "n-pg-igt", "mo-dt"),
)

CLAIMS = (
    Reported(
        name="remembers-what-gru-forgets",
        text="It solves a memory task on which a recurrent network fails.",
        task="POPGym RepeatPrevious, hard, best mean return of 8 seeds",
        published="0.91 ± 0.01, where a GRU has -0.46 ± 0.01",
        source="table in the appendix",
        primary=True,
    ),
    Reported(
        name="fast",
        text="It trains several times faster than a recurrent network.",
        task="POPGym, time against a GRU",
        published="more than five times faster",
        source="abstract",
    ),
    Reported(
        name="not-everywhere-better",
        text="A recurrent network keeps up on some tasks.",
        task="POPGym noisy stateless pendulum, hard",
        published="0.55 ± 0.01, where a GRU has 0.61 ± 0.01",
        source="table in the appendix",
    ),
)

PAPER = Paper(CARD, CLAIMS)
