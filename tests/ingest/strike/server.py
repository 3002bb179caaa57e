"""Runs walrus-ingest again and again, each time in a fork with a session of its own: only the first waits for
imports.

A line of JSON in: arguments, environment, and the files for stdout and stderr. A line out: the session, and
the exit code, or less than 0 the signal that ended it.
"""

import json
import os
import signal
import sys
from importlib import import_module

import sitecustomize

# What a build loads only when it works: in each fork it would take as long as the build.
LOADED = (
    "h5py",
    "rich.progress",
    "ingest.building.build",
    "ingest.building.verify",
    "ingest.catalogue",
    "ingest.dataset_place",
    "ingest.sources.well",
    "shards.verify",
)


def run(arguments: list[str], environment: dict[str, str], streams: list[str]) -> None:
    os.setsid()
    os.environ.update(environment)
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    # A shell that starts the tests in the background has them, and all they start, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["walrus-ingest", *arguments]
    sitecustomize.install()
    main()


if __name__ == "__main__":
    from ingest.cli import main

    for name in LOADED:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([child, code]), flush=True)
