"""Makes docs/solvers.md: the templates, and the counts of the files with which drafts are tested."""

from inspect import getsource

from ingest.drafting.solver_page import solver_page
from tests.ingest.drafting.test_solver_files import CASES, REFUSED
from tests.ingest.layouts.test_layouts import LAYOUTS


def page() -> str:
    """The text of the page."""
    # Who writes this line says what no file states: a channel that never changes is kept.
    more = sum(any("at_rest" in line for line in case.edits.values()) for case in CASES)
    # A writer says of its layout that it is refused.
    refused = sum("refused=" in getsource(write) for write in LAYOUTS.values())
    files = len(CASES) + len(REFUSED)
    rows = [
        "| files | right, only marked lines edited | right, one more line written | refused by name |",
        "|---|---|---|---|",
        f"| {files} stand-ins of the output of programs | {len(CASES) - more} | {more} | {len(REFUSED)} |",
        f"| {len(LAYOUTS)} layouts of programs and of people | {len(LAYOUTS) - refused} | 0 | {refused} |",
    ]
    return solver_page("\n".join(rows))


if __name__ == "__main__":
    print(page(), end="")
