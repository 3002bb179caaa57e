"""A model learns: the loop, its engine, its checkpoints, and what is watched meanwhile."""
