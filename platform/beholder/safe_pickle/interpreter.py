"""A pickle read as data: its instructions are interpreted here one by one, and none of them can reach Python.

A pickle is a program for a stack machine. This one has plain values, lists, tuples and dicts; a global name in the pickle is
looked up in a table of stubs and never imported, and what is not in the table is refused by its name. No instruction makes
more than its own bytes account for, and calls together take no more bytes than the file has, however often it recalls the
same ones; so time and memory are bounded by the file's size. Every pickle is read here: those of networks, those in torch
files, and those of numpy arrays; what differs is the table.
"""

import codecs
import io
import pickletools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SLACK = 4096  # bytes that calls may take beyond twice the file's
_KEYS = (str, int, bytes, type(None))
_LARGEST_KEY = 2**60  # larger whole numbers can be made to collide in a dict

Stubs = Mapping[str, Callable[..., Any]]


class RefusedError(Exception):
    """What is wrong with a file, in a few words; it becomes the end of one line for a person."""


@dataclass(frozen=True)
class Limits:
    """What one pickle may hold. instructions: a published file of generator, critic and averaged generator has some 50,000.
    whole: whole numbers are smaller than this."""

    instructions: int = 1_000_000
    whole: int = 2**60


@dataclass(frozen=True)
class GlobalStub:
    """A global name in a pickle, and the stub that answers when it is called."""

    name: str
    make: Callable[..., Any]


class DictStub(dict[Any, Any]):
    """A dict or an object as pickles make them: the items that were put in, and the state it was given."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.state: Any = None

    def build(self, state: Any) -> None:
        """Keep the state that the instruction BUILD sets."""
        self.state = state


class SetStub:
    """A set: nothing that we read is kept in one."""


class ObjectStub:
    """An object of a class that is not known and not made: of what was put into it only the parts of a network are kept."""

    def __init__(self, kind: str, attributes: dict[Any, Any] | None = None) -> None:
        self.kind = kind
        self.attributes = {} if attributes is None else attributes

    def build(self, state: Any) -> None:
        """Keep the state of a layer of a network, which is a dict of parameters, buffers and layers; drop any other."""
        if isinstance(state, dict) and "_modules" in state:
            self.attributes = state

    def part(self, name: str) -> dict[str, Any]:
        """Return _parameters, _buffers or _modules."""
        found = self.attributes.get(name)
        return found if isinstance(found, dict) else {}


def printable(value: object) -> str:
    """Return what a file says, fit for one line of a terminal; of a container only its class, as it may hold itself."""
    text = str(value) if isinstance(value, str | int | float | Exception) else type(value).__name__
    line = "".join(letter if letter.isprintable() else "?" for letter in text[:81])
    return line if len(line) <= 80 else line[:77] + "..."


def unpickle(
    file: io.BytesIO,
    *,
    stubs: Stubs,
    persistent: Callable[[Any], Any] | None = None,
    limits: Limits | None = None,
    others: Callable[[str], Callable[..., Any] | None] | None = None,
) -> Any:
    """Read one pickle from where the file stands and leave it standing after it.

    stubs: "module.name" -> what answers to it; others: what answers to a name that is not among them, None where it is refused;
    with it items of dicts whose keys are no plain values are dropped and not refused.
    persistent: makes something of a persistent id; None refuses them.
    Raises RefusedError for whatever is not allowed or broken.
    """
    limits = limits or Limits()
    machine = _Machine(stubs, persistent, limits, 2 * file.getbuffer().nbytes + _SLACK, others)
    try:
        for name, argument in _instructions(file, limits.instructions):
            machine.step(name, argument)
        return machine.pop()
    except RefusedError:
        raise
    except RecursionError:
        raise RefusedError("its pickle nests too deeply") from None
    except Exception as error:  # broken bytes can make the machine raise nearly anything
        raise RefusedError(f"its pickle is broken: {printable(error) or type(error).__name__}") from None


def put_items(target: dict[Any, Any], items: Iterable[tuple[Any, Any]]) -> None:
    """Put items into a dict. Raises RefusedError for keys that could be made to collide or that are no plain values."""
    for key, value in items:
        if not isinstance(key, _KEYS):
            raise RefusedError(f"its pickle has a {type(key).__name__} as a key")
        if isinstance(key, int) and abs(key) >= _LARGEST_KEY:
            raise RefusedError("its pickle holds a whole number that is too large")
        target[key] = value


def ordered_dict(items: Any = ()) -> DictStub:
    """Return what answers to collections.OrderedDict; Python 2 gave it its items as a list of pairs."""
    result = DictStub("OrderedDict")
    put_items(result, ((key, value) for key, value in items))
    return result


def latin1_bytes(text: Any, encoding: Any) -> bytes:
    """Return what answers to _codecs.encode, as protocols 0 to 2 spell bytes; as text they took no less room in the file."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError("bytes in it are spelt in an unknown way")
    return text.encode("latin-1")


