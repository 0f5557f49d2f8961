"""judgement_blocks: how often a key came before, against a plain count."""

from collections import Counter

import numpy as np

from beholder.importing.judgement_blocks import OccurrenceCounter, hash_columns


def test_how_often_a_key_came_before():
    rng = np.random.default_rng(0)
    counter: OccurrenceCounter = OccurrenceCounter()
    plain: Counter = Counter()
    for size in (1, 50, 0, 400, 7, 300):
        keys = hash_columns([np.array([f"k{number}" for number in rng.integers(0, 120, size)], object)], "")
        expected = []
        for key in keys.tolist():
            expected.append(plain[key])
            plain[key] += 1
        assert counter.count(keys).tolist() == expected
    assert len(counter._runs) <= 10  # merged as they grow


def test_hashes_tell_rows_apart():
    one, other = np.array(["a", "b", "ab", None], object), np.array(["b", "a", "", "ab"], object)
    keys = hash_columns([one, other], "x")
    assert len(set(keys.tolist())) == 4
    assert hash_columns([one, other], "x").tolist() == keys.tolist()
    assert not set(hash_columns([one, other], "y").tolist()) & set(keys.tolist())
