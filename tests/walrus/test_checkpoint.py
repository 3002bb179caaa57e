import random

import pytest
import torch

from shards.errors import MismatchError, ShardError, WalrusError
from shards.json_text import checked_content, text_with_checksum
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)


def description(**changes):
    values = {
        "model": SETTINGS,
        "vocabulary": PUBLISHED.names,
        "history_2d": 4,
        "history_3d": 3,
        "eps": 1e-5,
        "jitters": True,
        "step": 7,
        "seed": 0,
        "datasets": ("shear_flow",),
        "licences": {"shear_flow": "MIT"},
    }
    return ModelDescription(**(values | changes))


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path, description(), Walrus(SETTINGS, 67).state_dict())
    return tmp_path


def test_a_model_comes_back_as_it_was_saved(tmp_path):
    network = Walrus(SETTINGS, 67)
    save_model(tmp_path, description(), network.state_dict())
    loaded, model = load_model(tmp_path)
    assert loaded == description()
    assert not model.network.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[name], value, rtol=0, atol=0)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ShardError, match=r"has no model\.json"):
        load_model(tmp_path)


def test_what_is_named_in_place_of_a_run_is_told(root, folder):
    first = "expected the folder of a run; a command names the run first, then the dataset"
    for place, words in (
        (root / "MHD_64", f"is a dataset; {first}"),
        (root, f"holds datasets; {first}"),
        (folder / "model.safetensors", f"is a file of a model; name its folder, {folder}"),
        (root / "MHD_64" / "card.json", "is a file; expected the folder of a run, or of converted weights"),
    ):
        with pytest.raises(ShardError) as raised:
            load_model(place)
        assert str(raised.value).startswith(f"{place}: {words}")


def test_weights_cut_short_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ShardError, match=r"model\.safetensors: cannot be read"):
        load_model(folder)


def test_weights_of_another_size_are_refused(folder):
    save_model(folder, description(model=ModelSettings(hidden=64, heads=2, inner=4, mlp=32, blocks=1)), {})
    save_model(
        folder,
        description(),
        Walrus(ModelSettings(hidden=64, heads=2, inner=4, mlp=32, blocks=1), 67).state_dict(),
    )
    with pytest.raises(MismatchError, match=r"does not fit model\.json"):
        load_model(folder)


def rewrite(folder, old, new):
    """Changes the description, and its checksum with it."""
    content = checked_content((folder / "model.json").read_bytes(), "model.json").decode()
    assert old in content
    (folder / "model.json").write_bytes(text_with_checksum(content.replace(old, new)))


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_no_flipped_bit_goes_unnoticed(folder, name):
    content = (folder / name).read_bytes()
    for bit in random.Random(3).sample(range(8 * len(content)), 40):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(flipped)
        with pytest.raises(WalrusError, match=name):
            load_model(folder)


def test_an_unknown_key_in_the_description_is_refused(folder):
    rewrite(folder, '"step": 7', '"step": 7, "hook": "os.system"')
    with pytest.raises(ShardError, match="hook"):
        load_model(folder)


def test_a_history_too_short_for_a_straight_line_is_refused(folder):
    rewrite(folder, '"history_2d": 4', '"history_2d": 1')
    with pytest.raises(ShardError, match="history_2d: Input should be greater than or equal to 2"):
        load_model(folder)
