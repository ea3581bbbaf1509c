"""Experience: the buffer, the views that cut batches out of it, and recorded episodes with their file formats."""
