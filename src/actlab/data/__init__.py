"""Experience: the buffer and the views that cut batches out of it."""