def no_bytes() -> bytes:
    """Return what answers to __builtin__.bytes, as protocols 0 to 2 spell no bytes at all."""
    return b""


def _instructions(file: io.BytesIO, most: int) -> Iterator[tuple[str, Any]]:
    """Yield each instruction's name and argument, STOP the last. Raises RefusedError where there are more than `most`."""
    for _ in range(most):
        code = file.read(1)
        if not code:
            raise RefusedError("its pickle is broken: it ends without a stop")
        if code not in _READERS:
            raise RefusedError(f"its pickle is broken: an unknown instruction {code.hex()}")
        name, reader = _READERS[code]
        yield name, None if reader is None else reader(file)
        if code == b".":
            return
    raise RefusedError(f"its pickle has more than {most:,} instructions")


def _read_string(file: io.BytesIO) -> str:
    """Read the argument of STRING, text of Python 2 in quotes; pickletools knows only ASCII there."""
    line = file.readline()
    text = line[:-1].strip()
    if not line.endswith(b"\n") or len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
        raise RefusedError("its pickle is broken: a text without quotes")
    return codecs.escape_decode(text[1:-1])[0].decode("latin-1")


def _weight(values: Iterable[Any]) -> int:
    """Return how much a stub may read of its arguments."""
    return sum(len(each) for each in values if isinstance(each, str | bytes | bytearray | list | tuple | dict))


_READERS: dict[bytes, tuple[str, Callable[[io.BytesIO], Any] | None]] = {
    opcode.code.encode("latin-1"): (opcode.name, None if opcode.arg is None else opcode.arg.reader)
    for opcode in pickletools.opcodes
} | {b"S": ("STRING", _read_string)}


