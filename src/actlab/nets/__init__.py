"""Network blocks: one example in, one out; `vmap` batches. Written on Equinox."""
