"""What a checkpoint of a replay buffer costs: all rows in one file, or the new rows in segments.

    python benchmarks/checkpoint.py --rows 500000 --new 2000 --out results/trust/checkpoint.json

The buffer has HalfCheetah's rows (17 numbers observed, 6 decided).
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from actlab.core.steps import Batch, first_step
from actlab.data.buffer import Buffer
from actlab.training.checkpoint import save_tree, write_json
from actlab.training.runs import versions
from actlab.training.segments import Segments


def filled(rows: int) -> Buffer:
    """A buffer of one lane with `rows` random rows."""
    numbers = np.random.default_rng(0)
    observation, code = (numbers.normal(size=(1, rows, size)).astype(np.float32) for size in (17, 6))
    step = jax.vmap(jax.vmap(first_step))(jnp.asarray(observation))
    valid = jnp.ones((1, rows), bool)
    return Buffer(Batch(step, jnp.asarray(code), code[:, :, None], step, (), valid, ()), jnp.int32(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000, help="in the buffer")
    parser.add_argument("--new", type=int, default=2_000, help="between two checkpoints")
    parser.add_argument("--saves", type=int, default=20)
    parser.add_argument("--out", type=Path, help="a JSON file to write the figures to")
    options = parser.parse_args()
    buffer = filled(options.rows)
    begin = options.rows - options.new * options.saves
    with tempfile.TemporaryDirectory() as name:
        folder, whole, parts = Path(name), [], []
        segments = Segments(folder, ["replay"])
        segments.save({"replay": Buffer(buffer.rows, jnp.int32(begin))})
        for save in range(1, options.saves + 1):
            now = Buffer(buffer.rows, jnp.int32(begin + save * options.new))
            clock = time.perf_counter()
            segments.save({"replay": now})
            segments.prune()
            parts.append(time.perf_counter() - clock)
            clock = time.perf_counter()
            save_tree(folder / "whole.safetensors", now, {})
            whole.append(time.perf_counter() - clock)
        size = (folder / "whole.safetensors").stat().st_size / 1e6
    result = {
        "rows": options.rows,
        "new_rows": options.new,
        "megabytes": round(size, 1),
        "seconds_whole": round(float(np.median(whole)), 4),
        "seconds_segments": round(float(np.median(parts)), 4),
        "seconds_segments_worst": round(max(parts), 4),
    }
    print(json.dumps(result))
    if options.out is not None:
        write_json(options.out, {**result, "versions": versions()})


if __name__ == "__main__":
    main()
