"""What every command of the project shares: its options and output, the machine, settings in TOML."""
