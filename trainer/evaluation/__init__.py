"""Scores of a network on shards."""

__all__: list[str] = []
