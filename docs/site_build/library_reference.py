"""The library's reference, made from its docstrings: every name of `beholder.__all__` with its signature."""

import inspect
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
    """Return a call with a parameter a line where it is long, as a block."""
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return ""
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    text = f"{name}{str(signature.replace(parameters=parameters))}".replace("'", "")
    if len(text) > 88:
        text = f"{name}{_folded(signature.replace(parameters=parameters))}".replace("'", "")
    return f"```python\n{text}\n```\n\n"


def _folded(signature: inspect.Signature) -> str:
    lines, starred = [], False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        starred = starred or each.kind is each.VAR_POSITIONAL
        lines.append(f"    {each},")
    end = "" if signature.return_annotation is signature.empty else f" -> {inspect.formatannotation(signature.return_annotation)}"
    return "(\n" + "\n".join(lines) + f"\n){end}"


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
