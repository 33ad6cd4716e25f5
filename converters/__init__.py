"""Native datasets on disk become labelforge shards: one file per dataset, one rasteriser, one pipeline."""
