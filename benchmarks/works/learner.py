"""SAC's updates alone, beside matrix products alone."""

import math
import statistics
from itertools import pairwise
from typing import Any

from .common import DECIDED, OBSERVED, Given, timed

BATCH, WIDTH, SIZE = 256, 256, 256


def flops() -> float:
    """Operations of the matrix products in one update, by hand.

    A product of [B, I] and [I, O] is 2 B I O; so is the gradient of its weights, and that of its inputs.
    """

    def forward(sizes: tuple[int, ...]) -> float:
        return sum(2.0 * BATCH * i * o for i, o in pairwise(sizes))

    def first(sizes: tuple[int, ...]) -> float:
        return 2.0 * BATCH * sizes[0] * sizes[1]

    actor, critic = (OBSERVED, WIDTH, WIDTH, 2 * DECIDED), (OBSERVED + DECIDED, WIDTH, WIDTH, 1)
    both = 2.0 * forward(critic)
    targets = forward(actor) + both
    critics = 3.0 * both - 2.0 * first(critic)  # nothing asks for the gradient of the inputs
    # the actor's gradient goes through the critics to the decisions
    improvement = 3.0 * forward(actor) - first(actor) + 2.0 * both
    return targets + critics + improvement


def _learner(given: Given) -> tuple[Any, Any, Any]:
    """Agent, and a driver and carry whose replay holds steps of the simulator."""
    import jax

    from actlab.agents.sac import SAC
    from actlab.tasks.catalogue import task
    from actlab.training.loop import make_driver

    agent = SAC(warmup=300)
    driver = make_driver(task("HalfCheetah-v5"), agent)
    carry = driver.start(agent, jax.random.key(given.seed), {}, None, 1_000)
    return agent, driver, driver.run(agent, carry, 300, True)[0]


def products(count: int) -> dict[str, Any]:
    """Functions that make so many 256 x 256 x 256 float32 products, each of the last one's result, by library."""
    import jax
    import numpy as np

    numbers = np.random.default_rng(0).normal(size=(2, SIZE, SIZE)).astype(np.float32)
    left, right = numbers[0], np.linalg.qr(numbers[1])[0].astype(np.float32)  # lengths stay as they are
    chain = jax.jit(lambda x, y: jax.lax.fori_loop(0, count, lambda _, x: x @ y, x))

    def by_numpy() -> None:
        x = left
        for _ in range(count):
            x = x @ right

    return {"XLA": lambda: jax.block_until_ready(chain(left, right)), "NumPy": by_numpy}


def actlab(given: Given) -> dict[str, float]:
    from .sac import scanned

    given.listen()
    settings = given.settings
    learner = scanned(*_learner(given), settings["updates"])
    rivals = products(settings["products"])
    learner()
    for work in rivals.values():
        work()
    seconds: dict[str, list[float]] = {"learner": [], **{name: [] for name in rivals}}
    for _ in range(settings["rounds"]):
        for name, work in {"learner": learner, **rivals}.items():
            seconds[name].append(timed(work))
    updates = settings["updates"] / statistics.median(seconds["learner"])
    operations = settings["products"] * 2.0 * SIZE**3
    rates = {name: operations / statistics.median(seconds[name]) / 1e9 for name in rivals}
    share = updates * flops() / 1e9 / max(rates.values())
    assert math.isfinite(share)
    details = {f"GFLOP/s of products by {name}": rate for name, rate in rates.items()}
    result = given.rate(share, 1.0, **{"updates a second": updates, **details})
    return {name: value for name, value in result.items() if name not in ("timed_seconds", "start_seconds")}


def profile(given: Given) -> dict[str, float]:
    """Milliseconds of an update beside those of its products alone, in their own shapes."""
    import jax
    import jax.numpy as jnp

    from .sac import scanned

    count = given.settings["updates"]
    learner = scanned(*_learner(given), count)
    shapes = [(256, 17, 256), (256, 256, 256), (256, 256, 12)]
    actor = [(b, i, o) for b, i, o in shapes]
    critic = 2 * [(256, 23, 256), (256, 256, 256), (256, 256, 1)]
    weights = lambda layers: [(i, b, o) for b, i, o in layers]  # noqa: E731
    inputs = lambda layers: [(b, o, i) for b, i, o in layers]  # noqa: E731
    behind = lambda layers: [layer for layer in layers if layer[1] == WIDTH]  # noqa: E731
    every = [*actor, *critic]  # the targets
    every += [*critic, *weights(critic), *inputs(behind(critic))]
    every += [*actor, *critic, *inputs(critic), *weights(actor), *inputs(behind(actor))]
    assert sum(2.0 * a * b * c for a, b, c in every) == flops()
    pairs = [(jnp.ones((a, b)), jnp.ones((b, c))) for a, b, c in every]

    def step(total: Any, _: Any) -> tuple[Any, None]:
        for left, right in pairs:
            whole = jax.lax.optimization_barrier(left.at[0, 0].set(total) @ right)  # not only the number used
            total = total + 0.0 * whole[0, 0]
        return total, None

    run = jax.jit(lambda: jax.lax.scan(step, jnp.zeros(()), None, count)[0])
    alone = lambda: jax.block_until_ready(run())  # noqa: E731
    square = products(count)["XLA"]
    for work in (learner, alone, square):
        work()
    ideal = timed(square) / count * flops() / (2.0 * SIZE**3)
    rows = {
        "its operations at the rate of 256 x 256 x 256 products": ideal,
        "its products in their own shapes, one after the other": timed(alone) / count,
        "all, as measured": timed(learner) / count,
    }
    return {f"{name}: ms an update": 1e3 * seconds for name, seconds in rows.items()}
