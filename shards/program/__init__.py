"""What all commands share: options and output, the machine, settings in TOML, sizes in bytes."""

__all__ = ["byte_size", "console", "machine", "settings"]
