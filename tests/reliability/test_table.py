"""The page on reliability has the tables of the committed results, and every test that it names is there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import table
from result import Result, read, show

TESTS = Path(__file__).parents[1]


def test_the_page_has_the_tables_of_the_results():
    page = table.PAGE.read_text(encoding="utf-8")
    assert page == table.with_tables(page), "run python tests/reliability/table.py"
    shown = {path.stem for path in table.RESULTS.iterdir() if read(path).markdown in page}
    assert shown == {"flips", "fuzz", "kills", "load"}


def test_every_kind_of_fault_names_tests_that_are_there():
    for kind in table.KINDS:
        for test in kind.tests:
            assert (TESTS / f"{test}.py").is_file(), test


def test_a_result_that_is_written_is_read_again(tmp_path, capsys):
    result = Result(
        "kills.py 7", "2026-11-28", ["command", "kills"], [["build, 2 workers", 16], ["append", 5]]
    )
    show(result, tmp_path / "kills.json")
    assert capsys.readouterr().out.splitlines() == [
        "command           kills",
        "build, 2 workers     16",
        "append                5",
    ]
    assert read(tmp_path / "kills.json") == result
