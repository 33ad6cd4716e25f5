"""The shipped semantic trees, mappings and label spaces: YAML only."""
