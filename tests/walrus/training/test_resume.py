import pytest
from safetensors.torch import save_file

from shards.errors import MismatchError, SettingsError
from shards.json_text import dump
from walrus.training.resume import last_checkpoint, remove_state, require_state
from walrus.training.run_checkpoint import Checkpoint

IDENTITY = {
    "data": {"flow": "0a:12:3f"},
    "plan": {"datasets": {"flow": 1}, "micro_batches": 4},
    "schedule": {"rate": 2e-4},
    "model": {"hidden": 32},
}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "checkpoints" / "step-0000005"
    folder.mkdir(parents=True)
    save_file({}, folder / "rank-00000.safetensors")
    (folder / "checkpoint.json").write_text(dump(Checkpoint, Checkpoint(5, 2, 5.0, IDENTITY)))
    return tmp_path


def now(**changes):
    return {part: {**values, **changes.get(part, {})} for part, values in IDENTITY.items()}


def test_an_unchanged_run_goes_on_without_a_word(run):
    saved, changes = last_checkpoint(run, now(), ())
    assert saved.checkpoint.step == 5
    assert changes == []


def test_a_new_run_has_no_checkpoint(tmp_path):
    assert last_checkpoint(tmp_path, now(), ()) == (None, [])


def test_other_data_and_settings_are_refused_key_by_key_with_the_way_out(run):
    with pytest.raises(MismatchError) as refused:
        last_checkpoint(run, now(data={"flow": "ff:12:3f"}, schedule={"rate": 1e-3}), ())
    assert "another data (flow 0a:12:3f -> ff:12:3f); another schedule (rate 0.0002 -> 0.001)" in str(
        refused.value
    )
    assert "--allow data --allow schedule" in str(refused.value)


def test_what_is_allowed_goes_on_and_is_said(run):
    saved, changes = last_checkpoint(run, now(data={"flow": "ff:12:3f"}), ("data",))
    assert saved.checkpoint.step == 5
    assert changes == ["goes on at step 5 with another data (flow 0a:12:3f -> ff:12:3f)"]


def test_what_is_not_among_the_allowed_stays_refused(run):
    with pytest.raises(
        MismatchError, match=r"another plan \(micro_batches 4 -> 8\)\. Give another --out, or allow"
    ):
        last_checkpoint(run, now(data={"flow": "ff:12:3f"}, plan={"micro_batches": 8}), ("data",))


def test_another_model_is_never_allowed(run):
    with pytest.raises(MismatchError, match=r"another model \(hidden 32 -> 64\)\. .*remove the folder"):
        last_checkpoint(run, now(model={"hidden": 64}), ("data", "plan", "schedule", "engine", "training"))
    with pytest.raises(SettingsError, match="--allow model: expected data, plan"):
        last_checkpoint(run, now(), ("model",))


def test_a_dataset_more_is_a_change_but_a_setting_that_was_unknown_then_is_none(run):
    assert last_checkpoint(run, now(schedule={"offset": 128}, plan={"block": 1}), ())[1] == []
    with pytest.raises(MismatchError, match=r"another data \(wave absent -> 1:2:3\)"):
        last_checkpoint(run, now(data={"wave": "1:2:3"}), ())


def test_a_run_that_has_ended_is_known_but_cannot_go_on(run):
    (run / "best.safetensors").touch()
    require_state(run, last_checkpoint(run, now(), ())[0])
    remove_state(run)
    assert [path.name for path in run.rglob("*.*")] == ["checkpoint.json"]
    with pytest.raises(MismatchError, match="another schedule"):
        last_checkpoint(run, now(schedule={"rate": 1e-4}), ())
    saved, _ = last_checkpoint(run, now(schedule={"rate": 1e-4}), ("schedule",))
    with pytest.raises(MismatchError, match="its run ended at step 5, and its state was removed"):
        require_state(run, saved)
    require_state(run, None)
