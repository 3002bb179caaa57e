"""What is in an unknown file, and a first recipe for it."""
