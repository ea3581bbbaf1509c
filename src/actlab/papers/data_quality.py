"""Data quality in imitation learning: consistent actions matter more than coverage (arXiv 2306.02437). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="data-quality",
    title="Data Quality in Imitation Learning",
    date="2023-06-04",
    authors=3,
    arxiv="2306.02437",
    code="none released; the authors' laboratory code is public, without a licence",
    summary=(
        "Which of these demonstrations are worth training on? The paper asks how well data keep the learned policy "
        "on known ground, and finds two sides to it: demonstrators who do different things in the same place, which "
        "hurts, and a world that is random, which can help because it shows how to come back. More states covered is "
        "no merit by itself. Controlled noise on simulated tasks shows that the same spread from the world's noise "
        "and from the expert's noise leads to different policies when demonstrations are few. Use the measures to "
        "audit or thin a data set before training; they need neighbours, so they are weak in high dimensions."
    ),
    here=(
        "metrics of recorded episodes in any action code, and a study: record with noise of either kind, audit, "
        "clone, evaluate under several noises"
    ),
    tags=("imitation", "mixed-quality-data", "data-and-evaluation", "mixed-data"),
    kinds=("metric", "benchmark"),
    related=("arsq", "skillmimic-v2", "decision-mamba", "mo-dt"),
)

CLAIMS = (
    Reported(
        name="world-noise-teaches-recovery",
        text="With few demonstrations, noise of the world makes better data than noise of the expert.",
        task="Square, 50 episodes, tested under noise 0.2: best data set of either kind",
        published="69.7 % against 48.3 % (noise 0.2 of the world, 0.01 of the expert)",
        source="table of the Square task, by way of a summary and the authors' logs",
        primary=True,
    ),
    Reported(
        name="a-middle-amount-is-best",
        text="Too little and too much noise of the world are both worse.",
        task="Square, all episodes, tested under noise 0.2: trained at 0.05, 0.2 and 0.4",
        published="27.0 %, 82.0 % and 48.3 %",
        source="table of the Square task, by way of the authors' logs",
    ),
    Reported(
        name="worse-people-worse-policies",
        text="Policies cloned from people follow the people's skill.",
        task="robomimic Square: proficient, better, okay and worse demonstrators",
        published="58 %, 36 %, 12 % and 2 %",
        source="table of human data, by way of a summary",
    ),
)

PAPER = Paper(CARD, CLAIMS)
