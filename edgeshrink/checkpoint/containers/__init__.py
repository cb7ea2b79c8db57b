"""Kinds of files, one a module: each recognises its bytes and reads them into named tensors, or refuses."""
