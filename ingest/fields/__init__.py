"""Arrays as fields: which axes they have, how components and files stack up to frames."""
