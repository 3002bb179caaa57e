"""The shard format: the schema of a dataset, and how its shards are written, read and checked.

Nothing here imports torch or h5py. `program` holds what the commands share, `drawing` what the pictures
share; only these two import typer and matplotlib.
"""

__all__ = [
    "cache",
    "card",
    "checksum",
    "codec",
    "convert",
    "counted",
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
