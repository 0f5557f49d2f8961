"""A pickle read as data: its instructions are interpreted here one by one, and none of them can reach Python.

A pickle is a program for a small machine. This machine has plain values, lists, tuples and dicts; a name in the pickle is
looked up in a table of doubles and never imported, and what is not in the table is refused by its name. No instruction
makes more than its own bytes account for, and calls together take no more bytes than the file has, however often it recalls
the same ones; so time and memory are bounded by the file's size.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MOST_INSTRUCTIONS = 1_000_000  # a published file of generator, critic and averaged generator has some 50,000
_SLACK = 4096  # bytes that calls may take beyond twice the file's
_LARGEST = 2**60  # larger whole numbers can be made to collide in a dict

Doubles = Mapping[str, Callable[..., Any]]


class RefusedError(Exception):
    """What is wrong with a file, in a few words; it becomes the end of one line for a person."""


@dataclass(frozen=True)
class Named:
    """A name that a pickle said, and the double that answers."""

    name: str
    make: Callable[..., Any]


class Filled(dict):
    """A dict or an object as pickles make them: the items that were put in, and the state it was given."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.state: Any = None

    def build(self, state: Any) -> None:
        """What the instruction BUILD does."""
        self.state = state


def shown(text: object) -> str:
    """What a file says, fit for one line of a terminal; a container in it is only named, as it may hold itself."""
    said = str(text) if isinstance(text, str | int | float | Exception) else type(text).__name__
    line = "".join(letter if letter.isprintable() else "?" for letter in said[:81])
    return line if len(line) <= 80 else line[:77] + "..."


def unpickle(file: io.BytesIO, *, doubles: Doubles, persistent: Callable[[Any], Any] | None = None) -> Any:
    """Read one pickle from where the file stands and leave it standing after it.

    doubles: "module.name" -> what answers to it. persistent: makes something of a persistent id; None refuses them.
    Raises RefusedError for whatever is not allowed or broken.
    """
    machine = _Machine(doubles, persistent, 2 * file.getbuffer().nbytes + _SLACK)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count >= MOST_INSTRUCTIONS:
                raise RefusedError(f"its pickle has more than {MOST_INSTRUCTIONS:,} instructions")
            machine.step(opcode.name, argument)
        return machine.pop()
    except RefusedError:
        raise
    except RecursionError:
        raise RefusedError("its pickle nests too deeply") from None
    except Exception as error:  # broken bytes can make the machine raise nearly anything
        raise RefusedError(f"its pickle is broken: {shown(error) or type(error).__name__}") from None


class _Machine:
    """A stack, the stacks below its marks, and a memo."""

    def __init__(self, doubles: Doubles, persistent: Callable[[Any], Any] | None, most: int) -> None:
        self.doubles, self.persistent = doubles, persistent
        self.left = most  # bytes that calls may still take
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _VALUES:
            if isinstance(argument, int) and abs(argument) >= _LARGEST:
                raise RefusedError("its pickle holds a whole number that is too large")
            self.push(argument)
        elif name in _MEANINGS:
            _MEANINGS[name](self, argument)
        elif name not in _SILENT:
            said = f" of {shown(str(argument).replace(' ', '.'))}" if isinstance(argument, str) else ""
            raise RefusedError(f"its pickle has the instruction {name}{said}, which is not allowed")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the top of the stack."""
        if not self.stack:
            raise RefusedError("its pickle is broken: nothing on the stack")
        return self.stack.pop()

    def top(self) -> Any:
        """Look at the top of the stack."""
        if not self.stack:
            raise RefusedError("its pickle is broken: nothing on the stack")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """Everything above the last mark, which goes."""
        if not self.marked:
            raise RefusedError("its pickle is broken: no mark")
        items, self.stack = self.stack, self.marked.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def look_up(self, module: Any, name: Any) -> None:
        """A name in the pickle: its double, or a refusal."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("its pickle is broken: a name that is no text")
        full = f"{module}.{name}"
        if full not in self.doubles:
            raise RefusedError(f"its pickle names {shown(full)}, which is not allowed")
        self.push(Named(full, self.doubles[full]))

    def say_name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.look_up(module, name)

    def say_stacked_name(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self.look_up(module, name)

    def call(self, _: Any) -> None:
        """REDUCE and NEWOBJ: only doubles can be called."""
        arguments, callee = self.pop(), self.pop()
        if not isinstance(callee, Named) or not isinstance(arguments, tuple):
            raise RefusedError(f"its pickle calls a {type(callee).__name__}, which is not allowed")
        self.left -= sum(len(each) for each in arguments if isinstance(each, str | bytes))
        if self.left < 0:
            raise RefusedError("its pickle reads the same bytes again and again")
        try:
            self.push(callee.make(*arguments))
        except TypeError:
            raise RefusedError(f"its pickle calls {callee.name} with other arguments than expected") from None

    def build(self, _: Any) -> None:
        state, target = self.pop(), self.top()
        build = getattr(type(target), "build", None)
        if build is None:
            raise RefusedError(f"its pickle sets attributes of a {type(target).__name__}, which is not allowed")
        build(target, state)

    def refer(self, _: Any) -> None:
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
        if not isinstance(target, list):
            raise RefusedError(f"its pickle appends to a {type(target).__name__}")
        target.extend(items)

    def fill(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise RefusedError(f"its pickle sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | bytes | None):
                raise RefusedError(f"its pickle has a {type(key).__name__} as a key")
            target[key] = value

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


class Unread:
    """A set: nothing that we read is kept in one."""


_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "FLOAT", "BINFLOAT",
}  # fmt: skip
_SILENT = {"PROTO", "FRAME", "STOP"}
_MEANINGS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(Unread()),
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
    "GLOBAL": _Machine.say_name,
    "STACK_GLOBAL": _Machine.say_stacked_name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
}
