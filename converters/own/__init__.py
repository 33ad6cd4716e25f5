"""Your own data, described by a `dataset.yaml` (`labelforge.own_dataset`): finds its files and reads its labels."""
