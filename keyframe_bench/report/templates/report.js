"use strict";
// Sorting: within each tbody, so that ceilings stay below; stable; rows without a value last in both directions.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const flip = { ascending: "descending", descending: "ascending" };
      const order = flip[head.getAttribute("aria-sort")] || head.dataset.first || "ascending";
      heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const numeric = head.dataset.kind === "number";
      const collator = new Intl.Collator("en", { numeric: true });
      for (const body of table.tBodies) {
        const key = (row) => row.cells[column].dataset.sort;
        const rows = [...body.rows].sort((a, b) => {
          const x = key(a), y = key(b);
          if (x === "" || y === "") return (x === "") - (y === "");
          return sign * (numeric ? Number(x) - Number(y) : collator.compare(x, y));
        });
        body.append(...rows);
      }
    });
  });
}
// One time cursor through the curve and all lanes of a video.
const clock = (s) => {
  const t = Math.round(Math.abs(s) * 10), m = Math.floor(t / 600), h = Math.floor(m / 60);
  const tail = String(Math.floor((t % 600) / 10)).padStart(2, "0") + "." + (t % 10);
  return (s < 0 ? "-" : "") + (h ? h + ":" + String(m % 60).padStart(2, "0") : m) + ":" + tail;
};
for (const line of document.querySelectorAll(".timeline")) {
  const cursor = line.querySelector(".cursor");
  const track = line.querySelector(".track");
  line.addEventListener("pointermove", (event) => {
    const box = track.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    cursor.hidden = share < 0 || share > 1;
    if (cursor.hidden) return;
    cursor.style.left = event.clientX - line.getBoundingClientRect().left + "px";
    cursor.dataset.time = clock(Number(line.dataset.start) + share * Number(line.dataset.duration));
  });
  line.addEventListener("pointerleave", () => (cursor.hidden = true));
}
for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => {
    for (const video of document.querySelectorAll("details.video")) video.open = button.dataset.open === "yes";
  });
}
// Plots and failure cases: only the panels of the chosen metric and rows are seen.
const chosen = (id) => document.getElementById(id)?.value;
const choose = () => {
  const column = chosen("choose-column"), place = chosen("choose-place") ?? "0";
  for (const kind of document.querySelectorAll("div[data-kind]")) {
    const empty = kind.querySelector(".empty");
    if (!empty) continue;
    empty.hidden = false;
    for (const panel of kind.querySelectorAll("[data-panel]")) {
      panel.hidden = panel.dataset.column !== column || !panel.dataset.place.split(" ").includes(place);
      if (!panel.hidden) empty.hidden = true;
    }
  }
};
for (const select of document.querySelectorAll(".choose select")) select.addEventListener("change", choose);
if (chosen("choose-column") !== undefined) choose();
// Pointing at a number in the legend, or at a mark, makes that row stand out in every plot.
for (const plots of document.querySelectorAll(".plots")) {
  const light = (event, on) => {
    const number = event.target.closest("[data-n]")?.dataset.n;
    for (const part of plots.querySelectorAll("[data-n]")) part.classList.toggle("hot", on && part.dataset.n === number);
  };
  plots.addEventListener("pointerover", (event) => light(event, true));
  plots.addEventListener("pointerleave", (event) => light(event, false));
}
// A link to a video opens its section.
const open = () => {
  const video = location.hash.startsWith("#video-") && document.getElementById(location.hash.slice(1));
  if (video) { video.open = true; video.scrollIntoView(); }
};
window.addEventListener("hashchange", open);
document.addEventListener("click", (event) => {
  if (event.target.closest("a[href]")?.getAttribute("href") === location.hash) open();  // followed before: the hash stays
});
open();
for (const box of document.querySelectorAll("[hidden].needs-script")) box.hidden = false;
