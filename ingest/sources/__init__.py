"""One module per family of files: what its files are called, known by, and how they become trajectories."""

__all__ = ["arrays", "bubbleml", "flowbench", "pdearena", "pdebench", "pdegym", "well"]
