from walrus.training.profile import SKIPPED, TRACED, WARMING, traced


def steps_of(folder):
    with traced(folder, 3) as look:
        for _ in range(SKIPPED + WARMING + TRACED):
            look()


def test_a_trace_that_cannot_be_written_costs_no_step(tmp_path, capsys):
    (tmp_path / "file").touch()
    steps_of(tmp_path / "file")
    steps_of(None)
    assert capsys.readouterr().err.count("trace of rank 3: failed (") == 1
    steps_of(tmp_path / "traces")
    assert [path.name for path in (tmp_path / "traces").iterdir()] == ["rank-00003.json"]


def test_a_trace_that_fails_at_its_end_costs_no_step(tmp_path, capsys):
    (tmp_path / "rank-00003.json" / "in the way").mkdir(parents=True)
    steps_of(tmp_path)
    assert "trace of rank 3: failed (" in capsys.readouterr().err
