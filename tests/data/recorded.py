"""Small recordings for the tests of episodes and their formats."""

import numpy as np

from actlab.data.episodes import Recordings, Trajectory


def made(
    lengths: tuple[int, ...] = (3, 1, 4), *, observation: str = "box", told: bool = True, seed: int = 0
) -> Recordings:
    """Episodes over two observed numbers (or a Dict, or a Tuple) and two actions in [-1, 1].

    The first terminates, the last has no end on record, the others are truncated.
    """
    generator = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return generator.uniform(-1, 1, shape).astype(np.float32)

    episodes = []
    for i, length in enumerate(lengths):
        seen = {
            "box": lambda n: numbers(n, 2),
            "dict": lambda n: {"camera": generator.integers(0, 256, (n, 32, 32, 3), np.uint8), "state": numbers(n, 2)},
            "tuple": lambda n: (numbers(n, 2), generator.integers(0, 5, n)),
        }[observation](length + 1)
        info = {"success": (np.arange(length) == length - 1).astype(np.float32)} if told else {}
        end = i == 0, 0 < i < len(lengths) - 1
        episodes.append(Trajectory(seen, numbers(length, 2), numbers(length), *end, info))
    return Recordings(tuple(episodes), {"policy": "uniform", "seed": seed})
