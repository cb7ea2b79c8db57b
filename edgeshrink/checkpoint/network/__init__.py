"""The user's plain network: made by its factory, compared with the file, given dendrites and weights."""
