"""digest_index: what is known of many texts."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from beholder.embedding.digest_index import DigestIndex, digests

TEXTS = st.lists(st.text(max_size=4), max_size=12)


@given(known=st.lists(TEXTS, max_size=4), asked=TEXTS)
def test_it_finds_what_a_dict_finds(known, asked):
    values = [[f"{part}-{text}" for text in texts] for part, texts in enumerate(known)]
    index = DigestIndex.build([digests(texts) for texts in known], [digests(each) for each in values])
    expected = {text: value for texts, each in zip(known, values, strict=True) for text, value in zip(texts, each, strict=True)}
    found, value = index.find(digests(asked))
    assert found.tolist() == [text in expected for text in asked]
    np.testing.assert_array_equal(value, digests([expected.get(text) for text in asked]))
    assert len(index) == len(expected)


def test_keys_that_share_their_first_half():
    keys = np.array([[7, 3], [7, 1], [7, 2], [9, 1]], np.uint64)
    index = DigestIndex.build([keys], [keys + np.uint64(10)])
    found, value = index.find(np.array([[7, 2], [7, 4], [7, 3], [9, 1], [8, 1]], np.uint64))
    assert found.tolist() == [True, False, True, True, False]
    assert value.tolist() == [[17, 12], [0, 0], [17, 13], [19, 11], [0, 0]]
