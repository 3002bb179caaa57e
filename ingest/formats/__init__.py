"""Files as arrays: HDF5, NetCDF4, npz and zarr, opened by content, checked, and read in slabs."""
