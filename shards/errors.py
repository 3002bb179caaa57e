"""Errors that a user or a file causes. Any other exception is a bug and keeps its traceback.

A message says where, what was found, what was expected and what to do, in one line.
"""


class WalrusError(Exception):
    """A mistake in the input or in the request; a command prints it as one line and exits with 1."""


class SettingsError(WalrusError, ValueError):
    """A recipe, a setting or an option is unknown or out of range."""


class SourceError(WalrusError, OSError):
    """An input file cannot be read, or does not hold what its source promises."""


class ShardError(WalrusError, OSError):
    """A built dataset is absent, incomplete or damaged."""


class MismatchError(WalrusError, ValueError):
    """Two things that must agree do not: schema and file, checkpoint and dataset, resume and settings."""


class StoppedError(WalrusError, InterruptedError):
    """A run was stopped by a signal and has saved its state: the same command continues it."""


class WalrusWarning(UserWarning):
    """What a user should know though nothing failed; a command prints it as one line."""


class RenamedWarning(WalrusWarning, FutureWarning):
    """Something is called by a name of an earlier version; it still works."""
