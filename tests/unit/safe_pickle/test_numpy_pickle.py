"""numpy_pickle: plain values and arrays come out; nothing in a file is ever run."""

import collections
import contextlib
import io
import os
import pickle
import pickletools
import sys
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as sampling
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from beholder.errors import EmbeddingError
from beholder.safe_pickle import numpy_pickle
from beholder.safe_pickle.interpreter import Limits


def read(data: bytes):
    return numpy_pickle.read_arrays(data, name="x.pkl", error=EmbeddingError)


def refused(data: bytes, labels: str | None = None) -> str:
    with pytest.raises(EmbeddingError, match=labels) as caught:
        read(data)
    assert str(caught.value).startswith("x.pkl can't be read as a pickle of numpy arrays: ")
    return str(caught.value)


# ---- what comes out


@sampling(max_examples=80, deadline=None)
@given(
    array=arrays.arrays(
        st.one_of(arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(), arrays.boolean_dtypes()),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    protocol=st.integers(0, 5),
)
def test_arrays_are_what_pickle_makes_of_them(array, protocol):
    found = read(pickle.dumps({"a": array}, protocol))["a"]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("protocol", range(6))
def test_orders_and_views(protocol):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    for array in (np.asfortranarray(base), base[::2, ::-1], base.T, base.astype(">f4"), np.array(["ab", "ü"])):
        np.testing.assert_array_equal(read(pickle.dumps(array, protocol)), array)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values(protocol):
    value = {"a": [1, 2.5, None, True, ("x", b"y")], 7: {"b": {}}, "big": 10**30}
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_numbers_and_ordered_dicts(protocol):
    found = read(pickle.dumps(collections.OrderedDict(a=np.float32(1.5), b=np.int64(3)), protocol))
    assert found == {"a": 1.5, "b": 3}


def test_what_numpy_1_wrote():
    """numpy.core.multiarray is where numpy 1 kept what numpy 2 keeps in numpy._core.multiarray."""
    data = pickle.dumps({"a": np.arange(3)}, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in data
    assert read(data)["a"].tolist() == [0, 1, 2]


def test_what_python_2_wrote():
    """Its strings are text here, whatever bytes the array holds."""
    data = (
        b"\x80\x02}q\x00U\x05a.jpgq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08\x00\x00\x80?\x00\x00\x00@tbs."
    )
    assert read(data)["a.jpg"].tolist() == [1, 2]


# ---- what does not


class Calls:
    """Pickles to a call of a function with arguments."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_a_file_that_wants_to_run_a_command(tmp_path, protocol):
    witness = tmp_path / "ran"
    for function, argument in ((os.system, f"touch {witness}"), (exec, f"open({str(witness)!r}, 'w')"), (io.FileIO, str(witness))):
        data = pickle.dumps({"a": np.ones(2), "b": Calls(function, argument)}, protocol)
        refused(data, "which is not allowed")
        assert not witness.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cnumpy._core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
        b"cbeholder.pickles\nnp\n.",
        b"ccopyreg\n_reconstructor\n.",
        b"(ios\nsystem\n.",
        b"\x80\x02\x82\x01.",
    ],
)
def test_names_that_are_not_known(line):
    refused(line)


@pytest.mark.parametrize(
    "line",
    [
        b"cnumpy\ndtype\n.",
        b"cnumpy\nndarray\n.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"(lcnumpy.core.multiarray\n_reconstruct\na.",
        b"}S'a'\ncnumpy\ndtype\n(S'f4'\ntRs.",
        b"cnumpy\ndtype\n(S'O'\ntR.",
        b"cnumpy\ndtype\n(S'V8'\ntR.",
        b"cnumpy\ndtype\n(S'f4,f4'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(ccollections\nOrderedDict\n(I0\ntS'b'\ntR.",
    ],
)
def test_doubles_do_not_come_out(line):
    refused(line)


def test_arrays_of_objects_and_records():
    refused(pickle.dumps(np.array([{}, None])))
    refused(pickle.dumps(np.zeros(2, [("a", "f4")])))
    refused(pickle.dumps(np.zeros(2, "M8[s]")))
    refused(pickle.dumps({1, 2}))  # a set has no place in a table of vectors


def test_shapes_that_lie():
    good = pickle.dumps(np.arange(6, dtype=np.float32), 2)
    at = next(position for opcode, argument, position in pickletools.genops(good) if argument == 6 and opcode.name == "BININT1")
    assert at is not None
    for claimed in (7, 5, 255):
        refused(good[: at + 1] + bytes([claimed]) + good[at + 2 :], "it claims shape")


@pytest.mark.parametrize("claim", [b"I10000000000\n", b"L10000000000L\n"])
def test_a_number_in_the_place_of_bytes_takes_no_memory(claim):
    """bytes(10**10) would be ten gigabytes of zeros."""
    with at_most_bytes(2**20):
        refused(b"cnumpy.core.numeric\n_frombuffer\n(" + claim + b"cnumpy\ndtype\n(S'u1'\ntR(" + claim + b"tS'C'\ntR.")
        refused(b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'u1'\ntR" + claim + b"tR.")
        refused(b"cnumpy\ndtype\n(" + claim + b"tR.")


@contextlib.contextmanager
def at_most_bytes(limit: int) -> Iterator[None]:
    """Fail where more memory is asked for in between."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit


def calls_of(act: Callable[[], object], *, limit: int = 100_000) -> int:
    """How many calls of Python functions it takes; more than the limit end it."""
    count = 0

    def watch(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"
        if count > limit:
            sys.setprofile(None)
            pytest.fail(f"more than {limit:,} calls")

    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def test_lists_within_lists_that_double():
    """Sixty lists, each twice in the next one: small in memory, endless for whoever walks it naively."""
    value: list = []
    for _ in range(60):
        value = [value, value]
    data = pickle.dumps(value)
    assert calls_of(lambda: read(data)) < 10_000


def test_keys_that_collide_are_refused():
    """Whole numbers a multiple of 2**61 - 1 apart share a hash, and a dict of many such keys takes forever."""
    refused(pickle.dumps({i * (2**61 - 1): None for i in range(1, 50)}), "whole number that is too large")
    items = b"".join(b"(L" + str(i * (2**61 - 1)).encode() + b"L\nNl" for i in range(1, 50))
    refused(b"ccollections\nOrderedDict\n((" + items + b"ltR.", "whole number that is too large")


def test_the_same_bytes_again_and_again_are_refused():
    """One megabyte kept in the memo, and a thousand arrays made of it with thirty bytes each."""
    content = b"B" + (10**6).to_bytes(4, "little") + bytes(10**6) + b"q\x000"
    kind = b"cnumpy\ndtype\n(X\x02\x00\x00\x00u1tRq\x010"
    shape = b"J" + (10**6).to_bytes(4, "little") + b"\x85q\x020"
    filled = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n)NtR(K\x01h\x02h\x01\x89h\x00tb"
    taken = b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01h\x02X\x01\x00\x00\x00CtR"
    start = b"\x80\x03" + content + kind + shape + b"]("
    assert len(read(start + filled + b"e.")) == 1
    assert len(read(start + taken + b"e.")) == 1
    for each in (filled, taken):
        with at_most_bytes(10**7):
            refused(start + each * 1000 + b"e.", "the same bytes again and again")


def test_a_program_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(numpy_pickle, "LIMITS", Limits(instructions=1000))
    refused(b"]0" * 1000 + b"N.", "more than 1,000 instructions")
    assert read(b"]0" * 499 + b"N.") is None


def test_ordered_dicts_of_python_2_bring_their_items_along():
    data = b"ccollections\nOrderedDict\np0\n((lp1\n(lp2\nS'b'\np3\naI1\naa(lp4\nS'a'\np5\naI2\naatp6\nRp7\n."
    assert list(read(data).items()) == [("b", 1), ("a", 2)]


def test_text_of_python_2_keeps_every_byte():
    assert read(rb"(lp0" + b"\n" + rb"S'\x00\xff\n\'a'" + b"\np1\na.") == ["\x00\xff\n'a"]


def test_values_within_themselves():
    value: list = []
    value.append(value)
    refused(pickle.dumps(value))
    refused(b"]" * 100_000 + b"a" * 99_999 + b".")  # a list in a list in a list ...


def test_a_file_can_not_change_how_the_next_one_is_read():
    """BUILD sets attributes of whatever lies on the stack, known functions too."""
    for line in (
        b"cnumpy.core.multiarray\n_reconstruct\n(N}S'__defaults__'\n(I1\ntstb.",
        b"cnumpy.core.multiarray\n_reconstruct\n}S'mark'\nI1\nsb.",
        b"cnumpy\nndarray\n(N}S'value'\nI1\nstb.",
        b"cnumpy\ndtype\n}S'array'\nI1\nsb.",
    ):
        refused(line)
    for stub in numpy_pickle._STUBS.values():
        assert getattr(stub, "__defaults__", None) in (None, ((),), (False, False))
        assert not hasattr(stub, "mark")
    assert numpy_pickle.NumpyArray.value is None
    assert read(pickle.dumps(np.arange(3))).tolist() == [0, 1, 2]


@sampling(max_examples=150, deadline=None)
@given(st.data())
def test_broken_bytes_are_values_or_an_error(data):
    good = bytearray(pickle.dumps({"a": np.arange(3), "b": [np.float32(1)]}, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255).filter(lambda b: b not in b"rj"))
    with contextlib.suppress(EmbeddingError):
        read(bytes(good))
