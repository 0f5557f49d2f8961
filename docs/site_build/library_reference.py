"""The library's reference, made from its docstrings: every name of `beholder.__all__` with its signature."""

import inspect
import re
import textwrap

import beholder


def markdown() -> str:
    """Return the public names, functions first, then classes with their public methods."""
    names = [name for name in getattr(beholder, "__all__", ()) if not name.startswith("__")]
    functions = [name for name in names if not inspect.isclass(getattr(beholder, name))]
    classes = [name for name in names if name not in functions]
    parts = [_part(name, getattr(beholder, name)) for name in functions]
    for name in classes:
        found = getattr(beholder, name)
        parts.append(_part(name, found))
        members = [(each, value) for each, value in inspect.getmembers(found) if not each.startswith("_") and _own(value)]
        parts += [_member(name, each, value) for each, value in members]
    return "\n\n".join(parts)


def _own(value: object) -> bool:
    """Tell whether a member has a docstring of the project."""
    target = value.fget if isinstance(value, property) else value
    return bool(inspect.getdoc(value)) and str(getattr(target, "__module__", "")).startswith("beholder")


def _part(name: str, value: object) -> str:
    return f"## {name}\n\n{_signature(f'bh.{name}', value)}{_doc(value)}"


def _member(owner: str, name: str, value: object) -> str:
    called = "" if isinstance(value, property) else _signature(name, value)
    return f"### {owner}.{name}\n\n{called}{_doc(value)}"


def _signature(name: str, value: object) -> str:
    """Return a call as a block, with a parameter a line where it is long."""
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return ""
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    words, starred = [], False
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not starred:
            words.append("*")
        starred = starred or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        words.append(_parameter(each))
    end = "" if signature.return_annotation in (signature.empty, None) else f" -> {_annotation(signature.return_annotation)}"
    text = f"{name}({', '.join(words)}){end}"
    if len(text) > 88:
        text = f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){end}"
    return f"```python\n{text}\n```\n\n"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind = "" if parameter.annotation is parameter.empty else f": {_annotation(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}" if kind else f"={parameter.default!r}"
    return f"{stars}{parameter.name}{kind}{default}"


def _annotation(annotation: object) -> str:
    """Return a type in short: without the modules that its names are from."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text)


def _doc(value: object) -> str:
    """Return a docstring as Markdown: examples with >>> as blocks, indented parts as they are."""
    text = textwrap.dedent(inspect.getdoc(value) or "")
    return text.replace("<", "&lt;") if ">>>" not in text else _with_examples(text)


def _with_examples(text: str) -> str:
    parts = []
    for paragraph in text.split("\n\n"):
        is_example = paragraph.lstrip().startswith(">>>")
        parts.append(f"```python\n{textwrap.dedent(paragraph)}\n```" if is_example else paragraph.replace("<", "&lt;"))
    return "\n\n".join(parts)
