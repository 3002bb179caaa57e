"""Published checkpoints to models and back; the files are made of small weights under the published names."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from pipelines.conversion import convert, export_release, halve, import_release
from pipelines.convert import app
from shards.errors import MismatchError, SettingsError, ShardError, WalrusError
from shards.read import Dataset
from shards.schema import Boundary
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.published import to_published
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(hidden=64, heads=2, inner=4, mlp=32, blocks=2, branch_scale=1.0)
DESCRIPTION = ModelDescription(SETTINGS, PUBLISHED.names, 6, 3, 1e-5, True, 0, 0, ())
FINETUNED = replace(SETTINGS, rotary="learned", position_grid=(4, 6, 1))


def release(settings=SETTINGS, columns=67, scalar=0.75):
    """A published state with every tensor drawn anew, but for fixed frequencies."""
    torch.manual_seed(0)
    state = to_published(Walrus(settings, columns).state_dict(), settings)
    drawn = {
        name: value if name.endswith(".freqs") else torch.randn_like(value) for name, value in state.items()
    }
    return drawn | {"encoder_dummy": torch.tensor([scalar])}


def wrapped(path, state):
    """The nesting of a published file."""
    torch.save({"app": {"model": state, "epoch": 200}}, path)
    return path


def forecast(network, channels=3):
    boundaries = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
    x = torch.randn(2, 1, channels, 16, 24, 1, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(x, (3, 4, 28)[:channels], boundaries)


@pytest.mark.parametrize("settings", [SETTINGS, FINETUNED])
def test_a_published_file_becomes_a_model_and_again_the_same_weights(tmp_path, settings):
    state = release(settings)
    description = import_release(wrapped(tmp_path / "walrus.pt", state), tmp_path / "model", (), ())
    loaded, model = load_model(tmp_path / "model")
    assert loaded == description
    assert description.model == replace(
        settings, branch_scale=description.model.branch_scale, field_scale=0.75
    )
    assert description.vocabulary == PUBLISHED.names
    assert (description.history_2d, description.history_3d, description.eps) == (6, 3, 1e-5)
    assert description.jitters
    assert description.origin == "walrus.pt"

    export_release(tmp_path / "model", tmp_path / "back")
    back = load_file(tmp_path / "back" / "walrus.safetensors")
    assert set(back) == set(state)
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor), name
    # What was written is itself a published file, of the same network.
    import_release(tmp_path / "back" / "walrus.safetensors", tmp_path / "again", (), ())
    assert torch.equal(forecast(load_model(tmp_path / "again")[1].network), forecast(model.network))


def test_columns_beyond_the_published_ones_need_their_names(tmp_path):
    path = wrapped(tmp_path / "wider.pt", release(columns=69))
    with pytest.raises(
        MismatchError, match=r"columns for 69 channels; expected the 67 published ones and the 1 named"
    ):
        import_release(path, tmp_path / "model", ("vorticity",), ())
    import_release(path, tmp_path / "model", ("vorticity", "salt"), ())
    assert load_model(tmp_path / "model")[1].vocabulary.labels(["salt"]) == (68,)


def test_a_finetuned_checkpoint_divides_by_the_rms_of_its_dataset(tmp_path, root):
    dataset = Dataset(root / "shear_flow")
    path = wrapped(tmp_path / "tuned.pt", release(FINETUNED))
    description = import_release(path, tmp_path / "model", (), (), dataset)
    loaded, model = load_model(tmp_path / "model")
    assert loaded == description
    assert (loaded.eps, loaded.datasets, loaded.model.rotary) == (1e-8, ("shear_flow",), "learned")
    assert model.scales["shear_flow"]["tracer"].rms == dataset.card.moments["tracer"].rms
    assert (
        model.scales["shear_flow"]["velocity_y"].change_rms == dataset.card.moments["velocity_y"].change_rms
    )


def test_settings_that_leave_the_weights_alone_can_be_overridden(tmp_path):
    path = wrapped(tmp_path / "walrus.pt", release())
    chosen = ("eps=1e-8", "jitters=false", "model.released_seams=true")
    description = import_release(path, tmp_path / "model", (), chosen)
    assert (description.eps, description.jitters, description.model.released_seams) == (1e-8, False, True)
    with pytest.raises(MismatchError, match="need other weights"):
        import_release(path, tmp_path / "model", (), ["model.blocks=3"])
    with pytest.raises(SettingsError, match="unknown key epss; did you mean eps"):
        import_release(path, tmp_path / "model", (), ["epss=1"])


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (
            lambda state, trap: {"app": {"model": state, "hook": Trap(trap)}},
            ShardError,
            "has objects besides tensors",
        ),
        (lambda state, trap: {"app": {"model": {"a": 1}}}, MismatchError, "has no table of tensors"),
        (lambda state, trap: [1, 2], MismatchError, "has no table of tensors"),
        (lambda state, trap: {"weight": torch.zeros(2)}, MismatchError, "without encoder_dummy"),
        (
            lambda state, trap: state | {"debed.2.proj2.bias": torch.zeros(66)},
            MismatchError,
            r"debed.2.proj2.bias has the shape \(66,\); expected \(67,\)",
        ),
        (
            lambda state, trap: {
                name: value for name, value in state.items() if "1.time_mixing.qnorm" not in name
            },
            MismatchError,
            r"blocks.1.time_mixing.qnorm.bias, blocks.1.time_mixing.qnorm.weight missing, nothing unknown",
        ),
        (
            lambda state, trap: state | {"blocks.0.space_mixing.ff_out.weight": torch.zeros(3)},
            MismatchError,
            r"ff_out.weight has the shape \(3,\); expected 2 axes",
        ),
    ],
)
def test_what_is_no_walrus_is_refused_and_nothing_runs(tmp_path, content, error, message):
    path, trap = tmp_path / "walrus.pt", tmp_path / "trap"
    torch.save(content(release(), trap), path)
    with pytest.raises(error, match=message):
        import_release(path, tmp_path / "model", (), ())
    assert not trap.exists()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["walrus.pt", "walrus.safetensors"])
def test_a_damaged_file_is_an_error_of_ours(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no checkpoint")
    with pytest.raises(WalrusError, match="cannot be read as"):
        import_release(path, tmp_path / "model", (), ())


def test_a_model_beyond_the_release_has_no_published_form(tmp_path):
    settings = replace(SETTINGS, cell_flags=True)
    description = ModelDescription(settings, PUBLISHED.names, 6, 3, 1e-5, True, 0, 0, ())
    save_model(tmp_path / "model", description, Walrus(settings, 67).state_dict())
    with pytest.raises(MismatchError, match="cell_flags = True"):
        export_release(tmp_path / "model", tmp_path / "back")


def test_the_command_converts_there_and_back_and_may_be_repeated(tmp_path):
    def call(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)))

    path = wrapped(tmp_path / "walrus.pt", release())
    for _ in range(2):
        done = call(path, "--to", tmp_path / "model")
        assert done.exit_code == 0, done.stderr
        assert "a model of 2 blocks, 64 wide, 67 channel names" in done.stdout
    back = call(tmp_path / "model", "--to", tmp_path / "back", "--json")
    assert json.loads(back.stdout)["written"] == [str(tmp_path / "back" / "walrus.safetensors")]
    wrong = call(tmp_path / "nothing.pt", "--to", tmp_path / "model")
    assert wrong.exit_code == 1
    assert wrong.stderr.splitlines() == [
        f"walrus-convert: {tmp_path / 'nothing.pt'}: there is no such file or folder; name a checkpoint"
    ]


def test_a_model_in_half_precision_has_its_card_takes_half_the_space_and_forecasts_the_same(tmp_path):
    whole, half = tmp_path / "whole", tmp_path / "half"
    torch.manual_seed(0)
    network = Walrus(SETTINGS, len(PUBLISHED))
    save_model(whole, DESCRIPTION, network.state_dict())
    (whole / "README.md").write_text("# A model\n\nIt forecasts.\n\n## Data\n\n- licence: MIT\n")
    (whole / "recipe.toml").write_text('title = "A model"\n')
    done = CliRunner().invoke(app, [str(whole), "--to", str(half), "--half"])
    assert done.exit_code == 0, done.output
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.55 * sizes[0]
    assert "half precision (float16)" in (half / "README.md").read_text()
    assert "- licence: MIT" in (half / "README.md").read_text()
    assert (half / "recipe.toml").read_text() == 'title = "A model"\n'
    description, model = load_model(half)
    assert description == DESCRIPTION
    for name, value in network.state_dict().items():
        assert model.network.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(model.network.state_dict()[name], value, rtol=1e-3, atol=1e-6)


def test_a_weight_beyond_half_precision_is_refused(tmp_path):
    weights = Walrus(SETTINGS, len(PUBLISHED)).state_dict()
    weights["blocks.0.time.out.bias"][3] = 1e5
    save_model(tmp_path / "whole", DESCRIPTION, weights)
    with pytest.raises(MismatchError, match=r"blocks\.0\.time\.out\.bias has values beyond"):
        halve(tmp_path / "whole", tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_the_weights_are_read(tmp_path):
    (tmp_path / "taken").touch()
    (tmp_path / "empty").mkdir()
    for act in (halve, convert):
        with pytest.raises(MismatchError, match=r"choose another folder \(--to\)"):
            act(tmp_path / "empty", tmp_path / "taken" / "more")
