const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const page = JSON.parse($("#data").textContent);
// Everything that comes from data becomes text or an attribute, never markup.
const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
};
const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const short = (x) => String(Number(x.toPrecision(4)));

// ---- which rows are seen, in what order
const table = $("#table"), original = table ? all("tbody tr", table) : [];
const chosen = (name) => $(`[data-filter="${name}"]`)?.value.trim() ?? "";
const settings = ["dataset", "budget", "sampling"];
const collator = new Intl.Collator("en", { numeric: true });
let sorting = null;  // {column, sign, numeric}
function seen(row) {
  const words = chosen("method").toLowerCase().split(/[\s,]+/).filter(Boolean);
  const named = !words.length || words.some((word) => row.label.toLowerCase().includes(word));
  return named && settings.every((name) => !row[name] || !chosen(name) || row[name] === chosen(name));
}
const nobody = "No row fits what is chosen at the top.";
const shown = () => page.rows.map((_, i) => i).filter((i) => seen(page.rows[i]));
// Stable; ceilings stay below; rows without a value come last in both directions.
function compared(a, b) {
  const below = a.classList.contains("ceiling") - b.classList.contains("ceiling");
  if (below || !sorting) return below;
  const x = a.cells[sorting.column].dataset.sort, y = b.cells[sorting.column].dataset.sort;
  if (x === "" || y === "") return (x === "") - (y === "");
  return sorting.sign * (sorting.numeric ? Number(x) - Number(y) : collator.compare(x, y));
}
function arrange() {
  const by = $("#group").value, key = by === "method" ? "extractor" : by, groups = new Map();
  const rows = original.filter((tr) => seen(page.rows[tr.dataset.row])).sort(compared);
  for (const tr of by ? original : []) groups.set(page.rows[tr.dataset.row][key], []);  // in the table's order
  for (const tr of rows) {
    const group = by ? page.rows[tr.dataset.row][key] : "";
    groups.set(group, [...(groups.get(group) ?? []), tr]);
  }
  for (const body of [...table.tBodies]) body.remove();
  const full = [...groups].filter(([, members]) => members.length);
  if (!rows.length) table.append(make("tbody", {}, make("tr", {}, make("td", { class: "text soft", colspan: table.tHead.rows[0].cells.length }, nobody))));
  for (const name of settings) {  // what all rows share and the choice says needs no column
    const column = $(`[data-setting="${name}"]`, table)?.cellIndex ?? -1;
    if (column >= 0) for (const tr of [table.tHead.rows[0], ...original]) tr.cells[column].hidden = Boolean(chosen(name));
  }
  for (const [name, members] of full) {
    const head = make("tr", { class: "group" }, make("th", { colspan: members[0].cells.length, scope: "rowgroup", class: "text" }, make("span", {}, `${by} ${name || "none"}`)));
    table.append(make("tbody", {}, ...(by && full.length > 1 ? [head] : []), ...members));
  }
  $("#count").textContent = rows.length < original.length ? `${rows.length} of ${original.length} rows` : `${rows.length} rows`;
}
for (const head of table ? table.tHead.rows[0].cells : []) {
  $("button", head).addEventListener("click", () => {
    const flip = { ascending: "descending", descending: "ascending" };
    const order = flip[head.getAttribute("aria-sort")] || head.dataset.first;
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    sorting = { column: head.cellIndex, sign: order === "ascending" ? 1 : -1, numeric: head.dataset.kind === "number" };
    arrange();
  });
}
const inTable = () => all("tbody tr[data-row]", table).map((tr) => Number(tr.dataset.row));
$("#csv")?.addEventListener("click", () => save("table.csv", "text/csv", page.csv + "\n" + inTable().map((i) => page.csv_rows[i]).join("")));
$("#tex")?.addEventListener("click", () => {
  const kept = new Set(inTable());
  let text = page.tex;
  page.tex_rows.forEach((line, i) => { if (!kept.has(i)) text = text.replace("\n" + line, () => "\n"); });
  const [here, gone] = [true, false].map((is) => page.rows.filter((_, i) => kept.has(i) === is).map((row) => row.extractor));
  const about = (line, names) => names.some((name) => line.split(/[^\w.]+/).includes(name));
  text = text.split("\n").filter((line) => !line.startsWith("% ") || !about(line, gone) || about(line, here)).join("\n");
  save("table.tex", "text/x-tex", text.replace(/(\\midrule\n)+(?=\\(midrule|bottomrule))/g, ""));
});

