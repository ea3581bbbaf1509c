"""Agents: one file each, from the paper down to `learn`."""
