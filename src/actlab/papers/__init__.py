"""One file a paper: what it claims, and the study that tests the claim."""