class _Machine:
    """A stack, the stacks below its marks, and a memo."""

    def __init__(
        self,
        stubs: Stubs,
        persistent: Callable[[Any], Any] | None,
        limits: Limits,
        budget: int,
        others: Callable[[str], Callable[..., Any] | None] | None,
    ) -> None:
        self.stubs, self.persistent, self.limits, self.others = stubs, persistent, limits, others
        self.budget = budget  # bytes that calls may still take
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _VALUES:
            if isinstance(argument, int) and abs(argument) >= self.limits.whole:
                raise RefusedError("its pickle holds a whole number that is too large")
            self.push(argument)
        elif name in _HANDLERS:
            _HANDLERS[name](self, argument)
        elif name not in _SILENT:
            target = f" of {printable(argument.replace(' ', '.'))}" if isinstance(argument, str) else ""
            raise RefusedError(f"its pickle has the instruction {name}{target}, which is not allowed")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the top of the stack."""
        if not self.stack:
            raise RefusedError("its pickle is broken: nothing on the stack")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the top of the stack, which stays there."""
        if not self.stack:
            raise RefusedError("its pickle is broken: nothing on the stack")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        if not self.marked:
            raise RefusedError("its pickle is broken: no mark")
        items, self.stack = self.stack, self.marked.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def push_stub(self, module: Any, name: Any) -> None:
        """Push the stub of a global name, or refuse it."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("its pickle is broken: a name that is no text")
        full = f"{module}.{name}"
        make = self.stubs.get(full) or (self.others and self.others(full))
        if make is None:
            raise RefusedError(f"its pickle names {printable(full)}, which is not allowed")
        self.push(GlobalStub(full, make))

    def push_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.push_stub(module, name)

    def push_stacked_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self.push_stub(module, name)

    def charge(self, values: Iterable[Any]) -> None:
        """Take from the budget what a stub may read of these."""
        self.budget -= _weight(values)
        if self.budget < 0:
            raise RefusedError("its pickle reads the same bytes again and again")

    def call(self, _: Any) -> None:
        """Do REDUCE and NEWOBJ: only stubs can be called."""
        arguments, callee = self.pop(), self.pop()
        if isinstance(callee, ObjectStub):  # what an object that was not made would have made
            self.push(ObjectStub(callee.kind))
            return
        if not isinstance(callee, GlobalStub) or not isinstance(arguments, tuple):
            raise RefusedError(f"its pickle calls a {type(callee).__name__}, which is not allowed")
        self.charge(arguments)
        try:
            self.push(callee.make(*arguments))
        except TypeError:
            raise RefusedError(f"its pickle calls {callee.name} with other arguments than expected") from None

    def call_with_names(self, _: Any) -> None:
        """Do NEWOBJ_EX: only what is not made takes arguments by name."""
        self.pop()
        self.pop()
        callee = self.pop()
        if not isinstance(callee, GlobalStub) or callee.name in self.stubs:
            raise RefusedError(f"its pickle calls a {type(callee).__name__} by names, which is not allowed")
        self.push(callee.make())

    def build(self, _: Any) -> None:
        state, target = self.pop(), self.top()
        build = getattr(type(target), "build", None)
        if build is None:
            raise RefusedError(f"its pickle sets attributes of a {type(target).__name__}, which is not allowed")
        if isinstance(state, tuple):
            self.charge(state)
        build(target, state)

    def push_persistent(self, _: Any) -> None:
        if self.persistent is None:
            raise RefusedError("its pickle refers to something outside it")
        self.push(self.persistent(self.pop()))

    def put(self, at: int) -> None:
        self.memo[at] = self.top()

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.top()

    def get(self, at: int) -> None:
        if at not in self.memo:
            raise RefusedError("its pickle is broken: it recalls what it never kept")
        self.push(self.memo[at])

    def extend(self, items: list[Any]) -> None:
        target = self.top()
        if isinstance(target, ObjectStub):
            return
        if not isinstance(target, list):
            raise RefusedError(f"its pickle appends to a {type(target).__name__}")
        target.extend(items)

    def fill(self, items: list[Any]) -> None:
        target = self.top()
        if isinstance(target, ObjectStub):
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise RefusedError(f"its pickle sets items of a {type(target).__name__}")
        pairs = zip(items[::2], items[1::2], strict=True)
        put_items(target, pairs if self.others is None else (pair for pair in pairs if isinstance(pair[0], _KEYS)))

    def new_dict(self, _: Any) -> None:
        items = self.since_mark()
        self.push({})
        self.fill(items)

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self.fill([key, value])

    def append(self, _: Any) -> None:
        item = self.pop()
        self.extend([item])

    def tuple_of(self, count: int) -> None:
        self.push(tuple([self.pop() for _ in range(count)][::-1]))

    def pop_one(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()


_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "FLOAT", "BINFLOAT",
}  # fmt: skip
_SILENT = {"PROTO", "FRAME", "STOP"}
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(SetStub()),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "DICT": _Machine.new_dict,
    "APPEND": _Machine.append,
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": _Machine.set_item,
    "SETITEMS": lambda machine, _: machine.fill(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.since_mark().clear(),
    "MARK": _Machine.mark,
    "POP": _Machine.pop_one,
    "POP_MARK": lambda machine, _: machine.since_mark().clear(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "GLOBAL": _Machine.push_global,
    "STACK_GLOBAL": _Machine.push_stacked_global,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_names,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.push_persistent,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
}
