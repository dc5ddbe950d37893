"use strict";
// Buttons in the headings of every table: a click sorts it by that column, numbers by value, empty cells last.
for (const table of document.querySelectorAll("article table")) {
  const heads = [...table.tHead.rows[0].cells];
  const collator = new Intl.Collator("en", { numeric: true });
  heads.forEach((head, column) => {
    const text = (row) => row.cells[column].textContent.trim();
    const filled = [...table.tBodies[0].rows].map(text).filter(Boolean);
    const numeric = filled.length > 0 && filled.every((cell) => /^[-+]?\d+(\.\d+)?(\s\[|$)/.test(cell));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const x = text(a), y = text(b);
        if (!x || !y) return !x - !y;
        return sign * (numeric ? parseFloat(x) - parseFloat(y) : collator.compare(x, y));
      });
      table.tBodies[0].append(...rows);
    });
  });
}
