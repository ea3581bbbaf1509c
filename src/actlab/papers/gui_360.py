"""GUI-360: office programs as a task, with clicks and calls as actions (arXiv 2511.04307). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="gui-360",
    title="GUI-360: A Comprehensive Dataset and Benchmark for Computer-Using Agents",
    date="2025-11-06",
    authors=0,
    comments=2,
    organisation="Microsoft",
    arxiv="2511.04307",
    code="2020-qqtcg/GUI-360 (MIT); the collection pipeline is part of microsoft/UFO (MIT)",
    summary=(
        "An agent that works in a word processor must find a button, know what else is on the screen, and choose the "
        "next step, by mouse, by keys or by a call of the program. This collection covers all of it: questions of "
        "real users are turned into executable requests, an agent carries them out, a judge keeps the good runs, and "
        "the same records serve three tests. General models mostly fail at clicking from pictures; a list of the "
        "controls helps them much, and fine-tuning on the data helps more. Use it to train or test desktop agents. "
        "Its programs run on one operating system, and scores are of single steps, not of whole errands."
    ),
    here=(
        "a task with an action space of alternatives (click, type, call a function, finish) over pictures and lists of "
        "controls; scores for single recorded steps"
    ),
    tags=(
        "language-and-code",
        "masks",
        "imitation",
        "data-and-evaluation",
        "mixed-data",
        "benchmarks",
    ),
    kinds=("benchmark",),
    related=("openha", "toolchain-star", "arnold"),
)

CLAIMS = (
    Reported(
        name="fine-tuning-finds-elements",
        text="A small model that is tuned on the data finds elements far better than a large general one.",
        task="grounding: Qwen2.5-VL-7B tuned, before, and GPT-4o",
        published="82.30 %, 35.78 % and 9.38 %",
        source="README of the release",
        primary=True,
    ),
    Reported(
        name="controls-help",
        text="A list of the controls beside the picture makes a general model choose the right step far more often.",
        task="next action, GPT-4o: with the list, and from the picture alone",
        published="36.71 % and 3.12 %",
        source="README of the release",
    ),
    Reported(
        name="tuned-from-pictures",
        text="Tuned on the data, a small model gets half of the steps right from pictures.",
        task="next action from pictures, Qwen2.5-VL-7B tuned and before",
        published="50.08 % and 17.52 %",
        source="README of the release",
    ),
)

PAPER = Paper(CARD, CLAIMS)
