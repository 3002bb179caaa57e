import numpy as np

from walrus.randomness import below, permutation, random_words


def test_words_are_the_same_for_ever():
    first = [2589108934952851600, 16404954052159385278, 13715026399510438198]
    assert random_words(3, 7, "pass", "shear_flow", 0).tolist() == first


def test_any_change_of_seed_or_name_gives_other_words():
    names = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a0")]
    seen = {int(random_words(1, *name)[0]) for name in names}
    assert len(seen) == len(names)


def test_a_permutation_holds_every_number_once():
    order = permutation(1000, 3, "x")
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() != list(range(1000))


def test_below_is_even_and_in_range():
    counts = np.bincount([below(5, 0, "dice", draw) for draw in range(5000)], minlength=5)
    assert len(counts) == 5
    assert counts.min() > 850
