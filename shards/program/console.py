"""What every command prints: results on stdout, progress on stderr, an error as one line; exit codes.

Exit: 0 done, 1 failed, 2 wrong usage (typer), 3 done with quarantine, 75 stopped by a signal and to be
started again, 130 interrupted, 141 nobody reads the output any more. A closed stdout counts as /dev/null.
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
# As a shell reports a program that SIGPIPE ended.
OUTPUT_CLOSED = 141

# What most commands take.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of the recipe.")
]


def local(path: Path | None) -> Path | None:
    """A path of this machine, as the callback of an option; raises BadParameter where it is a URL."""
    # `Path` has made one slash of two.
    if path is not None and re.match(r"[a-z][a-z0-9+.-]+:/", str(path)):
        url = str(path).replace(":/", "://", 1)
        raise typer.BadParameter(
            f"{without_secrets(url)} is a URL; name a path of this machine, and copy the files there or here"
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
    """Prints lines on stderr; if stderr is closed, the work goes on without them."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


stderr = _Progress(stderr=True, highlight=False, soft_wrap=True)


class _Application(typer.Typer):
    """Guards also what is printed outside `one_line_errors`: help, and what is wrong in the command line."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        output = sys.stdout
        try:
            return super().__call__(*arguments, **options)
        except SystemExit:
            # typer replaces the stream, and ends with 1, where its reader has seen enough.
            if sys.stdout is not output:
                raise SystemExit(OUTPUT_CLOSED) from None
            raise
        except OSError as error:
            sentence = explained(error)
            if sentence is None:
                raise
            _fail(COMMAND, sentence)
            raise SystemExit(1) from None


def application(about: str) -> typer.Typer:
    """A typer application as all our commands are."""
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
    # A notebook names its own drawing program here, without which matplotlib cannot even be imported.
    os.environ.pop("MPLBACKEND", None)
    try:
        with warnings.catch_warnings(), stopping():
            warnings.showwarning = _show_warning
            require_own_packages()
            yield
    except WalrusError as error:
        _print_error(f"{command}: {' '.join(str(error).split())}")
        raise typer.Exit(STOPPED if isinstance(error, StoppedError) else 1) from None
    except KeyboardInterrupt:
        _print_error(f"{command}: interrupted; no partial files remain, run the same command to continue")
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        sentence = explained(error)
        if sentence is None:
            raise
        _fail(command, sentence)
        raise typer.Exit(1) from None
    except MemoryError:
        _print_error(f"{command}: the memory does not suffice; use fewer workers, or a larger machine")
        raise typer.Exit(1) from None
    except RuntimeError as error:
        # What Python makes of EAGAIN (ulimit -u, ulimit -v, a limit of the container).
        if "can't start new thread" not in str(error):
            raise
        _print_error(f"{command}: {explained(OSError(errno.EAGAIN, ''))}")
        raise typer.Exit(1) from None


def _fail(command: str, sentence: str) -> None:
    """Prints an error of the machine; what stdout still holds would fail once more at the end."""
    with suppress(OSError):
        _write_nowhere(sys.stdout)
    _print_error(f"{command}: {sentence}")


def _print_error(line: str) -> None:
    # Nobody may read it any more: the exit code says the same.
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
    """Ours as a line of progress; those of other packages as Python shows them."""
    if issubclass(category, WalrusWarning):
        say(f"note: {message}")
    else:
        print(
            warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end=""
        )


def say(text: str) -> None:
    """A line of progress; where stderr cannot be written, the work goes on without."""
    with suppress(OSError):
        stderr.print(printable(without_secrets(text)), markup=False)


def printable(text: str) -> str:
    """The text with a question mark for each character that could steer a terminal; names in files are not
    ours.

    >>> printable("red\\x1b[31m text")
    'red?[31m text'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def print_result(document: Any, text: str, as_json: bool) -> None:
    """A result for people, or as one document."""
    if as_json:
        print_json(document)
    else:
        print_text(text)


def print_text(text: str) -> None:
    """Text on stdout; where its reader has seen enough, as `| head` does, the command ends without a word."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        _write_nowhere(sys.stdout)
        raise typer.Exit(OUTPUT_CLOSED) from None


def print_json(document: Any) -> None:
    """One document on stdout."""
    print_text(json.dumps(document, indent=1))
