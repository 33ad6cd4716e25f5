"""Validation while training: the averaged weights scored on images that the network does not learn from."""
