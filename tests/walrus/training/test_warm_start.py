import pytest
import torch

from shards.errors import MismatchError
from shards.schema import Boundary
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.warm_start import grow
from walrus.vocabulary import PUBLISHED, Vocabulary

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1, branch_scale=1.0)
SIDES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)


def network(vocabulary, seed):
    torch.manual_seed(seed)
    return Walrus(SETTINGS, len(vocabulary)).double()


def test_outputs_of_old_fields_do_not_change_when_the_vocabulary_grows():
    new = PUBLISHED.extend(["salt", "soot", "pressure", "ash"])
    assert len(new) == 70
    before, after = network(PUBLISHED, 1), network(new, 2)
    after.load_state_dict(grow(before.state_dict(), PUBLISHED, after.state_dict(), new))
    x = torch.randn(2, 1, 3, 16, 24, 1, dtype=torch.float64)
    labels = PUBLISHED.labels(["pressure", "velocity_x", "tracer"])
    with torch.no_grad():
        torch.testing.assert_close(after(x, labels, SIDES), before(x, labels, SIDES), rtol=1e-12, atol=1e-12)


def test_new_columns_are_those_of_the_new_network():
    new = PUBLISHED.extend(["salt"])
    fresh = network(new, 2).state_dict()
    grown = grow(network(PUBLISHED, 1).state_dict(), PUBLISHED, fresh, new)
    torch.testing.assert_close(grown["decoders.plane.second"][:, 67], fresh["decoders.plane.second"][:, 67])


def test_a_renumbered_vocabulary_is_refused():
    turned = Vocabulary((*PUBLISHED.names[:3], *reversed(PUBLISHED.names[3:])))
    state = network(PUBLISHED, 1).state_dict()
    with pytest.raises(MismatchError, match="begin with the old one"):
        grow(state, PUBLISHED, state, turned)
