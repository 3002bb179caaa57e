"""The page on reliability has the table that the script prints, and every test that it names is there."""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def test_the_page_has_the_table_of_the_script():
    spec = importlib.util.spec_from_file_location("reliability_table", HERE / "table.py")
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks for the module that it is in.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert module.table() in (REPOSITORY / "docs" / "reliability.md").read_text()
    for kind in module.KINDS:
        for test in kind.tests:
            assert (REPOSITORY / "tests" / f"{test}.py").is_file(), test
