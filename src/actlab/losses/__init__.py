"""Losses: free functions with the equation in the docstring."""
