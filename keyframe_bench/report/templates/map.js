const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const n = data.frames.length, map = $("map"), over = $("over"), stage = $("stage");
const base = map.getContext("2d", { alpha: false }), top2d = over.getContext("2d");
const calm = matchMedia("(prefers-reduced-motion: reduce)"), dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = new Set(), labels = new Map(), sheets = [], films = new Map();
const at = Float32Array.from(data.layouts[0].flat()); // x and y of every frame, wherever it is on its way
let view = { zoom: 1, x: 0, y: 0 }, size = { w: 1, h: 1 }, theme = {}, unit = [1, 1], asked = false, hot = -1, loop = null, playing = 0;

// ---- places and sizes
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const thumbOf = (i) => data.videos[data.video[i]].thumb; // height, width
const usual = () => clamp(Math.sqrt((size.w * size.h) / Math.max(1, n)) * 0.62, 12, 132), largest = 2 * Math.max(...data.cell);
const side = () => Math.min(largest, usual() * view.zoom ** 0.7);
const place = (i) => [size.w / 2 + view.x + at[2 * i] * unit[0] * view.zoom, size.h / 2 + view.y + at[2 * i + 1] * unit[1] * view.zoom];
function box(i) {
  const [x, y] = place(i), [height, width] = thumbOf(i), scale = side() / Math.max(...data.cell);
  return [x - (width * scale) / 2, y - (height * scale) / 2, width * scale, height * scale];
}
function measure() { // how many pixels a unit of the layout is across and down, so that all of it is seen
  let x = 1e-9, y = 1e-9;
  for (let i = 0; i < n; i++) { x = Math.max(x, Math.abs(at[2 * i])); y = Math.max(y, Math.abs(at[2 * i + 1])); }
  unit = [size.w, size.h].map((all, k) => (all * (1 - 1 / (n + 1)) - usual() - 16) / (2 * [x, y][k])); // few keep off the edges
}
function under(x, y) {
  for (let i = n - 1; i >= 0; i--) {
    const [left, above, w, h] = box(i);
    if (x >= left && x <= left + w && y >= above && y <= above + h) return i;
  }
  return -1;
}
function nearest(x, y) {
  let best = -1, least = Infinity;
  for (let i = 0; i < n; i++) {
    const [a, b] = place(i), far = Math.hypot(a - x, b - y);
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
function closest(i) { // the zoom at which a frame, at its largest, is clear of all others, and a little more
  let zoom = (largest / usual()) ** (1 / 0.7);
  const [height, width] = thumbOf(i);
  for (let j = 0; j < n; j++) {
    const [h, w] = thumbOf(j), [x, y] = [at[2 * j] - at[2 * i], at[2 * j + 1] - at[2 * i + 1]];
    if (x || y) zoom = Math.max(zoom, Math.min((w + width) / Math.abs(x * unit[0]), (h + height) / Math.abs(y * unit[1])));
  }
  return Math.min(1.3 * zoom, 200);
}
const seen = (i) => { const [x, y] = place(i); return x > 0 && y > 0 && x < size.w && y < size.h; };

// ---- drawing
const hue = (k) => (k < 8 ? theme["c" + k] : `hsl(${(k * 137.5) % 360} 60% ${theme.more})`);
let busy = 0; // thumbnails in view
const last = { image: document.createElement("canvas"), view, timer: 0 };
function draw() {
  asked = false;
  busy = 0;
  base.fillStyle = theme.card;
  base.fillRect(0, 0, size.w, size.h);
  const many = data.videos.length > 1, edge = clamp(side() / 32, 0, 2); // small thumbnails would be nothing but border
  for (let i = 0; i < n; i++) {
    const [x, y, w, h] = box(i), [height, width] = thumbOf(i);
    if (x > size.w || y > size.h || x + w < 0 || y + h < 0) continue;
    busy++;
    const sheet = sheets[Math.floor(i / data.per_sheet)], cell = i % data.per_sheet;
    const [left, above] = [(cell % data.across) * data.cell[1], Math.floor(cell / data.across) * data.cell[0]];
    if (sheet) base.drawImage(sheet, left, above, width, height, x, y, w, h);
    else { base.fillStyle = theme.blank; base.fillRect(x, y, w, h); }
    if (labels.has(i)) { base.fillStyle = tint(labels.get(i)); base.fillRect(x, y + h - Math.min(5, h / 3), w, Math.min(5, h / 3)); }
    const ring = chosen.has(i) ? theme.accent : many && edge > 0.7 ? hue(data.video[i]) : "";
    if (ring) { base.strokeStyle = ring; base.lineWidth = edge + chosen.has(i); base.strokeRect(x, y, w, h); }
    if (w * h > 6000) tag(clock(data.times[i]), x, y); // a tenth of it
  }
  if ($("lines").checked) lines();
  if (busy > 800) {
    Object.assign(last.image, { width: map.width, height: map.height });
    last.image.getContext("2d").drawImage(map, 0, 0);
    last.view = { ...view };
  }
  $("lost").hidden = busy > 0 || !n;
  overlay();
}
function tag(text, x, y) {
  base.font = "11px system-ui, sans-serif";
  base.fillStyle = "#000a";
  base.fillRect(x, y, base.measureText(text).width + 8, 15);
  base.fillStyle = "#fff";
  base.fillText(text, x + 4, y + 11);
}
function lines() {
  base.lineWidth = 1.3;
  base.globalAlpha = n > 1000 ? 0.35 : 0.75;
  for (let i = 1; i < n; i++) {
    if (data.video[i] !== data.video[i - 1]) continue;
    base.strokeStyle = hue(data.video[i]);
    base.beginPath();
    base.moveTo(...place(i - 1));
    base.lineTo(...place(i));
    base.stroke();
  }
  base.globalAlpha = 1;
}
function overlay() {
  top2d.clearRect(0, 0, size.w, size.h);
  top2d.strokeStyle = theme.accent;
  top2d.fillStyle = theme.accent + "22";
  top2d.lineWidth = 3;
  if (hot >= 0) top2d.strokeRect(...box(hot));
  if (!loop) return;
  top2d.lineWidth = 1.5;
  for (const way of ["fill", "stroke"]) top2d[way](outline(loop));
}
const outline = (line) => new Path2D(`M${line.join("L")}Z`);
function redraw() { if (!asked) { asked = true; requestAnimationFrame(draw); } }
function moved() { // thousands take a tenth of a second to draw: while the map moves, its last image does
  hide();
  if (busy <= 800) return redraw();
  const by = view.zoom / last.view.zoom;
  base.fillStyle = theme.card;
  base.fillRect(0, 0, size.w, size.h);
  base.drawImage(last.image, size.w / 2 + view.x - (size.w / 2 + last.view.x) * by, size.h / 2 + view.y - (size.h / 2 + last.view.y) * by, size.w * by, size.h * by);
  clearTimeout(last.timer);
  last.timer = setTimeout(redraw, 120);
}
function resize() {
  const box = stage.getBoundingClientRect(), dots = devicePixelRatio || 1;
  size = { w: box.width, h: box.height };
  for (const [canvas, pen] of [[map, base], [over, top2d]]) {
    canvas.width = Math.round(size.w * dots);
    canvas.height = Math.round(size.h * dots);
    pen.setTransform(dots, 0, 0, dots, 0, 0);
  }
  measure();
  draw();
}
function dress() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["card", "blank", "accent", "more", ...Array.from({ length: 8 }, (_, k) => "c" + k)]) theme[name] = style.getPropertyValue("--" + name).trim();
  if ($("keys")) $("keys").replaceChildren(...data.videos.map((video, k) => chip("li", hue(k), video.name, "key")));
  tell();
  redraw();
}
function chip(tag, colour, text, kind) {
  const found = document.createElement(tag), mark = document.createElement("i");
  mark.style.background = colour;
  found.className = kind;
  found.append(mark, text);
  return found;
}

