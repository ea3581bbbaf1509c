"""OpenHA: write an abstract action, then the keys that carry it out (arXiv 2509.13347). Planned."""

from actlab.papers.card import Card, Paper, Reported

CARD = Card(
    slug="openha",
    title="OpenHA: A Series of Open-Source Hierarchical Agentic Models in Minecraft",
    date="2025-09-12",
    authors=7,
    comments=1,
    arxiv="2509.13347",
    code="CraftJarvis/OpenHA (MIT, PyTorch, vLLM, MineStudio)",
    summary=(
        "Should a model that plays from pixels write keys and mouse counts, directions, points on the screen or "
        "skills? The authors train one model for each of these action languages, and find that none wins "
        "everywhere: walking, fighting and menus each prefer another. So they let a single model write the abstract "
        "action first and continue with the raw one, in the same text, and train it on all languages mixed. This "
        "mixture is reported to beat the specialists in Minecraft. Look here when you have to choose an output "
        "format for a vision-language agent and tasks differ in kind. The price is longer outputs and labels, which "
        "scripts can derive from recorded keys."
    ),
    here=(
        "action codes for text, motion words, points and reserved tokens, and one that chains an abstract code with "
        "a raw one; behaviour cloning over them, in first-person games and web forms"
    ),
    tags=("language-and-code", "levels", "imitation", "action-head", "hierarchical", "decomposition"),
    kinds=("codec", "agent"),
    related=("gui-360", "ra3", "vq-vla", "univla"),
)

CLAIMS = (
    Reported(
        name="abstract-action-first-helps",
        text="One model that writes the abstract action before the raw one beats models with a single language.",
        task="Minecraft: embodied tasks, menus and combat",
        published="higher overall success; no figure in the abstract",
        source="abstract",
        primary=True,
    ),
    Reported(
        name="no-language-wins-everywhere",
        text="Which action language is best depends on the family of tasks.",
        task="Minecraft: embodied tasks, menus and combat",
        published="a different best one for each family; no figure in the abstract",
        source="abstract",
    ),
    Reported(
        name="how-often-it-succeeds",
        text="The mixed model succeeds in a third and more of the tasks of each family.",
        task="small set of the MCU benchmark: embodied, menus, combat",
        published="37 %, 33.3 % and 40 % (from an automatic listing: doubtful)",
        source="a public leaderboard, not the paper itself",
    ),
)

PAPER = Paper(CARD, CLAIMS)
