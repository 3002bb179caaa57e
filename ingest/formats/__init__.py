"""Opens HDF5, NetCDF4, npz and zarr files as arrays: detects the format, checks them, reads them in slabs."""

__all__ = [
    "arrays",
    "foreign_formats",
    "hdf5",
    "hdf5_attributes",
    "hdf5_errors",
    "hdf5_storage",
    "hdf5_tree",
    "hdf5_virtual",
    "natural_sort",
    "netcdf_classic",
    "netcdf_header",
    "npz",
    "open_any",
    "packing",
    "quantization",
    "run_files",
    "walk",
    "zarr_chunks",
    "zarr_marker",
    "zarr_store",
]