// ---- moving
function go(x, y, zoom, i = nearest(x, y)) { // zoom about a point of the stage
  const to = clamp(zoom, 0.5, Math.max(view.zoom, i < 0 ? 1 : closest(i))), by = to / view.zoom, [cx, cy] = [x - size.w / 2, y - size.h / 2];
  view = { zoom: to, x: cx - (cx - view.x) * by, y: cy - (cy - view.y) * by };
  moved();
}
function zoom(by, x = size.w / 2, y = size.h / 2) { // about the nearest frame, which then stays in view
  const i = nearest(x, y);
  if (i >= 0 && seen(i)) [x, y] = place(i);
  else if (i >= 0) { const [a, b] = place(i); view.x += x - a; view.y += y - b; }
  go(x, y, view.zoom * by, i);
}
function pan(x, y) { view.x += x; view.y += y; moved(); }
function fit() { view = { zoom: 1, x: 0, y: 0 }; measure(); hide(); redraw(); }
let leg = 0;
function weigh() { // go over to the layout of the slider
  const from = at.slice(), to = Float32Array.from(data.layouts[$("time").value].flat()), began = performance.now(), mine = ++leg;
  tellTime();
  hide();
  const step = (now) => {
    if (mine !== leg) return;
    const done = calm.matches ? 1 : clamp((now - began) / 350, 0, 1), part = done * done * (3 - 2 * done);
    for (let k = 0; k < at.length; k++) at[k] = from[k] + (to[k] - from[k]) * part;
    measure();
    draw();
    if (done < 1) requestAnimationFrame(step);
    else document.documentElement.dataset.layout = $("time").value;
  };
  requestAnimationFrame(step);
}
const tellTime = () => { $("time-is").textContent = +$("time").value ? `${Math.round(100 * data.shares[$("time").value])} % of variance` : "not used"; };

