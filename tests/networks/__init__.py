"""Small but real networks of every family, and what pruning does to them: the proof of exactness and size."""
