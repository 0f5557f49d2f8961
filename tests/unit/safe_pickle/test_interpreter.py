"""Unpickling: plain values come out as pickle would make them; the machine has nothing else."""

import collections
import contextlib
import io
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as sampling
from hypothesis import strategies as st

from beholder.safe_pickle.interpreter import RefusedError, printable, unpickle
from beholder.safe_pickle.stubs import ArrayStub
from beholder.safe_pickle.torch_archive import NETWORKS

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**59), 2**59), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.one_of(st.text(), st.integers(0, 9)), inner)
    ),
    max_leaves=12,
)


@sampling(max_examples=100, deadline=None)
@given(value=PLAIN, protocol=st.integers(2, 5))
def test_plain_values(value, protocol):
    assert unpickle(io.BytesIO(pickle.dumps(value, protocol)), stubs=NETWORKS) == value


@pytest.mark.parametrize("protocol", range(2, 5))
def test_numpy_and_ordered_dicts(protocol):
    value = collections.OrderedDict(
        a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.float64(1.5), c=np.asfortranarray(np.eye(3))
    )
    found = unpickle(io.BytesIO(pickle.dumps(value, protocol)), stubs=NETWORKS)
    assert list(found) == ["a", "b", "c"]
    assert found["b"] == 1.5
    assert isinstance(found["a"], ArrayStub)
    assert found["a"].stored.read().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["c"].stored.read().tolist() == np.eye(3).tolist()


def test_it_stops_where_the_pickle_stops():
    file = io.BytesIO(pickle.dumps(1, 2) + pickle.dumps("two", 2) + b"rest")
    assert [unpickle(file, stubs={}), unpickle(file, stubs={}), file.read()] == [1, "two", b"rest"]


def test_a_value_within_itself_is_only_held():
    value: list = []
    value.append(value)
    found = unpickle(io.BytesIO(pickle.dumps(value)), stubs={})
    assert found[0] is found


@sampling(max_examples=200, deadline=None)
@given(st.data())
def test_broken_bytes_are_values_or_refused(data):
    good = bytearray(pickle.dumps({"a": [np.float32(1), "x", 2**40], "b": (1.5, b"y", set())}, data.draw(st.integers(2, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RefusedError):
        unpickle(io.BytesIO(bytes(good)), stubs=NETWORKS)


def test_what_a_file_says_is_one_line():
    assert printable("a\nb\x1b[31m") == "a?b?[31m"
    assert len(printable("x" * 10**6)) == 80
    assert printable([["deep"]]) == "list"
