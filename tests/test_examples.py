"""Every example in a docstring of the four packages runs, and gives what it says."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ingest", "shards", "walrus", "pipelines")
LEAST = 60
OPTIONS = doctest.ELLIPSIS


def modules_with_examples() -> list[str]:
    names = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            names += [module] if ">>> " in path.read_text(encoding="utf-8") else []
    return names


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_are_true(name):
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    report: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(import_module(name)):
        runner.run(example, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)


def test_there_are_examples():
    found = 0
    for name in modules_with_examples():
        for each in doctest.DocTestFinder(exclude_empty=True).find(import_module(name)):
            found += bool(each.examples)
    assert found >= LEAST


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_tells_type_checkers_that_it_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()