// ---- one frame: its preview, and full size
function about(i) {
  const [from, to] = data.segments[i];
  return `${data.videos.length > 1 ? data.videos[data.video[i]].name + ", " : ""}${clock(data.times[i], 2)}, frame ${data.frames[i]}; stands for ${clock(from, 2)} to ${clock(to, 2)}${labels.has(i) ? "; " + labels.get(i) : ""}`;
}
function show(i) {
  if (i === hot) return;
  hide();
  if (i < 0) return;
  hot = i;
  const [x, y, w, h] = box(i), [height, width] = thumbOf(i), still = $("still"), card = $("hover");
  const high = Math.min(300, Math.round((240 * height) / width)), cell = i % data.per_sheet, sheet = sheets[Math.floor(i / data.per_sheet)];
  still.width = 240;
  still.height = high;
  $("media").style.height = high + "px";
  if (sheet) still.getContext("2d").drawImage(sheet, (cell % data.across) * data.cell[1], Math.floor(cell / data.across) * data.cell[0], width, height, 0, 0, 240, high);
  $("told").textContent = about(i);
  card.hidden = false;
  const right = x + w + 10 + card.offsetWidth < size.w ? x + w + 10 : x - 10 - card.offsetWidth;
  card.style.left = clamp(right, 4, size.w - card.offsetWidth - 4) + "px";
  card.style.top = clamp(y + h / 2 - card.offsetHeight / 2, 4, Math.max(4, size.h - card.offsetHeight - 4)) + "px";
  overlay();
  play(i);
}
function hide() {
  playing++;
  for (const film of films.values()) { film.pause(); film.classList.remove("on"); }
  $("hover").hidden = true;
  hot = -1;
  overlay();
}
function film(k) {
  if (!films.has(k)) {
    const made = document.createElement("video");
    Object.assign(made, { muted: true, playsInline: true, preload: "auto", src: data.videos[k].film, tabIndex: -1 });
    $("media").append(made);
    films.set(k, made);
  }
  return films.get(k);
}
function play(i) { // all parts of a video are in one film, one after another
  const part = data.previews[i], turn = playing;
  if (!part) return;
  const shown = film(data.video[i]), start = part[0] + 0.03, end = part[1] - 0.03;
  const begin = () => { shown.currentTime = start; shown.play().catch(() => {}); };
  shown.onseeked = () => { if (turn === playing) shown.classList.add("on"); };
  const watch = () => {
    if (turn !== playing) return;
    if (!shown.seeking && (shown.currentTime >= end || shown.ended)) begin();
    requestAnimationFrame(watch);
  };
  begin();
  watch();
}
function open(i) {
  if (i < 0) return;
  hide();
  $("full").dataset.frame = i;
  $("picture").src = data.full[i];
  $("picture").alt = $("caption").textContent = about(i);
  $("before").disabled = i === 0;
  $("after").disabled = i === n - 1;
  $("pick").setAttribute("aria-pressed", chosen.has(i));
  if (!$("full").open) $("full").showModal();
}
const opened = () => +$("full").dataset.frame;