// ---- plots and failure cases: the panels of the chosen metric and budget, the marks of the rows that are seen
function choosePanels() {
  const column = $("#choose-column")?.value, numbers = new Set(shown().map((i) => String(page.rows[i].n)));
  const fits = (name, value) => !chosen(name) || !value || chosen(name) === value;
  const able = page.places.flatMap(([dataset, budget], i) => (fits("dataset", dataset) && fits("budget", budget) ? [i] : []));
  const place = String(able.includes(page.start) ? page.start : able[0] ?? "");  // of all budgets, that of the beginning
  if ($("#plots-of")) $("#plots-of").textContent = `Costs and failure cases are those of ${page.texts[place] ?? "no row"}; methods are those chosen at the top.`;
  for (const mark of all("[data-kind] [data-n]")) mark.classList.toggle("off", !numbers.has(mark.dataset.n));
  for (const kind of all("div[data-kind]")) {
    let empty = true;
    for (const panel of all("[data-panel]", kind)) {
      panel.hidden = panel.dataset.column !== column || !panel.dataset.place.split(" ").includes(place) || !$("[data-n]:not(.off)", panel);
      empty &&= panel.hidden;
      $(".front", panel)?.classList.toggle("off", Boolean($(".point.on.off", panel)));  // without a step it is no front
    }
    $(".empty", kind).hidden = !empty;
  }
}
$("#choose-column")?.addEventListener("change", choosePanels);
for (const plots of all(".plots")) {
  const light = (event, on) => {
    const number = event.target.closest("[data-n]")?.dataset.n;
    for (const part of all("[data-n]", plots)) part.classList.toggle("hot", on && part.dataset.n === number);
  };
  plots.addEventListener("pointerover", (event) => light(event, true));
  plots.addEventListener("pointerleave", (event) => light(event, false));
}

