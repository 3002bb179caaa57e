"""The shard format: what a dataset is, and how its shards are written, read and checked.

No torch and no HDF5 here. What commands share is in `program`, what pictures share in `drawing`: the format
itself needs neither typer nor matplotlib.
"""

__all__ = [
    "cache",
    "card",
    "checksum",
    "codec",
    "convert",
    "disk",
    "drawing",
    "errors",
    "files",
    "format_version",
    "index",
    "json_text",
    "moments",
    "nearest_name",
    "program",
    "publish",
    "read",
    "remote",
    "schema",
    "shard",
    "spectrum",
    "system_errors",
    "trajectory_document",
    "upload",
    "urls",
    "verify",
    "webdataset",
    "webdataset_sample",
    "write",
    "xarray_backend",
    "zarr_metadata",
]
