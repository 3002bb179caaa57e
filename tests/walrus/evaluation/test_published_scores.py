from ingest.catalogue import catalogue
from walrus.evaluation.published_scores import published_scores, reported_windows, source


def test_every_system_of_the_catalogue_has_published_scores():
    found = {name: published_scores(name) for name in catalogue()}
    assert all(found.values())
    assert all("Walrus" in scores.vrmse["one-step"] for scores in found.values())


def test_the_figures_are_those_of_the_tables():
    shear = published_scores("shear_flow")
    assert shear.table == 1
    assert shear.vrmse["21:60"] == {
        "MPP-AViT-L": 0.1814,
        "Poseidon-L": 0.2408,
        "DPOT-H": 0.2880,
        "Walrus": 0.0810,
    }
    assert (shear.jitter.on, shear.jitter.off) == (0.16, 0.27)
    conditioned = published_scores("pdearena_conditioned_ins")
    assert conditioned.table == 8
    assert conditioned.vrmse["11:30"]["Walrus"] == 0.0777
    assert "2511.15684" in source()


def test_a_system_of_ones_own_has_none():
    assert published_scores("my_flow") is None


def test_the_windows_reported_are_those_of_the_table_that_a_system_is_in():
    for name in catalogue():
        assert set(published_scores(name).vrmse) <= set(reported_windows(name))
    assert reported_windows("my_flow") == reported_windows("shear_flow") == ("one-step", "1:20", "21:60")
    assert reported_windows("flowbench_skelenton") == ("one-step", "1:10", "11:30")
