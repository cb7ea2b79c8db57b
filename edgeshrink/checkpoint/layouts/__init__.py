"""Ways of naming tensors, one a module: which are the plain network's, the dendrites', scaffolding."""
