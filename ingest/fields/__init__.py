"""Arrays as fields: which axes they have, how components and files stack up to frames."""

__all__ = ["components", "described", "grid", "laid_out", "stacked"]
