"""Data of a run: datasets, batches, augmentation."""

__all__: list[str] = []