// ---- choosing, labels, saving
function toggle(i) { if (i >= 0) { chosen.delete(i) || chosen.add(i); tell(); redraw(); } }
const tint = (label) => hue([...new Set(labels.values())].indexOf(label) + 1);
function tell() {
  $("count").textContent = `${chosen.size} of ${n} selected`;
  $("set").disabled = $("clear").disabled = !chosen.size;
  $("json").disabled = $("csv").disabled = !chosen.size && !labels.size;
  $("labels").replaceChildren(...[...new Set(labels.values())].map((label) => {
    const mine = [...labels].filter(([, one]) => one === label).map(([i]) => i);
    const made = chip("button", tint(label), `${label} ${mine.length}`, "chip");
    made.type = "button";
    made.addEventListener("click", () => { chosen.clear(); mine.forEach((i) => chosen.add(i)); tell(); redraw(); });
    return made;
  }));
}
function choose(test, more) {
  if (!more) chosen.clear();
  for (let i = 0; i < n; i++) if (test(i)) chosen.add(i);
  tell();
  redraw();
}
function label() {
  const text = $("label").value.trim();
  for (const i of chosen) text ? labels.set(i, text) : labels.delete(i);
  chosen.clear();
  $("label").value = "";
  tell();
  redraw();
}
function saved() {
  return Array.from({ length: n }, (_, i) => i).filter((i) => chosen.has(i) || labels.has(i)).map((i) => ({
    video: data.videos[data.video[i]].name, video_sha256: data.videos[data.video[i]].sha256, frame: data.frames[i],
    time_s: data.times[i], segment_s: data.segments[i], label: labels.get(i) || "",
  }));
}
function saveCsv() {
  const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const rows = saved().map((one) => [quoted(one.video), one.frame, one.time_s, quoted(one.label)].join(","));
  save("frames.csv", "text/csv", ["video,frame,time_s,label", ...rows].join("\r\n") + "\r\n");
}

