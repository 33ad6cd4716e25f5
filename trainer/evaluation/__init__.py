"""Scores of a network on shards."""
