"""Rows lost with damaged files, where it can and where it cannot be told how many a file had."""

from __future__ import annotations

from dftspark.corpus.losses import Damage, Listed, share_lost


def test_bytes_that_were_not_read_have_as_many_rows_as_those_that_were() -> None:
    assert share_lost(100, 900, 100) == 900
    assert share_lost(100, 0, 100) == 0
    assert share_lost(100, 900, None) == share_lost(100, 900, 0) == 100
    # Nothing of a file was read: its bytes count as those of the corpus.
    damage = Damage(files=1, unread=5_000, blank=5_000)
    assert damage.lost(Listed(3, 15_000), 200) == 100
    assert damage.lost(Listed(1, 5_000), 0) == 0


def test_a_cut_file_is_as_large_as_the_whole_ones_and_twice_what_is_left() -> None:
    cut = Damage(files=1, cut=1, cut_rows=120)
    assert cut.lost(Listed(11, 11_000), 10_120) == 1_000 - 120
    assert cut.lost(Listed(11, 11_000), 10 * 130 + 120) == 120
    assert cut.lost(Listed(1, 1_000), 120) == 120
    assert Damage(files=1, cut=1).lost(Listed(1, 1_000), 0) == 1


def test_what_is_known_is_added() -> None:
    found = Damage(files=3, unread=4_000, known=70, cut=1, cut_rows=10, blank=3_000)
    assert found.lost(Listed(5, 10_000), 210) == 70 + 105 + (200 // 2 - 10)
    assert Damage().lost(Listed(0, 0), 0) == 0