// ---- videos: in the page, or in a script beside it, which calls kb
const loaded = new Map(), arrived = new Map();
window.kb = (i, video) => arrived.get(i)?.(video);
function load(i) {
  const inside = $(`[data-video="${i}"]`);
  if (inside) return Promise.resolve(JSON.parse(inside.textContent));
  return new Promise((resolve, reject) => {
    arrived.set(i, resolve);
    const script = make("script", { src: page.videos[i][1] });
    script.addEventListener("error", () => reject(new Error(`${page.videos[i][1]} is not beside this page`)));
    document.head.append(script);
  });
}
function video(i) {
  if (!loaded.has(i)) loaded.set(i, load(i));
  return loaded.get(i);
}
const image = (v, frame) => {
  const beside = Array.isArray(v.images) ? v.images.includes(frame) && v.thumbs + frame + ".jpg" : null;
  return beside ?? (v.images[frame] ? "data:image/jpeg;base64," + v.images[frame] : "");
};
const tag = (role) => role === "method" ? "" : make("span", { class: "tag " + role }, role);
const place = (v, t) => Math.min(100, Math.max(0, (t - v.start) / v.duration * 100));
const left = (at) => `left:${at.toFixed(3)}%`;
const canvas = (...parts) => draw("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
const vertical = (at, kind) => draw("line", { class: kind, x1: (at * 10).toFixed(1), x2: (at * 10).toFixed(1), y1: 0, y2: 100 });
const shots = (v) => v.shots.map(([a, b], i) => i % 2 ? draw("rect", { class: "shot", x: (place(v, a) * 10).toFixed(1), y: 0, width: ((place(v, b) - place(v, a)) * 10).toFixed(1), height: 100 }) : null);
const cuts = (v) => v.shots.slice(1).map(([a]) => vertical(place(v, a), "cut"));
function path(v, times, values, low, top) {
  return "M" + times.map((t, i) => `${(place(v, t) * 10).toFixed(1)} ${(100 - (values[i] - low) / (top - low || 1) * 96).toFixed(1)}`).join("L");
}
function curve(v, times, values, label, about, kind, more = [], limits = []) {
  const low = Math.min(0, ...values, ...limits), top = Math.max(...values, ...limits), parts = [...shots(v), ...cuts(v)];
  if (values.length && top > low) {
    const d = path(v, times, values, low, top), [first, last] = [times[0], times.at(-1)].map((t) => (place(v, t) * 10).toFixed(1));
    parts.push(draw("path", { class: "area", d: `${d}L${last} 100L${first} 100Z` }), draw("path", { class: "path", d }));
  }
  if (limits.length === 1) parts.push(draw("path", { class: "limit", d: path(v, [v.start, v.start + v.duration], [limits[0], limits[0]], low, top) }));
  else if (limits.length) parts.push(draw("path", { class: "limit", d: path(v, times, limits, low, top) }));
  const said = values.length ? "max " + short(top) : `no ${label} was recorded`;
  return make("div", { class: "line curve" + kind },
    make("div", { class: "lab" }, label, make("small", {}, about)),
    make("div", { class: "track" }, canvas(...parts, ...more), make("span", { class: "top" }, said)));
}
function axis(v) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  const step = steps.find((s) => v.duration / s <= 8) ?? 7200 * Math.ceil(v.duration / 8 / 7200), ticks = [];
  for (let n = Math.ceil(v.start / step - 1e-9); n * step < v.start + v.duration * 0.985; n++) {
    ticks.push(make("i", { style: left(place(v, n * step)) }, step < 1 ? clock(n * step) : clock(n * step).slice(0, -2)));
  }
  return make("div", { class: "line axis" }, make("div"), make("div", { class: "track" }, ...ticks));
}
function board(v, lanes, lane) {
  if (lane.error) return [make("div", { class: "error" }, lane.error)];
  const bar = make("div", { class: "bar" }, canvas(...shots(v)), ...lane.times.map((t) => make("b", { style: left(place(v, t)) })));
  const found = [bar], w = lane.width;
  if (w) {
    const lines = lane.lefts.map((x, k) => draw("line", { x1: place(v, lane.times[k]).toFixed(2), y1: 0, x2: (x + w / 2).toFixed(2), y2: 14 }));
    found.push(make("div", { class: "links", "aria-hidden": "true" }, draw("svg", { class: "leaders", viewBox: "0 0 100 14", preserveAspectRatio: "none" }, ...lines)));
  }
  const thumbs = lane.frames.map((frame, k) => {
    const source = image(v, frame), name = `${clock(lane.times[k])}, frame ${frame}`;
    const gap = w && Math.max(0, lane.lefts[k] - (k ? lane.lefts[k - 1] + w : 0));
    const picture = source ? make("img", { class: "pic", alt: "", src: source }) : make("span", { class: "pic none" }, "no image");
    const thumb = make("button", { type: "button", class: "th", title: name, "aria-label": `enlarge ${name}`, style: w ? `width:${w.toFixed(3)}%;margin-left:${gap.toFixed(3)}%` : "" }, picture, clock(lane.times[k]));
    thumb.addEventListener("click", () => enlarge(v, lanes, lane, k));
    return thumb;
  });
  return [...found, make("div", { class: "board" + (w ? "" : " wrap") }, ...thumbs)];
}
const limits = (v, lane) => v.curves[lane.curve].thresholds.length ? v.curves[lane.curve].thresholds : [lane.lowest].filter((x) => x !== undefined);
function told(v, lane) {
  const row = page.rows[lane.row], column = page.headline, parts = [];
  const value = column === null ? null : v.numbers.find(([i]) => i === lane.row)?.[1][column];
  if (value != null) parts.push(`${page.columns[column]} ${value}`);
  if (!lane.error) parts.push(`${lane.frames.length} frame${lane.frames.length === 1 ? "" : "s"}`);
  for (const name of ["budget", "sampling"]) if (row[name]) parts.push(`${name} ${row[name]}`);
  for (const name of ["fallback", "shortfall"]) if (lane[name]) parts.push(`${name}: ${lane[name]}`);
  return [...parts, ...(lane.first_of ?? [])].join(", ");
}
function timeline(v, rows, scored = false) {
  const lanes = rows.map((i) => v.lanes.find((lane) => lane.row === i)).filter(Boolean), none = rows.length ? "" : make("p", { class: "soft" }, nobody), cursor = make("div", { class: "cursor", hidden: "" });
  const line = make("div", { class: "timeline", style: `--aspect:${v.aspect}` }, cursor);
  if (!scored) line.append(curve(v, v.change.times, v.change.values, "change", "mean grey difference between sampled frames, 0 to 255" + (v.shots.length ? "; bands are annotated shots" : ""), ""));
  line.append(axis(v));
  for (const [name, times] of v.users) if (times.length) {
    const marks = times.map((t) => make("b", { style: left(place(v, t)), title: clock(t) }));
    line.append(make("div", { class: "line lane truth" }, make("div", { class: "lab" }, make("small", {}, name + " (annotation)")), make("div", { class: "track" }, make("div", { class: "bar" }, ...marks))));
  }
  for (const lane of lanes) {
    const row = page.rows[lane.row], known = v.curves[lane.curve], why = !scored || lane.error || known ? "" : ". There is no score curve: single frames have no score, or none was kept.";
    const label = make("div", { class: "lab" }, row.label, tag(row.role), make("small", {}, told(v, lane) + why));
    line.append(make("div", { class: "line lane " + row.role, "data-lane": row.label }, label, make("div", { class: "track" }, ...board(v, lanes, lane))));
    if (scored && known) {
      const about = known.thresholds.length ? "dashed: its threshold" : limits(v, lane).length ? "dashed: the lowest score that was enough" : "chosen otherwise than by the score alone";
      line.append(curve(v, known.times, known.scores, "score", about, " own " + row.role, [...(lane.segments_s ?? []).slice(1).map(([a]) => vertical(place(v, a), "cut")), ...lane.times.map((t) => vertical(place(v, t), "at"))], limits(v, lane)));
    }
  }
  line.append(none);
  line.addEventListener("pointermove", (event) => {
    const box = $(".axis .track", line).getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
    cursor.hidden = share < 0 || share > 1;
    cursor.style.left = event.clientX - line.getBoundingClientRect().left + "px";
    cursor.dataset.time = clock(v.start + share * v.duration);
  });
  line.addEventListener("pointerleave", () => (cursor.hidden = true));
  return line;
}
function numbers(v) {
  const lines = v.numbers.filter(([i]) => seen(page.rows[i])).map(([i, texts]) => make("tr", {}, make("th", { scope: "row", class: "text sticky" }, page.rows[i].label, tag(page.rows[i].role), make("small", {}, page.rows[i].budget && ` budget ${page.rows[i].budget}`)), ...texts.map((text) => make("td", text === null ? { class: "soft" } : {}, text ?? "–"))));
  const heads = ["method", ...page.columns].map((name, i) => make("th", { scope: "col", class: i ? "" : "text sticky" }, make("span", {}, name)));
  const grid = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...lines));
  const record = v.health.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  const more = (name, inner) => make("details", { class: "more" }, make("summary", {}, name), inner);
  return [lines.length ? more("Numbers of this video", make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "numbers of this video" }, grid)) : "", record.length ? more("Health record", make("dl", {}, ...record)) : ""];
}
const about = (v) => make("p", { class: "film" }, make("span", { class: "name" }, v.name), make("small", {}, v.facts.join(" · ")));
let current = -1;
async function show(i, scroll = false) {
  current = i;
  $("#video").value = i;
  const viewer = $("#viewer"), v = await video(i).catch((error) => error);
  if (current !== i) return;
  if (v instanceof Error) return viewer.replaceChildren(make("div", { class: "error" }, v.message));
  const pair = ["#compare-a", "#compare-b"].map((id) => $(id).value).filter(Boolean).map(Number);
  const warn = v.problems.length ? make("div", { class: "warn" }, make("ul", {}, ...v.problems.map((text) => make("li", {}, text)))) : "";
  const open = all("details", viewer).map((part) => part.open);
  viewer.replaceChildren(about(v), ...(warn ? [warn] : []), timeline(v, pair.length ? pair : shown(), pair.length > 0), ...numbers(v).filter(Boolean));
  all("details", viewer).forEach((part, k) => (part.open = open[k] ?? false));
  if (scroll) $("#storyboards").scrollIntoView();
  hints();
}
async function glance() {
  const v = await video(page.glance.video).catch((error) => error);
  if (v instanceof Error) return $("#telling").replaceChildren(make("div", { class: "error" }, v.message));
  const link = make("a", { href: "#video-" + page.glance.video }, "all methods on this video");
  $("#telling").replaceChildren(make("p", { class: "soft" }, page.glance.why + " ", link), make("div", { class: "card pad" }, about(v), timeline(v, page.glance.rows)));
}

