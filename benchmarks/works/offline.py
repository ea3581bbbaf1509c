"""Updates from recorded decisions: TD3 + BC and behaviour cloning.

The decisions are drawn at random: nothing here depends on what they are, only on their shapes.
"""

import copy
import functools
import time
from itertools import pairwise
from typing import Any

import numpy as np

from .common import DECIDED, OBSERVED, ROWS, Given, timed

WIDTH, BATCH, RATE, EPISODE = 256, 256, 3e-4, 1_000


@functools.cache
def recorded() -> dict[str, np.ndarray]:
    """Decisions `[ROWS, ...]` in episodes of 1,000, the last of each terminated."""
    generator = np.random.default_rng(0)
    normal = lambda *shape: generator.normal(size=shape).astype(np.float32)  # noqa: E731
    return {
        "observations": normal(ROWS, OBSERVED),
        "actions": np.tanh(normal(ROWS, DECIDED)),
        "rewards": normal(ROWS),
        "next_observations": normal(ROWS, OBSERVED),
        "terminated": np.arange(ROWS) % EPISODE == EPISODE - 1,
    }


# --- actlab --------------------------------------------------------------------------------------------


def _agent(name: str) -> Any:
    from actlab.agents.bc import BC
    from actlab.agents.td3_bc import TD3BC

    made = {"td3-bc": lambda: TD3BC(), "bc": lambda: BC(objective="squared-error")}
    return made[name]()


def _begun(given: Given, name: str) -> tuple[Any, Any, Any]:
    """Agent, driver and carry behind the first updates."""
    import jax

    from actlab.core.steps import Batch, first_step, next_step
    from actlab.tasks.catalogue import task
    from actlab.training.loop import make_driver

    rows = recorded()
    here = jax.vmap(first_step)(rows["observations"])
    there = jax.vmap(next_step)(rows["next_observations"], rows["rewards"], rows["terminated"])
    actions = rows["actions"]
    batch = Batch(here, actions, actions[:, None], there, (), np.ones(ROWS, bool), ())
    data = jax.tree.map(lambda leaf: np.asarray(leaf)[None], batch)
    agent = _agent(name)
    driver = make_driver(task("HalfCheetah-v5"), agent)
    carry = driver.start(agent, jax.random.key(given.seed), {"data": data}, None, ROWS)
    carry, *_ = driver.run(agent, carry, given.settings["first"], False)
    jax.block_until_ready(carry.learner)
    return agent, driver, carry


def _actlab(given: Given, name: str) -> dict[str, float]:
    import jax

    given.listen()
    agent, driver, carry = _begun(given, name)
    updates = given.settings["updates"]
    seconds = timed(lambda: jax.block_until_ready(driver.run(agent, carry, updates, False)[0].learner))
    return given.rate(updates, seconds)


def td3_bc_actlab(given: Given) -> dict[str, float]:
    return _actlab(given, "td3-bc")


def bc_actlab(given: Given) -> dict[str, float]:
    return _actlab(given, "bc")


def _profile(given: Given, name: str) -> dict[str, float]:
    import jax

    from .learner import SIZE, products
    from .sac import scanned

    agent, driver, carry = _begun(given, name)
    updates, count = 200, 2_000
    learner, square = scanned(agent, driver, carry, updates), products(count)["XLA"]
    learner()
    square()
    scanning = timed(learner) / updates
    whole = timed(lambda: jax.block_until_ready(driver.run(agent, carry, updates, False)[0].learner)) / updates
    operations = flops(name)
    ideal = timed(square) / count * operations / (2.0 * SIZE**3)
    return {
        "its operations at the rate of 256 x 256 x 256 products: ms an update": 1e3 * ideal,
        "many updates in one call: ms an update": 1e3 * scanning,
        "a call an update, as measured: ms an update": 1e3 * whole,
    }


def flops(name: str) -> float:
    """Operations of the matrix products in an update, by hand (see `learner.flops`)."""

    def forward(*sizes: int) -> float:
        return sum(2.0 * BATCH * i * o for i, o in pairwise(sizes))

    actor = forward(OBSERVED, WIDTH, WIDTH, DECIDED)
    actor_first = 2.0 * BATCH * OBSERVED * WIDTH
    if name == "bc":
        return 3.0 * actor - actor_first
    critic = forward(OBSERVED + DECIDED, WIDTH, WIDTH, 1)
    critic_first = 2.0 * BATCH * (OBSERVED + DECIDED) * WIDTH
    critics = actor + 2.0 * critic + 2.0 * (3.0 * critic - critic_first)
    return critics + 0.5 * (3.0 * actor - actor_first + 2.0 * critic)


