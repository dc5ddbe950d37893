"use strict";
// What the scripts of all pages begin with.
function clock(s, digits = 1) {
  const unit = 10 ** digits, t = Math.round(Math.abs(s) * unit), m = Math.floor(t / (60 * unit)), h = Math.floor(m / 60);
  const rest = ((t % (60 * unit)) / unit).toFixed(digits).padStart(3 + digits, "0");
  return (s < 0 && t ? "-" : "") + (h ? h + ":" + String(m % 60).padStart(2, "0") : m) + ":" + rest;
}
function save(name, kind, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function themed(choice, changed = () => {}) { // light, dark or as the system is; the choice is kept for all pages
  const dark = [...document.styleSheets[0].cssRules].find((rule) => rule.media?.mediaText.includes("prefers-color-scheme"));
  const paint = () => {
    dark.media.mediaText = { dark: "screen", light: "not all" }[choice.value] ?? "screen and (prefers-color-scheme: dark)";
    document.documentElement.style.colorScheme = choice.value || "light dark";
    changed();
  };
  choice.addEventListener("change", () => {
    paint();
    try { localStorage.setItem("keyframe_bench.theme", choice.value); } catch { /* some browsers keep nothing for pages from a disk */ }
  });
  try { choice.value = localStorage.getItem("keyframe_bench.theme") ?? ""; } catch { /* as above */ }
  if (choice.selectedIndex < 0) choice.value = "";
  paint();
}
