"""A batch as learners of single decisions read it.

Axis letters: B batch, T rows of a sample.
"""

import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.steps import Batch


def decisions(batch: Batch) -> tuple[Batch, Array]:
    """The decisions of a batch `[B, T]` in one row `[B * T]`, and what each counts in a mean.

    Returns:
        the rows (without `memory`, which is one for each sample), and weights float32 `[B * T]`: equal for all
        valid rows, 0 for the others, with sum 1 (0 where no row is valid).
    """
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch._replace(memory=()))
    return rows, rows.valid.astype(jnp.float32) / jnp.maximum(jnp.sum(rows.valid), 1).astype(jnp.float32)
