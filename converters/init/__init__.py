"""Looks at a folder of images and labels, and writes the `dataset.yaml` that describes it (`labelforge init`)."""
