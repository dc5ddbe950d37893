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
