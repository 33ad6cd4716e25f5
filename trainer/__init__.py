"""Train, evaluate and run segmentation networks with hierarchical classifiers on labelforge shards."""
