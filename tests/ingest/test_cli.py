"""The command as a user meets it: results on stdout, one clear line on stderr, the right exit code."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

SAMPLES = Path(__file__).parents[1] / "samples"
DAMAGED = SAMPLES / "damaged"
COMMAND = [sys.executable, "-c", "from ingest.cli import main; main()"]
PDEBENCH = """
name = "flow"
source = "pdebench"
title = "Compressible flow, four runs"
axes = ["x", "y"]
fields = [{name = "density"}, {name = "pressure"}, {name = "velocity", rank = 1, stored = ["Vx", "Vy"]}]
[correction]
reason = "the generator's settings"
boundaries = {x = ["periodic", "periodic"], y = ["periodic", "periodic"]}
"""


@pytest.fixture
def flow(tmp_path) -> Path:
    """A recipe for the damaged files of the PDEBench kind."""
    path = tmp_path / "flow.toml"
    path.write_text(PDEBENCH)
    return path


@pytest.fixture
def failed(command, tmp_path):
    """The one line with which a command fails; nothing may be left below the root."""

    def call(*arguments: object, code: int = 1) -> str:
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        (line,) = result.stderr.splitlines()
        root = tmp_path / "root"
        assert not [p for p in root.rglob("*") if p.is_file()]
        return line

    return call


def build_arguments(recipe: object, start: Path, tmp_path: Path) -> list[object]:
    return ["build", recipe, "--from", start, "--to", tmp_path / "root", "--workers", 1]


def test_a_real_process_prints_its_result_alone_and_exits_with_0(good, tmp_path):
    root = tmp_path / "root"
    arguments = ["build", good.recipe, "--from", good.source, "--to", root, "--json"]
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["folder"] == str(root / "waves")
    assert done.stderr == ""


def test_ls_names_every_system(command):
    result = command("ls")
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert "shear_flow" in names
    documents = json.loads(command("ls", "--json").stdout)
    assert [document["name"] for document in documents] == names


def test_ls_of_one_system_prints_its_recipe_by_name_or_by_file(command, waves):
    assert 'name = "shear_flow"' in command("ls", "shear_flow").stdout
    assert command("ls", waves.recipe).stdout == waves.recipe.read_text()
    (document,) = json.loads(command("ls", waves.recipe, "--json").stdout)
    assert document["name"] == "waves"


def test_ls_of_an_unknown_system_names_those_there_are(failed):
    line = failed("ls", "sheer_flow")
    assert "no recipe named sheer_flow; expected one of " in line
    assert line.endswith("did you mean shear_flow?")
    assert "nowhere.toml: no such file" in failed("ls", "nowhere.toml")


def test_build_says_what_it_did_and_json_says_it_in_one_document(good, build, tmp_path):
    result = build()
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{tmp_path}/root/waves: 5 train, 2 valid, 2 test trajectories; ")
    assert line.endswith(" kB written")
    document = json.loads(build("--json").stdout)
    assert (document["written_parts"], document["reused_parts"], document["written_bytes"]) == (0, 4, 0)
    assert document["card"]["counts"]["train"] == {"trajectories": 5, "frames": 29}


def test_what_differs_from_the_published_release_is_said(good, build):
    good.recipe.write_text(good.recipe.read_text() + "[expected]\ngrid = [60, 40]\ntrajectories = 9\n")
    assert build().stderr.splitlines() == ["differs: grid (6, 4), the published release has (60, 40)"]


def test_a_trajectory_that_is_not_finite_is_left_out_counted_and_told(good, build, tmp_path):
    with h5py.File(good.source / "train" / "one.hdf5", "r+") as file:
        file["t0_fields/height"][1, 3, 2, 1] = np.inf
    result = build("--json")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == ["left out: train/one.hdf5, row 1: height is not finite in frame 3"]
    card = json.loads(result.stdout)["card"]
    assert card["quarantine"] == [
        {"path": "train/one.hdf5", "row": 1, "reason": "height is not finite in frame 3"}
    ]
    assert card["counts"]["train"]["trajectories"] == 4
    assert json.loads((tmp_path / "root/waves/card.json").read_text()) == card
    again = build()
    assert (again.exit_code, again.stderr) == (3, result.stderr)
    assert "4 train, 2 valid, 2 test trajectories, 1 left out; nothing to do" in again.stdout


def test_a_bad_file_among_good_ones_is_left_out_and_the_rest_is_built(good, build, command, tmp_path):
    whole = good.source / "train" / "two.hdf5"
    whole.write_bytes(whole.read_bytes()[:5000])
    result = build()
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("left out: train/two.hdf5: truncated: 5000 of ")
    assert "3 train, 2 valid, 2 test trajectories, 1 left out" in result.stdout
    assert command("verify", tmp_path / "root/waves").exit_code == 0


def test_a_file_with_a_good_header_and_bad_data_is_left_out_row_by_row(good, build):
    good.spoil(good.write("train/spoiled", rows=2))
    result = build()
    assert result.exit_code == 3
    starts = [f"left out: train/spoiled.hdf5, row {row}: /t0_fields/height: damaged" for row in (0, 1)]
    assert all(line.startswith(start) for line, start in zip(result.stderr.splitlines(), starts, strict=True))
    assert "5 train, 2 valid, 2 test trajectories, 2 left out" in result.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut_at_half.hdf5", "truncated"),
        ("zstd_compressed.hdf5", "pip install hdf5plugin"),
        ("lfs_pointer.hdf5", "git lfs pull"),
        ("constant_pressure.hdf5", "pressure never changes"),
    ],
)
def test_a_damaged_file_alone_is_one_line_and_leaves_nothing(failed, flow, tmp_path, name, words):
    line = failed(*build_arguments(flow, DAMAGED / name, tmp_path))
    assert line.startswith("walrus-ingest build: ")
    assert name in line
    assert words in line


def test_the_sample_that_is_not_finite_is_left_out(command, flow, tmp_path):
    result = command(*build_arguments(flow, DAMAGED / "nan_in_last_sample.hdf5", tmp_path))
    assert result.exit_code == 3
    assert "left out: nan_in_last_sample.hdf5, row 3" in result.stderr


def test_a_file_without_its_boundary_group_is_one_line(failed, tmp_path):
    path = DAMAGED / "no_boundary_conditions.hdf5"
    line = failed(*build_arguments("gray_scott_reaction_diffusion", path, tmp_path))
    assert f"{path}" in line
    assert "[correction]" in line


def test_a_recipe_in_place_of_the_data_is_told(failed, good, tmp_path):
    line = failed(*build_arguments(good.recipe, good.recipe, tmp_path))
    assert line.endswith("is a TOML file, such as a recipe; name the files of the data, or their folder")


def test_a_file_without_a_field_names_it(failed, good, tmp_path):
    path = good.source / "train" / "one.hdf5"
    with h5py.File(path, "r+") as file:
        del file["t1_fields"]
    assert "lacks flow" in failed(*build_arguments(good.recipe, path, tmp_path))


def test_a_file_of_another_source_is_one_line(failed, tmp_path):
    path = next((SAMPLES / "pdebench").glob("*.hdf5"))
    assert path.name in failed(*build_arguments("shear_flow", path, tmp_path))


@pytest.mark.parametrize(
    ("recipe", "start", "words"),
    [
        ("shear_flow", "nowhere", "nowhere: no such file or folder"),
        ("shear_flow", "empty", "empty: holds no file named *.hdf5 or *.h5; is it the folder of shear_flow?"),
        ("sheer_flow", "empty", "no recipe named sheer_flow; expected one of "),
        ("nowhere.toml", "empty", "nowhere.toml: no such file"),
    ],
)
def test_what_is_not_there_is_one_line(failed, tmp_path, recipe, start, words):
    (tmp_path / "empty").mkdir()
    assert words in failed(*build_arguments(recipe, tmp_path / start, tmp_path))


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("titel=x", "unknown key titel; did you mean title?"),
        ("split.trian=0.5", "unknown key split.trian; did you mean train?"),
        ("split.train=most", "split.train"),
        ("split.train=0.9", "must be >= 0 and sum to 1"),
        ("title", "--set title: expected a.b=value"),
        ("name=../elsewhere", "becomes a folder"),
        ("source=wel", "no source named wel; expected one of "),
    ],
)
def test_a_wrong_setting_is_one_line(failed, good, tmp_path, assignment, words):
    assert words in failed(*build_arguments(good.recipe, good.source, tmp_path), "--set", assignment)


def test_a_setting_reaches_the_card(good, build, tmp_path):
    assert build("--set", "title=Ripples", "--set", 'note="two words"').exit_code == 0
    card = json.loads((tmp_path / "root/waves/card.json").read_text())
    assert (card["title"], card["note"]) == ("Ripples", "two words")


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "tfrecord"],
        ["--codec", "gzip"],
        ["--workers", "0"],
        ["--colour"],
    ],
)
def test_wrong_usage_is_code_two(good, build, tmp_path, options):
    result = build(*options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert options[0] in result.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("root", ["a file", "a file/below"])
def test_a_root_that_cannot_hold_a_dataset_is_one_line(good, build, tmp_path, root):
    (tmp_path / "a file").write_text("mine")
    result = build(root=tmp_path / root)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert f"{tmp_path / root}/waves: cannot write" in line


@pytest.fixture(params=["zarr", "webdataset"])
def folder(request, good, build, tmp_path) -> Path:
    assert build("--format", request.param).exit_code == 0
    return tmp_path / "root" / "waves"


def shard(folder: Path) -> Path:
    return sorted(
        p
        for p in (folder / "train").rglob("*")
        if p.is_file() and (p.suffix == ".tar" or "fields/c" in str(p))
    )[0]


def test_verify_says_what_it_proved(folder, good, command):
    assert command("verify", folder).stdout.rstrip().endswith(" files, complete")
    result = command("verify", folder, "--against-source", good.source)
    assert result.stdout.startswith(f"{folder}: 9 trajectories in ")
    assert result.stdout.rstrip().endswith(f"bit for bit equal to {good.source}")
    document = json.loads(command("verify", folder, "--json").stdout)
    assert document == {"dataset": "waves", "faults": []}


def test_a_flipped_bit_is_found_and_the_cure_that_is_told_helps(folder, command, build):
    path = shard(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = command("verify", folder)
    assert (result.exit_code, result.stdout) == (1, "")
    first, last = result.stderr.splitlines()
    assert first.startswith(f"{path}: ")
    assert "delete it and build again" in first
    assert last == f"walrus-ingest verify: {folder}: 1 fault"
    document = json.loads(command("verify", folder, "--json").stdout)
    assert [fault.split(":")[0] for fault in document["faults"]] == [str(path)]
    path.unlink()
    build("--format", "webdataset" if path.suffix == ".tar" else "zarr")
    assert command("verify", folder).exit_code == 0


def test_a_cut_shard_and_a_stranger_are_named(folder, command):
    path, stranger = shard(folder), folder / "valid" / "notes.txt"
    path.write_bytes(path.read_bytes()[:-7])
    stranger.write_text("mine")
    result = command("verify", folder)
    assert result.exit_code == 1
    assert [line.split(": ")[0] for line in result.stderr.splitlines()[:-1]] == [str(path), str(stranger)]


def test_a_changed_source_is_told(folder, good, command):
    with h5py.File(good.source / "test" / "one.hdf5", "r+") as file:
        file["t0_fields/height"][0, 0, 0, 0] += 1
    result = command("verify", folder, "--against-source", good.source)
    assert result.exit_code == 1
    assert "test/one.hdf5, row 0 (test/one-00000): frames 0 to 4 differ" in result.stderr


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / "card.json").write_bytes(b"{}"), "card.json: was changed after the build"),
        (lambda f: (f / "index.json").unlink(), "is not finished (no index.json)"),
        (lambda f: f.rename(f.with_name("wavez")), "does not exist"),
        (lambda f: f.rename(f.with_name("wavez")), "did you mean wavez?"),
    ],
)
def test_a_dataset_that_is_not_whole_is_one_line(folder, command, tmp_path, harm, words):
    harm(folder)
    for arguments in (["verify", folder], ["convert", folder, "--format", "zarr", "--to", tmp_path / "copy"]):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"walrus-ingest {arguments[0]}: {folder}")
        assert words in line


def test_a_damaged_card_or_index_is_told_with_the_cure(folder, build, command):
    packaging = json.loads((folder / "index.json").read_text())["packaging"]
    for name in ("card.json", "index.json"):
        (folder / name).write_text('{"name": ')
        result = build("--format", packaging)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert f"{folder / name}: Invalid JSON" in line
        assert "delete it and build again" in line
        (folder / name).unlink()
        assert build("--format", packaging).exit_code == 0
        assert command("verify", folder).exit_code == 0


def test_convert_prints_where_the_copy_is_and_writes_it_once(folder, command, tmp_path):
    other = "zarr" if list(folder.rglob("*.tar")) else "webdataset"
    result = command("convert", folder, "--format", other, "--to", tmp_path / "copy")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/copy/waves\n")
    assert command("verify", tmp_path / "copy/waves").exit_code == 0
    again = command("convert", folder, "--format", other, "--to", tmp_path / "copy")
    assert (again.exit_code, again.stdout) == (0, result.stdout)
    assert "holds this copy already, nothing is written" in again.stderr
    third = command("convert", folder, "--format", other, "--to", tmp_path / "third", "--json")
    assert json.loads(third.stdout) == {"folder": f"{tmp_path}/third/waves"}
    assert command("convert", folder, "--format", "tfrecord", "--to", tmp_path / "fourth").exit_code == 2


def test_a_converted_copy_can_be_built_upon(folder, command, build, tmp_path):
    command("convert", folder, "--format", "zarr", "--to", tmp_path / "copy")
    assert build("--format", "zarr", root=tmp_path / "copy").exit_code == 0
    assert command("verify", tmp_path / "copy/waves").exit_code == 0


@pytest.mark.parametrize("name", [[], ["plan"], ["build"], ["finish"], ["verify"], ["convert"], ["ls"]])
def test_help_fits_a_screen(command, name):
    lines = command(*name, "--help").stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
