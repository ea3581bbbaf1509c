"""The vocabulary: spaces, sets, steps and batches, contracts, registry, errors, keys."""