def profile_td3_bc(given: Given) -> dict[str, float]:
    """Milliseconds of an update."""
    return _profile(given, "td3-bc")


def profile_bc(given: Given) -> dict[str, float]:
    """Milliseconds of an update."""
    return _profile(given, "bc")


# --- torch by hand ---------------------------------------------------------------------------------------


def _network(inputs: int, outputs: int, *last: Any) -> Any:
    from torch import nn

    layers = [nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, outputs)]
    return nn.Sequential(*layers, *last)


def _updates(given: Given, update: Any) -> dict[str, float]:
    for count in range(given.settings["first"]):
        update(count)
    updates = given.settings["updates"]
    return given.rate(updates, timed(lambda: [update(count) for count in range(updates)]))


def td3_bc_torch(given: Given) -> dict[str, float]:
    torch = given.torch()
    torch.manual_seed(given.seed)
    rows = {name: torch.as_tensor(values) for name, values in recorded().items()}
    mean, deviation = rows["observations"].mean(0), rows["observations"].std(0) + 1e-3
    here, there = ((rows[name] - mean) / deviation for name in ("observations", "next_observations"))
    alive = (~rows["terminated"]).float()
    actor = _network(OBSERVED, DECIDED, torch.nn.Tanh())
    critics = [_network(OBSERVED + DECIDED, 1) for _ in range(2)]
    slow_actor, slow_critics = copy.deepcopy((actor, critics))
    pairs = [(actor, slow_actor), *zip(critics, slow_critics, strict=True)]
    fast, slow = ([x for pair in pairs for x in pair[i].parameters()] for i in (0, 1))
    actor_adam = torch.optim.Adam(actor.parameters(), lr=RATE, fused=True)
    critic_adam = torch.optim.Adam([x for critic in critics for x in critic.parameters()], lr=RATE, fused=True)

    def values(networks: Any, observations: Any, actions: Any) -> list[Any]:
        inputs = torch.cat([observations, actions], 1)
        return [network(inputs)[:, 0] for network in networks]

    def update(count: int) -> None:
        chosen = torch.randint(ROWS, (BATCH,))
        seen, taken = here[chosen], rows["actions"][chosen]
        with torch.no_grad():
            noise = (0.2 * torch.randn_like(taken)).clamp(-0.5, 0.5)
            after = there[chosen]
            wanted = torch.min(*values(slow_critics, after, (slow_actor(after) + noise).clamp(-1, 1)))
            wanted = rows["rewards"][chosen] + 0.99 * alive[chosen] * wanted
        loss = sum((value - wanted).square().mean() for value in values(critics, seen, taken))
        critic_adam.zero_grad()
        loss.backward()
        critic_adam.step()
        if count % 2:
            decided = actor(seen)
            value = values(critics[:1], seen, decided)[0]
            loss = (decided - taken).square().mean() - 2.5 * value.mean() / value.abs().mean().detach()
            actor_adam.zero_grad()
            loss.backward()
            actor_adam.step()
            with torch.no_grad():
                torch._foreach_lerp_(slow, fast, 0.005)

    return _updates(given, update)


def bc_torch(given: Given) -> dict[str, float]:
    torch = given.torch()
    torch.manual_seed(given.seed)
    observations, actions = (torch.as_tensor(recorded()[name]) for name in ("observations", "actions"))
    actor = _network(OBSERVED, DECIDED, torch.nn.Tanh())
    adam = torch.optim.Adam(actor.parameters(), lr=RATE, fused=True)

    def update(count: int) -> None:
        chosen = torch.randint(ROWS, (BATCH,))
        loss = (actor(observations[chosen]) - actions[chosen]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    return _updates(given, update)


# --- d3rlpy ------------------------------------------------------------------------------------------------


def td3_bc_d3rlpy(given: Given) -> dict[str, float]:
    given.torch()
    import d3rlpy

    rows = recorded()
    data = d3rlpy.dataset.MDPDataset(
        rows["observations"], rows["actions"], rows["rewards"][:, None], rows["terminated"].astype(np.float32)
    )
    config = d3rlpy.algos.TD3PlusBCConfig(
        batch_size=BATCH, observation_scaler=d3rlpy.preprocessing.StandardObservationScaler()
    )
    algorithm = config.create(device="cpu")
    first, updates = given.settings["first"], given.settings["updates"]
    algorithm.build_with_dataset(data)
    # an epoch of `first` updates in front, and then as many such epochs as the updates take
    epochs = algorithm.fitter(
        data,
        n_steps=first + updates,
        n_steps_per_epoch=first,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
        save_interval=10**9,
    )
    next(epochs)
    began = time.perf_counter()
    done = sum(first for _ in epochs)
    return given.rate(done, time.perf_counter() - began)
