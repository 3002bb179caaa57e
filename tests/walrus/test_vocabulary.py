from __future__ import annotations

import pytest

from shards.errors import MismatchError
from walrus.vocabulary import PUBLISHED, SERVICE_CHANNELS, Vocabulary


def test_published_names_have_their_published_indices(golden):
    expected = golden.manifest["vocabulary"]
    assert {name: index for index, name in enumerate(PUBLISHED.names)} == expected
    assert len(PUBLISHED) == 67


def test_extending_appends_what_is_unknown_and_renumbers_nothing():
    grown = PUBLISHED.extend(["vorticity", "pressure", "vorticity", "phase"])
    assert grown.names == (*PUBLISHED.names, "vorticity", "phase")
    assert grown.labels(["phase", "pressure", "vorticity"]) == (68, 3, 67)
    assert PUBLISHED.extend(["tracer"]) == PUBLISHED


def test_an_unknown_name_is_an_error_that_names_the_nearest():
    words = "velocity_u: .* the nearest of its 64 is velocity_.*walrus-finetune"
    with pytest.raises(MismatchError, match=words):
        PUBLISHED.labels(["pressure", "velocity_u"])


def test_a_service_channel_is_no_field():
    with pytest.raises(MismatchError, match="bias_correction: the model does not know"):
        PUBLISHED.labels(["bias_correction"])


def test_a_vocabulary_without_service_channels_or_with_twins_is_refused():
    with pytest.raises(MismatchError, match="begins with"):
        Vocabulary(("pressure", "density", "energy"))
    with pytest.raises(MismatchError, match="energy appears twice"):
        Vocabulary((*SERVICE_CHANNELS, "energy", "energy"))
