"""What we know about a graph: which units live and die together, which carry a constant, which are needed."""
