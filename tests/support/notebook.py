"""Runs the cells of a notebook one after the other, as Jupyter would; `python tests/support/notebook.py FILE` keeps what is
shown."""

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def run(path: Path) -> dict[str, Any]:
    """Return a notebook with the outputs of its cells: what they print, and what their last expression shows."""
    notebook: dict[str, Any] = json.loads(path.read_text())
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        count += 1
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = _value("".join(cell["source"]), f"{path.name}, cell {count}", names)
        cell["execution_count"], cell["outputs"] = count, []
        if printed.getvalue():
            cell["outputs"].append({"output_type": "stream", "name": "stdout", "text": printed.getvalue()})
        if value is not None:
            result = {"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": _shown(value)}
            cell["outputs"].append(result)
    return notebook


def _value(source: str, where: str, names: dict[str, Any]) -> Any:
    """Return what the last expression of a cell comes to."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    return eval(compile(ast.Expression(last.value), where, "eval"), names) if isinstance(last, ast.Expr) else None


def _shown(value: Any) -> dict[str, str]:
    for kind, name in (("image/svg+xml", "_repr_svg_"), ("text/html", "_repr_html_")):
        if hasattr(value, name):
            return {kind: getattr(value, name)()}
    if hasattr(value, "_repr_png_"):
        return {"image/png": base64.b64encode(value._repr_png_()).decode(), "text/plain": repr(value)}
    return {"text/plain": repr(value)}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(json.dumps(run(file), indent=1, ensure_ascii=False) + "\n")
