"""One module per family of files: its file names, its marks, and how it reads trajectories."""

__all__ = ["arrays", "bubbleml", "flowbench", "pdearena", "pdebench", "pdegym", "well"]
