"""What tensors tell of the layers they belong to, without the network's code."""