// ---- pointer and keys
let drag = null;
const touches = new Map(); // pointers that are down
const spot = (event) => { const box = map.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
map.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const [x, y] = spot(event);
  map.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, [x, y]);
  if (touches.size > 1) { drag = loop = null; return; }
  drag = { x, y, moved: false, more: event.shiftKey };
  if (event.shiftKey || $("lasso").getAttribute("aria-pressed") === "true") loop = [[x, y]];
});
map.addEventListener("pointermove", (event) => {
  const [x, y] = spot(event);
  if (touches.size > 1) return pinch(event.pointerId, [x, y]);
  if (!drag) return touches.size || show(under(x, y)); // of two fingers, one is left
  if (Math.hypot(x - drag.x, y - drag.y) > 4) drag.moved = true;
  if (loop) { hide(); loop.push([x, y]); overlay(); }
  else if (drag.moved) { pan(x - drag.x, y - drag.y); [drag.x, drag.y] = [x, y]; }
});
function pinch(id, to) { // two fingers: what was between them stays between them
  if (!touches.has(id)) return;
  const ends = () => [...touches.values()].slice(0, 2), far = ([a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  const before = ends();
  touches.set(id, to);
  const [a, b] = ends(), [x, y] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  view.x += x - (before[0][0] + before[1][0]) / 2;
  view.y += y - (before[0][1] + before[1][1]) / 2;
  go(x, y, view.zoom * far([a, b]) / far(before));
}
function drop(event) {
  touches.delete(event.pointerId);
  if (!drag) return;
  const [x, y] = spot(event), line = loop, { moved, more } = drag;
  drag = loop = null;
  if (event.type === "pointercancel") return overlay();
  if (line && moved) { const path = outline(line), pen = last.image.getContext("2d"); choose((i) => pen.isPointInPath(path, ...place(i), "evenodd"), more); }
  else if (!moved) event.ctrlKey || event.metaKey || line ? toggle(under(x, y)) : open(under(x, y));
  overlay();
}
map.addEventListener("pointerup", drop);
map.addEventListener("pointercancel", drop);
map.addEventListener("pointerleave", () => drag || hide());
map.addEventListener("blur", hide);
map.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-clamp(event.deltaY * (event.deltaMode ? 20 : 1), -200, 200) / 300), ...spot(event));
}, { passive: false });
let mine = -1; // where the keys are
function visit(i) {
  if (!n) return;
  mine = clamp(i, 0, n - 1);
  if (!seen(mine)) { const [x, y] = place(mine); pan(size.w / 2 - x, size.h / 2 - y); }
  show(mine);
}
function vertical(sign) { // the nearest frame within 45 degrees of straight up or down
  const [x, y] = place(Math.max(mine, 0));
  let best = mine, least = Infinity;
  for (let i = 0; i < n; i++) {
    const [a, b] = place(i), down = sign * (b - y), far = Math.hypot(a - x, b - y);
    if (down > 0 && down >= Math.abs(a - x) && far < least) [best, least] = [i, far];
  }
  visit(best);
}
const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
const keys = {
  ArrowLeft: () => visit(mine - 1), ArrowRight: () => visit(mine + 1), ArrowUp: () => vertical(-1), ArrowDown: () => vertical(1),
  Home: () => visit(0), End: () => visit(n - 1), Enter: () => open(mine), " ": () => toggle(mine),
  "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), 0: fit, Escape: hide,
};
map.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.shiftKey && moves[event.key]) pan(...moves[event.key]);
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
});
$("full").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" && opened() > 0) open(opened() - 1);
  if (event.key === "ArrowRight" && opened() < n - 1) open(opened() + 1);
});
$("full").addEventListener("close", () => { mine = opened(); map.focus(); });
$("full").addEventListener("click", (event) => { if (event.target === $("full")) $("full").close(); });
for (const [id, act] of Object.entries({
  in: () => zoom(1.6), out: () => zoom(1 / 1.6), fit, lost: () => { fit(); map.focus(); }, clear: () => choose(() => false), view: () => choose(seen), set: label,
  json: () => save("frames.json", "application/json", JSON.stringify({ format: "keyframe_bench/frames@1", frames: saved() }, null, 1)),
  csv: saveCsv, close: () => $("full").close(), before: () => open(opened() - 1), after: () => open(opened() + 1),
  pick: () => { toggle(opened()); $("pick").setAttribute("aria-pressed", chosen.has(opened())); },
  lasso: () => { const on = $("lasso").getAttribute("aria-pressed") !== "true"; $("lasso").setAttribute("aria-pressed", on); map.classList.toggle("lasso", on); },
})) $(id).addEventListener("click", act);
$("label").addEventListener("keydown", (event) => { if (event.key === "Enter" && chosen.size) label(); });
$("lines").addEventListener("change", redraw);
if ($("time")) { $("time").addEventListener("input", weigh); tellTime(); }
dark.addEventListener("change", dress);
new ResizeObserver(resize).observe(stage);

// ---- thumbnails appear as they are decoded
themed($("theme"), dress);
resize();
Promise.all(data.sheets.map(async (text, k) => {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  sheets[k] = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  redraw();
})).then(() => { draw(); document.documentElement.dataset.ready = Math.round(performance.now()); });
