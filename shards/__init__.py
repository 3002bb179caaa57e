"""The words and the files: what a dataset is, how its shards are written and read. No torch, no HDF5."""
