"""RA3: think before a line of code when it pays (arXiv 2509.25810). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="ra3",
    title="Learning to Reason as Action Abstractions with Scalable Mid-Training RL",
    date="2025-09-30",
    authors=0,
    comments=2,
    organisation="Apple",
    arxiv="2509.25810",
    code="",
    summary=(
        "What should a language model learn between pretraining and reinforcement? The authors argue: a small set "
        "of larger actions, because fewer candidates and fewer decisions make the later search easier. RA3 alternates "
        "two steps over plain code. First the model is rewarded for short comments that make the next true line more "
        "likely, with a fixed fee for each; then it is trained on the code with the comments inside. On coding "
        "benchmarks it gains over ordinary training on the same code, and later reinforcement starts higher. It fits "
        "any expert sequences whose steps can be scored, and costs sampling on top of training."
    ),
    here=(
        "a task of text whose action is the next line, with an optional thought before it; cells that alternate "
        "between policy gradients with forced lines and imitation of the annotated text"
    ),
    tags=("language-and-code", "levels", "language-model-tuning", "policy-gradient", "imitation"),
    kinds=("agent",),
    related=("entropy-mechanism", "openha", "action-grouping"),
)

CLAIMS = (
    Reported(
        name="better-than-next-token-training",
        text="Annotated code teaches more than the same code without annotations.",
        task="mean over coding benchmarks, first attempt",
        published="4 points more, and 8 more than the untrained base",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="small-model",
        text="A model of 1.5 billion weights profits most of the three.",
        task="Qwen2.5-1.5B: HumanEval and MBPP with their extended versions, mean of first attempts",
        published="46.6 % against 41.7 %, the base 37.9 %",
        source="table of benchmark results, by way of reading notes",
    ),
    Reported(
        name="large-model",
        text="A larger model profits less.",
        task="Llama-3.1-8B: the same four benchmarks",
        published="48.9 % against 47.7 %, the base 41.0 %",
        source="table of benchmark results, by way of reading notes",
    ),
)

PAPER = Paper(CARD, CLAIMS)
