"""The output of every command: results on stdout, progress on stderr, an error as one line; exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage (typer), 3 done but something was left out, 75 stopped by a signal
(the same command continues), 130 interrupted, 141 the output is no longer read (`| head`).
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from typer.completion import completion_init  # type: ignore[attr-defined]

from shards.errors import StoppedError, WalrusError, WalrusWarning
from shards.program.own_packages import require_own_packages
from shards.program.signals import stopping
from shards.program.starting import COMMAND, STOPPED
from shards.system_errors import explained
from shards.urls import without_secrets

QUARANTINE = 3
INTERRUPTED = 130
# The code by which a shell reports a program that was ended by SIGPIPE.
OUTPUT_CLOSED = 141

# Options of most commands.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of the recipe.")
]


def local(path: Path | None) -> Path | None:
    """Checks an option that takes a path of this machine; raises BadParameter if it is a URL."""
    # `Path` turns the two slashes into one.
    if path is not None and re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
        url = str(path).replace(":/", "://", 1)
        raise typer.BadParameter(
            f"{without_secrets(url)} is a URL; name a path of this machine; walrus-ingest upload copies a "
            "built dataset to a URL"
        )
    return path


def _print_version(asked: bool) -> None:
    if asked:
        print_text(f"walrus-pde {metadata.version('walrus-pde')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
]


class _Progress(Console):
    """Prints lines on stderr; if stderr is closed, the command continues without them."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


# Text such as `run_1.h5:x: shape` holds no emoji.
stderr = _Progress(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class _Application(typer.Typer):
    """Handles errors outside `one_line_errors` too, while help or a wrong command line is printed."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        output = sys.stdout
        try:
            return super().__call__(*arguments, **options)
        except SystemExit:
            # typer replaces the stream, and exits with 1, if the reader closed it.
            if sys.stdout is not output:
                raise SystemExit(OUTPUT_CLOSED) from None
            raise
        except OSError as error:
            sentence = explained(error)
            if sentence is None:
                raise
            _drop_output()
            _print_error(f"{COMMAND}: {sentence}")
            raise SystemExit(1) from None


def application(about: str) -> typer.Typer:
    """Makes the typer application of a command, with the settings of all our commands."""
    # Shells can complete its words, without typer's two options for it in every help text.
    completion_init()
    return _Application(
        help=about,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        rich_markup_mode=None,
    )


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Turns a WalrusError, an error of the machine, a signal or Ctrl-C into one line and an exit code.

    A full disk, a lack of permission and the like are errors of the machine (`shards.system_errors`). Our own
    bugs keep their traceback.
    """
    # A notebook sets its own backend here; where that is not installed, matplotlib cannot be imported.
    os.environ.pop("MPLBACKEND", None)
    try:
        with warnings.catch_warnings(), stopping():
            warnings.showwarning = _show_warning
            require_own_packages()
            yield
    except WalrusError as error:
        code = STOPPED if isinstance(error, StoppedError) else 1
        raise _ended(f"{command}: {' '.join(str(error).split())}", code) from None
    except KeyboardInterrupt:
        line = f"{command}: interrupted; no partial files remain; run the same command again"
        raise _ended(line, INTERRUPTED) from None
    except OSError as error:
        sentence = explained(error)
        if sentence is None:
            raise
        _drop_output()
        raise _ended(f"{command}: {sentence}") from None
    except MemoryError:
        line = f"{command}: there is not enough memory; use fewer workers, or a larger machine"
        raise _ended(line) from None
    except RuntimeError as error:
        # Python turns EAGAIN into this (ulimit -u, ulimit -v, a limit of the container).
        if "can't start new thread" not in str(error):
            raise
        raise _ended(f"{command}: {explained(OSError(errno.EAGAIN, ''))}") from None


def _ended(line: str, code: int = 1) -> typer.Exit:
    """Prints an error; returns the exception that ends the command with this code."""
    _print_error(line)
    return typer.Exit(code)


def _drop_output() -> None:
    """Drops what stdout still holds: on a full disk it would fail again at the end."""
    with suppress(OSError):
        _write_nowhere(sys.stdout)


def _print_error(line: str) -> None:
    # stderr may be closed: the exit code reports the failure too.
    with suppress(OSError):
        print(printable(without_secrets(line)), file=sys.stderr)


def _write_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Shows our warnings as a line of progress, and those of other packages as Python does."""
    if issubclass(category, WalrusWarning):
        say(f"note: {message}")
    else:
        print(
            warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end=""
        )


def say(text: str) -> None:
    """Prints a line of progress on stderr, if that can be written."""
    with suppress(OSError):
        stderr.print(printable(without_secrets(text)), markup=False)


def printable(text: str) -> str:
    """The text with a question mark for each character that could control a terminal (hostile names in
    files).

    >>> printable("red\\x1b[31m text")
    'red?[31m text'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def print_result(document: Any, text: str, *, as_json: bool) -> None:
    """Prints a result as text, or as one JSON document."""
    if as_json:
        print_json(document)
    else:
        print_text(text)


def print_text(text: str) -> None:
    """Prints text on stdout; if its reader has closed it, as `| head` does, the command ends silently."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        _write_nowhere(sys.stdout)
        raise typer.Exit(OUTPUT_CLOSED) from None


def print_json(document: Any) -> None:
    """Prints one JSON document on stdout."""
    print_text(json.dumps(document, indent=1))
