"""Exact rewrites, one a file: what makes the network smaller without changing what it computes."""
