"""What every command prints: results on stdout, progress on stderr, an error as one line; exit codes.

Exit: 0 done, 1 failed, 2 wrong usage (typer), 3 done with quarantine, 75 stopped by a signal and to be
started again, 130 interrupted.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console

from shards.errors import RenamedWarning, StoppedError, WalrusError

QUARANTINE = 3
INTERRUPTED = 130
# EX_TEMPFAIL of sysexits.h: try again later.
STOPPED = 75

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
            f"{url} is a URL; name a path of this machine, and copy the files there or here"
        )
    return path


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"walrus-pde {metadata.version('walrus-pde')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
]

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def application(about: str) -> typer.Typer:
    """A typer application as all our commands are."""
    return typer.Typer(
        help=about,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        rich_markup_mode=None,
    )


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Turns a WalrusError or Ctrl-C into one line on stderr and an exit code.

    Our own bugs keep their traceback.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except WalrusError as error:
        print(f"{command}: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        raise typer.Exit(STOPPED if isinstance(error, StoppedError) else 1) from None
    except KeyboardInterrupt:
        print(
            f"{command}: interrupted; no partial files remain, run the same command to continue",
            file=sys.stderr,
        )
        raise typer.Exit(INTERRUPTED) from None


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours as a line of progress; those of other packages as Python shows them."""
    if issubclass(category, RenamedWarning):
        say(f"note: {message}")
    else:
        print(
            warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end=""
        )


def say(text: str) -> None:
    """A line of progress."""
    stderr.print(printable(text), markup=False)


def printable(text: str) -> str:
    """The text with a question mark for each character that could steer a terminal; names in files are not ours.

    >>> printable("red\\x1b[31m text")
    'red?[31m text'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def print_result(document: Any, text: str, as_json: bool) -> None:
    """A result for people, or as one document."""
    if as_json:
        print_json(document)
    else:
        typer.echo(text)


def print_json(document: Any) -> None:
    """One document on stdout."""
    typer.echo(json.dumps(document, indent=1))
