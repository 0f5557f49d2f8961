"""`beholder <command> key=value ...`: finds the command, checks its settings, makes its run folder, runs it.

Which commands there are, and what a command's module has, is said in command_index. Settings are composed and checked before what
the command works with is imported. A command about another command (`submit`) is given the other command's words, makes no run
folder, and returns the exit code.
Exit codes: 0 done; 1 a fault of ours (with a traceback), or something that `doctor` misses; 2 a user's mistake (one line on stderr,
two for an unknown command); 130 and 143 stopped.
"""

import contextlib
import dataclasses
import datetime
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

from beholder import command_index, identifiers
from beholder.errors import BeholderError

if TYPE_CHECKING:
    from beholder.runs import Run

_HELP = ("-h", "--help")
_STREAMS = {"stdout": 1, "stderr": 2}  # and their file descriptors
_JSON, _QUIET = "--json", ("-q", "--quiet")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _dispatch(words)
    except BeholderError as error:
        print(f"beholder: {identifiers.shown(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("beholder: stopped; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1


def _dispatch(words: list[str]) -> int:
    if words and words[0] == "__complete":
        from beholder.commands.completion import candidates

        print("\n".join(candidates(" ".join(words[1:]))))
        return 0
    asks = words[0] if words else "help"
    if asks in ("--version", "-V", "version"):
        print(metadata.version("beholder"))
        return 0
    if asks == "help" and words[1:]:
        words = [*words[1:], "--help"]
    elif asks in (*_HELP, "help", "--all"):
        from beholder import command_help

        command_help.print_overview()
        return 0
    command, rest = command_index.match(words)
    if any(word in _HELP or word == "--all" for word in rest):
        from beholder import command_help

        command_help.print_command(command.name, all="--all" in rest)
        return 0
    as_json, quiet = _JSON in rest, any(word in _QUIET for word in rest)
    if command.module not in sys.modules:
        _check(words)
    name, settings, rest = parse(words)
    module = command.load()
    if command_index.wraps(module):
        code: int = module.main(settings, rest)
        return code
    return _run(name, module, settings, rest, as_json=as_json, quiet=quiet)


def _check(words: Sequence[str]) -> None:
    """Refuse wrong settings soon: before what the command works with is imported. Raises BeholderError."""
    from beholder.settings_import import settings_only

    try:
        with settings_only():
            parse(words)
    except BeholderError:
        raise
    except Exception:  # a check that computes with what was left out: the real one says whether anything is wrong
        return


def parse(words: Sequence[str]) -> tuple[str, Any, list[str]]:
    """Return the command that the words name, its settings, and the words after it, without running anything.

    Options of every command, such as --json, are left out. Where it is a command about another one, the words after it are those of
    the other command. Raises ConfigError for an unknown command and for settings that the command does not have or refuses.
    """
    from beholder import config, tracking

    command, rest = command_index.match(words)
    module = command.load()
    settings = command_index.settings_type(module)
    rest = own = [_switched_on(word) for word in rest if word not in (_JSON, *_QUIET)]
    if command_index.wraps(module):
        names = {field.name for field in dataclasses.fields(settings)}
        own = [word for word in rest if "=" in word and word.partition("=")[0] in names]
        rest = [word for word in rest if word not in own]
    else:
        _, own = tracking.split(_named(own, settings))
    return command.name, config.load(settings, command=command.name, overrides=own), rest


def _switched_on(word: str) -> str:
    """Return --once as once=true, and --name=value as name=value, the forms that Hydra reads; other words stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    return f"{name.replace('-', '_')}={value if equals else 'true'}"


def _named(words: Sequence[str], settings: type[Any]) -> list[str]:
    """Return the words with those that are no key=value as the settings that a command takes without a name, in order."""
    names = list(getattr(settings, "positional", ()))
    return [word if "=" in word or not names else f"{names.pop(0)}={word}" for word in words]


def _run(name: str, module: ModuleType, settings: Any, overrides: list[str], *, as_json: bool, quiet: bool) -> int:
    import time

    from beholder import config, tracking
    from beholder.run_history import DONE
    from beholder.runs import log

    os.umask(os.umask(0) | 0o077)  # what is written is for who wrote it: people's choices, photos, settings
    overrides = _named(overrides, type(settings))
    sink = tracking.open_sink(tracking.split(overrides)[0])
    overrides = config.public_words(overrides, type(settings))
    began, succeeded, refused, code = time.time(), False, False, 0
    with contextlib.ExitStack() as stack:
        kept = sink is not None or _keeps_run(settings, overrides)
        run = stack.enter_context(_run_folder(name, settings, overrides, kept=kept))
        stdout = stack.enter_context(_sent(as_json=as_json, quiet=quiet, answers=not kept))
        log.info("beholder %s %s", name, " ".join(overrides))
        try:
            code = module.main(settings, run) or 0
            log.info("%s %.1f s", DONE, time.time() - began)
            succeeded = True
        except BeholderError as error:
            log.error("%s", config.without_passwords(str(error)))
            refused = True
            raise
        except BaseException as error:
            log.error("stopped by %s", type(error).__name__, exc_info=not isinstance(error, KeyboardInterrupt | SystemExit))
            raise
        finally:
            run.finish()
            if sink is not None:
                print(tracking.record(sink, run, began=began, ended=time.time(), succeeded=succeeded), file=sys.stderr)
            if refused and kept:
                run.discard()
        if as_json:
            metrics = run.place / "metrics.json"
            stdout.write(metrics.read_bytes().decode() if metrics.is_file() else "{}\n")
        elif kept:
            stdout.write(f"{run.place.uri}\n")
        stdout.flush()
    return code


def _keeps_run(settings: Any, words: Sequence[str]) -> bool:
    """Tell whether a run folder is left, by what the command's settings say of it."""
    from beholder.storage import Place

    which = getattr(settings, "run_folder", "always")
    if which in ("always", "never"):
        return which == "always"
    place = Place.at(settings.workspace)
    there = not place.is_local or os.path.isdir(place.path)
    return there or (which == "existing" and any(word.startswith("workspace=") for word in words))


@contextlib.contextmanager
def _run_folder(name: str, settings: Any, words: Sequence[str], *, kept: bool) -> Iterator["Run"]:
    """Make a command's run folder, in its workspace or, where it is not kept, for as long as the command runs."""
    from beholder import config
    from beholder.runs import Run
    from beholder.storage import Place

    now, text = datetime.datetime.now(datetime.UTC), config.dump(settings)
    if kept:
        yield Run.start(Place.at(settings.workspace) / "runs", command=name, config=text, now=now, words=words)
        return
    with tempfile.TemporaryDirectory(prefix="beholder-") as folder:
        yield Run.start(Place.at(folder), command=name, config=text, now=now, words=words)


@contextlib.contextmanager
def _sent(*, as_json: bool, quiet: bool, answers: bool) -> Iterator[TextIO]:
    """Send stdout and stderr where the options want them, and yield the stream that the command's last word goes to.

    as_json: all that is printed goes to stderr. quiet: nothing goes to stderr, and nothing to stdout either, unless what is printed
    there is what was asked for (answers).
    """
    with contextlib.ExitStack() as stack:
        last = sys.stdout
        if quiet:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(_redirected("stderr", nowhere))
            if not answers and not as_json:
                last = stack.enter_context(_redirected("stdout", nowhere))
        if as_json:
            last = stack.enter_context(_redirected("stdout", sys.stderr))
        yield last


@contextlib.contextmanager
def _redirected(name: str, target: TextIO) -> Iterator[TextIO]:
    """Send one of Python's streams elsewhere, with the file descriptor below it; yield a stream to where it went before."""
    stream, number = getattr(sys, name), _STREAMS[name]
    if _descriptor(stream) != number or _descriptor(target) is None:  # somebody's own stream, such as a test's
        setattr(sys, name, target)
        try:
            yield stream
        finally:
            setattr(sys, name, stream)
        return
    stream.flush()
    before = os.dup(number)
    os.dup2(target.fileno(), number)
    try:
        with open(os.dup(before), "w", encoding=stream.encoding) as last:
            yield last
    finally:
        stream.flush()
        os.dup2(before, number)
        os.close(before)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _terminate(*_: object) -> None:
    raise SystemExit(143)
