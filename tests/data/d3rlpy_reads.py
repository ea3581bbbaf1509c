"""Does d3rlpy read a data set as we wrote it? To be run where d3rlpy, Minari and the simulator are installed:

    MINARI_DATASETS_PATH=ROOT python d3rlpy_reads.py local/hopper-medium-v0

It has no part in the tests: d3rlpy asks for another Gymnasium than we do. It compares d3rlpy's episodes with the
content of the file, first as `d3rlpy.datasets.get_minari` reads it, then as `MDPDataset` takes the aligned arrays. In
d3rlpy 2.8.1 the first puts T + 1 observations an episode beside T actions without leaving out the last one: from an
episode to the next, observations are late by one more row. This holds for every data set of Minari.
"""

import sys

import minari
import numpy as np
from d3rlpy.dataset import MDPDataset
from d3rlpy.datasets import get_minari


def compare(title: str, episodes: list, theirs: list) -> bool:
    """Print, and return, whether the episodes hold what the file holds."""
    same = {"number": len(episodes) == len(theirs)}
    pairs = list(zip(episodes, theirs))
    same["observations"] = all(np.array_equal(a.observations, b.observations[:-1]) for a, b in pairs)
    same["actions"] = all(np.array_equal(a.actions, b.actions) for a, b in pairs)
    same["rewards"] = all(np.array_equal(a.rewards[:, 0], b.rewards) for a, b in pairs)
    same["terminated"] = all(bool(a.terminated) == bool(b.terminations[-1]) for a, b in pairs)
    told = [f"{part} {'equal' if ok else 'DIFFERENT'}" for part, ok in same.items()]
    print(f"{title}: {', '.join(told)}")
    return all(same.values())


def main(name: str) -> int:
    theirs = list(minari.load_dataset(name))
    compare("get_minari", get_minari(name)[0].episodes, theirs)
    aligned = MDPDataset(
        observations=np.concatenate([episode.observations[:-1] for episode in theirs]),
        actions=np.concatenate([episode.actions for episode in theirs]),
        rewards=np.concatenate([episode.rewards for episode in theirs]),
        terminals=np.concatenate([episode.terminations for episode in theirs]),
        timeouts=np.concatenate([episode.truncations for episode in theirs]),
    )
    return 0 if compare("MDPDataset", aligned.episodes, theirs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
