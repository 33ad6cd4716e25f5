"""One file per dataset: where its files are, and how its labels are read."""
