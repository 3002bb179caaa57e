"""Who calls torch: the function of the package that is innermost on the stack."""

import traceback
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "walrus"


def asking() -> str:
    """The function of the package that torch or DeepSpeed is called from."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(PACKAGE):
            return f"{path.relative_to(PACKAGE)}: {frame.name}"
    return "outside of the package"
