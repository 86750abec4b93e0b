"""Thresholds and widths of shrinkwrap that a search tries."""

import numpy as np

from skpr.iterative._trials import FACTORS, LARGEST_THRESHOLD, THRESHOLDS, WIDTHS, Trials


def test_the_first_round_covers_its_ranges_evenly():
    thresholds, widths = Trials(64, 2).draw()
    for values, (low, high) in ((thresholds, THRESHOLDS), (widths, WIDTHS)):
        assert values.shape == (64, 2)
        assert ((values >= low) & (values <= high)).all()
        fractions = np.log(values[:, 0] / low) / np.log(high / low)
        counts, _ = np.histogram(fractions, bins=8, range=(0, 1))
        assert counts.min() >= 6


def test_a_later_round_draws_around_the_best_trial_of_each_sample():
    trials = Trials(8, 2)
    thresholds, widths = trials.draw()
    misfits = np.ones((8, 2))
    misfits[3, 0] = misfits[5, 1] = 0.5
    trials.record(misfits)
    middles = np.stack([thresholds[[3, 5], [0, 1]], widths[[3, 5], [0, 1]]])
    for values, middle, factor in zip(trials.draw(), middles, FACTORS, strict=True):
        assert ((values >= middle / factor) & (values <= middle * factor)).all()


def test_a_search_goes_on_while_the_best_threshold_is_the_largest_one():
    trials = Trials(4, 2)
    for _ in range(3):
        thresholds, _ = trials.draw()
        # the larger the threshold the better, or best at 0.1
        trials.record(np.stack([1 - thresholds[:, 0], abs(thresholds[:, 1] - 0.1)], axis=1))
    assert trials.done.tolist() == [False, True]
    assert (thresholds <= LARGEST_THRESHOLD).all()


def test_samples_that_are_done_take_nothing_from_further_rounds():
    trials = Trials(4, 1)
    for _ in range(2):
        thresholds, _ = trials.draw()
        trials.record(abs(thresholds - 0.1))
    assert trials.done.all()
    before = trials.best()
    trials.draw()
    trials.record(np.zeros((4, 1)))
    for first, second in zip(before, trials.best(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_best_trials_come_first_and_with_their_settings():
    trials = Trials(3, 2)
    drawn = []
    for misfits in ([[3, 9], [1, 7], [2, 8]], [[0, 6], [4, 5], [5, 4]]):
        drawn.append(trials.draw())
        trials.record(np.array(misfits, dtype=float))
    ranks, thresholds, widths = trials.best()
    np.testing.assert_array_equal(ranks, [[3, 5], [1, 4], [2, 3]])
    for values, all_of_them in zip((thresholds, widths), zip(*drawn, strict=True), strict=True):
        expected = np.take_along_axis(np.concatenate(all_of_them), ranks, 0)
        np.testing.assert_array_equal(values, expected)
