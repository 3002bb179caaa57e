"""Errors that are caused by a user or a file. Any other exception is a bug and keeps its traceback.

A message is one line: where it is, what was found, what was expected, what to do.
"""


class WalrusError(Exception):
    """The base of all these errors; a command prints it as one line and exits with 1."""


class SettingsError(WalrusError, ValueError):
    """A recipe, a setting or an option is unknown or out of range."""


class SourceError(WalrusError, OSError):
    """An input file cannot be read, or differs from what its source expects."""


class ShardError(WalrusError, OSError):
    """A built dataset is absent, incomplete or damaged."""


class MismatchError(WalrusError, ValueError):
    """Two things do not agree: schema and file, checkpoint and dataset, settings and those of the old run."""


class StoppedError(WalrusError, InterruptedError):
    """A run was stopped by a signal and has saved its state: the same command continues it."""


class WalrusWarning(UserWarning):
    """Something that a user should know although nothing failed; a command prints it as one line."""


class RenamedWarning(WalrusWarning, FutureWarning):
    """A name of an earlier version was used; it still works."""