// ---- one frame, larger, with what is known of why it was chosen
const dialog = $("#frame"), film = $("video", dialog);
let at = null;  // {v, lanes, lane, k}
function facts({ v, lane, k }) {
  const t = lane.times[k], score = lane.frame_scores?.[k], number = lane.scores?.[k], span = lane.segments_s?.[k], found = [["when", `${clock(t)}, frame ${lane.frames[k]}; key frame ${k + 1} of ${lane.frames.length}`]];
  const own = v.curves[lane.curve]?.thresholds ?? [], low = lane.lowest ?? null, other = number != null && (score == null || short(score) !== short(number));
  const lower = (number ?? score) < (own.length === 1 ? own[0] : low);  // chosen otherwise, as the frame that opens a video
  const limit = lower ? "" : own.length === 1 ? `; the threshold is ${short(own[0])}` : own.length || low === null ? "" : `; the lowest that was enough is ${short(low)}`;
  if (score != null) found.push(["score", short(score) + (lane.ranks ? `, number ${lane.ranks[k]} of ${lane.n_sampled} sampled frames` : "") + (other ? "" : limit)]);
  if (other && !lower) found.push(["chosen by", `${short(number)}, the method's number for this choice${limit}`]);
  if (lane.why) found.push(["why", lane.why[k]]);
  if (span) found.push(["stands for", `${clock(span[0])} to ${clock(span[1])}`]);
  if (k) found.push(["distance", `${(t - lane.times[k - 1]).toFixed(1)} s after the key frame before`]);
  if (lane.fallback) found.push(["fallback", lane.fallback]);
  const row = page.rows[lane.row];
  return row.budget === "free" ? found : [...found, ["rule", row.rule || "not stated"]];  // the rule is about k key frames
}
// Its own segment, else halfway to the key frames before and after.
function part({ v, lane, k }) {
  const end = v.start + v.duration, times = lane.times, halfway = (a, b) => (times[a] + times[b]) / 2;
  return lane.segments_s?.[k] ?? [k ? halfway(k - 1, k) : v.start, k + 1 < times.length ? halfway(k, k + 1) : end];
}
function still() {
  film.pause();
  film.hidden = true;
  const source = image(at.v, at.lane.frames[at.k]), picture = $("img", dialog);
  picture.hidden = !source;
  if (source) picture.src = source;
  $(".none", dialog).hidden = Boolean(source);
  if (at.v.film) seek(at.lane.times[at.k] + 0.002);  // times are rounded: not to the frame before
}
function seek(from, to = "") {  // times of the file, as the browser counts them: a film may begin later than 0
  const address = new URL(at.v.film, document.baseURI).href;
  if (film.src !== address) film.src = address;
  Object.assign(film.dataset, { from, to });
  film.currentTime = from;
}
function enlarge(v, lanes, lane, k) {
  const row = page.rows[lane.row];
  at = { v, lanes, lane, k };
  $("h3", dialog).textContent = `${row.label}, ${v.name}`;
  $("dl", dialog).replaceChildren(...facts(at).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  // Not disabled: a button that is and has the focus swallows the arrow keys.
  $('[data-step="-1"]', dialog).ariaDisabled = k === 0;
  $('[data-step="1"]', dialog).ariaDisabled = k === lane.frames.length - 1;
  $("#play").hidden = !v.film;
  $(".stage", dialog).style = v.film ? `aspect-ratio: ${v.aspect}` : "";  // it does not jump when the video is there
  $("#no-film").textContent = v.film || !v.filmed ? "" : "the video is no longer there";
  still();
  if (!dialog.open) dialog.showModal();
}
function step(by) {
  const k = at.k + by;
  if (k >= 0 && k < at.lane.frames.length) enlarge(at.v, at.lanes, at.lane, k);
}
// The key frame nearest in time of the lane above or below.
function other(by) {
  const able = at.lanes.filter((lane) => lane.frames?.length), lane = able[able.indexOf(at.lane) + by];
  if (!lane) return;
  const gaps = lane.times.map((t) => Math.abs(t - at.lane.times[at.k]));
  enlarge(at.v, at.lanes, lane, gaps.indexOf(Math.min(...gaps)));
}
dialog.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (event.target === dialog || button?.dataset.step === "0") dialog.close();
  else if (button) step(Number(button.dataset.step));
});
dialog.addEventListener("keydown", (event) => {
  const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => other(-1), ArrowDown: () => other(1) }[event.key];
  if (act) { event.preventDefault(); act(); }
});
dialog.addEventListener("close", () => film.pause());
$("#play").addEventListener("click", () => {
  seek(...part(at));
  film.play().catch((error) => { if (error.name !== "AbortError") unplayable(); });
});
function unplayable() {
  $("#play").hidden = true;
  $(".stage", dialog).style = "";
  $("#no-film").textContent = "the video is no longer there, or the browser cannot play it";
}
film.addEventListener("error", unplayable);
// The thumbnail stays until the video has its frame. Chromium cuts the first time to the length of an MP4 that begins late.
film.addEventListener("seeked", () => {
  if (film.seeking) return;
  const { from } = film.dataset;
  film.dataset.from = "";
  if (from && Math.abs(film.currentTime - from) > 0.1) { film.currentTime = from; return; }
  film.hidden = false;
  $("img", dialog).hidden = $(".none", dialog).hidden = true;
});
film.addEventListener("timeupdate", () => { if (film.currentTime >= Number(film.dataset.to || Infinity)) film.pause(); });

