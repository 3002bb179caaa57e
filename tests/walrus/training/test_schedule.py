import pytest

from walrus.training.schedule import ScheduleSettings, epoch_rate, learning_rate

PUBLISHED = ScheduleSettings()


@pytest.mark.parametrize("name", ["pretraining_201", "pretraining_200", "finetuning_51"])
def test_every_rate_of_the_release_is_met(golden, name):
    released = golden.json("components/lr_schedules.json")[name]
    settings = ScheduleSettings(
        rate=released["base_lr"],
        epochs=released["max_epochs"],
        warm_up=released["warmup_epochs"],
        cool_down=released["cooldown_epochs"],
        first_share=released["warmup_lr_factor"],
    )
    found = [epoch_rate(settings, epoch) for epoch in range(len(released["lr_by_epoch_counter"]))]
    assert found == pytest.approx(released["lr_by_epoch_counter"], rel=1e-9, abs=1e-18)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(0, 2e-5), (10, 2e-4), (19, 1.44e-4), (49, 7.67e-5), (99, 4.53e-5), (149, 3.32e-5), (190, 2.76e-5)],
)
def test_the_published_rates_are_met(epoch, rate):
    assert epoch_rate(PUBLISHED, epoch) == pytest.approx(rate, rel=5e-3)


def test_the_cool_down_ends_near_zero_and_never_below():
    assert epoch_rate(PUBLISHED, 194) == pytest.approx(1.46e-5, rel=5e-3)
    assert epoch_rate(PUBLISHED, 200) == pytest.approx(2.8e-6, rel=5e-3)
    assert all(epoch_rate(PUBLISHED, epoch) >= 0 for epoch in range(260))


def test_a_rate_lasts_an_epoch():
    settings = ScheduleSettings(epochs=20, steps_an_epoch=3, warm_up=5, cool_down=5)
    rates = [learning_rate(settings, step) for step in range(settings.steps)]
    assert len(rates) == 60
    assert all(len(set(rates[3 * epoch : 3 * epoch + 3])) == 1 for epoch in range(20))
    assert max(rates) == rates[15] == settings.rate
