"""Layouts of other programs and of people: a draft with only its marked lines edited gives what is right."""

import pytest

from shards.errors import SourceError
from tests.ingest.layouts import (  # noqa: F401 (they add layouts)
    components,
    dated,
    folders,
    forecasts,
    ghosts,
    in_words,
    numbers_and_names,
    pieces,
    programs,
    scenes,
    species,
)
from tests.ingest.layouts.trial import faults
from tests.ingest.layouts.writers import LAYOUTS


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_draft_is_right_where_only_marked_lines_are_edited(tmp_path, name):
    right = LAYOUTS[name](tmp_path)
    if right.refused:
        with pytest.raises(SourceError, match=right.refused):
            faults(right)
    else:
        assert faults(right) == []