// ---- controls
const videos = $("#video");
if (videos) {
  videos.append(...page.videos.map(([name], i) => make("option", { value: i }, name)));
  const names = page.rows.map((row, i) => make("option", { value: i }, [row.label, $('[data-filter="dataset"]') && row.dataset, row.budget && `budget ${row.budget}`, row.sampling].filter(Boolean).join(", ")));
  $("#compare-a").append(make("option", { value: "" }, "all methods"), ...names);
  $("#compare-b").append(make("option", { value: "" }, "nothing"), ...names.map((name) => name.cloneNode(true)));
  videos.addEventListener("change", () => show(Number(videos.value)));
  for (const id of ["#compare-a", "#compare-b"]) $(id).addEventListener("change", () => show(current));
  for (const [id, by] of [["#previous", -1], ["#next", 1]]) $(id).addEventListener("click", () => show((current + by + page.videos.length) % page.videos.length));
}
function update() {
  if (table) arrange();
  choosePanels();
  if (current >= 0) show(current);
  hints();
}
for (const input of all("[data-filter]")) input.addEventListener("input", update);
$("#group")?.addEventListener("change", arrange);
// What is wider than the screen says so.
function hints() {
  for (const box of all(".scroll")) {
    const wide = box.scrollWidth > box.clientWidth + 1, hint = box.previousElementSibling?.className === "hint" ? box.previousElementSibling : null;
    if (wide && !hint && box.clientWidth) box.before(make("p", { class: "hint" }, "scroll sideways for more →"));
    else if (!wide) hint?.remove();
  }
}
window.addEventListener("resize", hints);
for (const event of ["toggle", "contentvisibilityautostatechange"]) document.addEventListener(event, hints, true);
themed($("#theme"));
// To begin with one budget: that of the plots. A link to a video shows it.
const [dataset, budget] = page.places[page.start] ?? [];
for (const [name, value] of [["dataset", dataset], ["budget", budget]]) if (value && $(`[data-filter="${name}"]`)) $(`[data-filter="${name}"]`).value = value;
const linked = () => { const i = Number(location.hash.slice(7)); return location.hash.startsWith("#video-") && page.videos[i] ? i : -1; };
window.addEventListener("hashchange", () => { if (linked() >= 0) show(linked(), true); });
document.addEventListener("click", (event) => {
  if (event.target.closest("a[href]")?.getAttribute("href") === location.hash && linked() >= 0) show(linked(), true);  // the hash stays
});
for (const box of all("[hidden].needs-script")) box.hidden = false;
update();
if (videos) {
  glance();
  show(linked() >= 0 ? linked() : page.glance.video, linked() >= 0);
}
