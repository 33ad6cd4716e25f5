"""Data of a run: datasets, batches, augmentation."""
