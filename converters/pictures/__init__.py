"""Pictures of a dataset: images on their way into shards, and label maps of ids or colours."""
