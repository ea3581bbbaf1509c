"""News by mail: who asked for it, what is new, and how it is sent so that nobody gets it twice."""
