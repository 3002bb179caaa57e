"""Reads families of files, one module per family: its file names, its marks, and how it reads
trajectories.
"""

__all__ = ["arrays", "bubbleml", "flowbench", "pdearena", "pdebench", "pdegym", "well"]
