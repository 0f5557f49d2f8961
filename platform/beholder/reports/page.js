"use strict";
// Tables can be filtered and sorted; without this script all their rows are there.
for (const table of document.querySelectorAll(".table")) {
  const body = table.querySelector("tbody"), rows = [...body.rows], heads = [...table.querySelectorAll("thead th")];
  const value = (row, at) => {
    const text = row.cells[at].textContent.replace(/,/g, "");
    const number = /^\s*[-+]?[\d.]/.test(text) ? parseFloat(text) : NaN;
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  heads.forEach((head, at) => {
    if (rows.length < 2) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const known = rows.filter((row) => row.cells[at].textContent !== "–");
      known.sort((one, other) => {
        const [a, b] = [value(one, at), value(other, at)];
        const less = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
        return down ? -less : less;
      });
      body.append(...known, ...rows.filter((row) => !known.includes(row)));
    });
  });
  const tools = table.querySelector(".tools");
  if (!tools) continue;
  const search = tools.querySelector("input"), selects = [...tools.querySelectorAll("select")], output = tools.querySelector("output");
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const text = `${row.textContent} ${row.dataset.id ?? ""}`.toLowerCase();
      const fits = text.includes(wanted) && selects.every((one) => !one.value || row.cells[one.dataset.column].textContent === one.value);
      row.hidden = !fits;
      shown += fits;
    }
    output.textContent = `${shown} of ${rows.length} rows`;
  };
  tools.addEventListener("input", show);
  tools.hidden = false;
  show();
}
