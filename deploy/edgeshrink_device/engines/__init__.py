"""TensorRT engines: built from a bundle's model on the board itself, kept beside it, never trusted blindly.

`cache.open_engine` gives the engine of a model, built where there is none that fits. What a version of
TensorRT can is found by looking, never by its number. Importing these modules loads neither numpy nor
TensorRT.
"""
