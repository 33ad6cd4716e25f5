"use strict";
// The tree page: list, search, sunburst and details are views of one state; select(), zoomTo() and refresh() change it.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const { nodes, labels, datasets } = data;
const SVG = "http://www.w3.org/2000/svg";
const HUB = 130, RIM = 496, FONT = 23;
{% include "helpers.js" %}
const items = nodes.map((_, i) => $(`node-${i}`));
const rowOf = (i) => items[i].firstElementChild;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const phone = matchMedia("(max-width: 59.99rem)");
const state = { selected: 0, zoom: 0, byPixels: data.counted, chosen: new Set() };

document.documentElement.classList.add("js");

// ---- helpers

function draw(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const leaves = (count) => (count === 1 ? "1 leaf" : `${count} leaves`);

function above(i) {  // from a node's parent to the root
  const found = [];
  for (let at = nodes[i].parent; at !== null; at = nodes[at].parent) found.push(at);
  return found;
}

const within = (i, root) => i === root || above(i).includes(root);
const shown = () => (state.chosen.size ? [...state.chosen] : datasets.map((_, d) => d));
const pixels = (i) => shown().reduce((sum, d) => sum + (nodes[i].pixels[d] ?? 0), 0);
const unsupervised = (i) => state.chosen.size > 0 && nodes[i].parent !== null && !shown().some((d) => nodes[i].signals[d]);

// ---- list

const isOpen = (i) => items[i].getAttribute("aria-expanded") === "true";

function setOpen(i, open) {
  if (nodes[i].children.length) items[i].setAttribute("aria-expanded", String(open));
}

function visible(i) {
  return !items[i].hidden && above(i).every(isOpen);
}

function focusNode(i) {
  for (const item of items) item.tabIndex = -1;
  items[i].tabIndex = 0;
  items[i].focus({ preventScroll: true });
  rowOf(i).scrollIntoView({ block: "nearest" });
}

function treeKey(event) {
  const i = items.indexOf(document.activeElement);
  if (i < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const order = nodes.map((_, k) => k).filter(visible);
  const at = order.indexOf(i);
  const go = (k) => { if (k !== undefined) { focusNode(k); select(k, { quiet: true }); } };
  const { key } = event;
  if (key === "ArrowDown") go(order[at + 1]);
  else if (key === "ArrowUp") go(order[at - 1]);
  else if (key === "Home") go(order[0]);
  else if (key === "End") go(order.at(-1));
  else if (key === "ArrowRight") { if (nodes[i].children.length && !isOpen(i)) setOpen(i, true); else go(nodes[i].children.find(visible)); }
  else if (key === "ArrowLeft") { if (isOpen(i)) setOpen(i, false); else go(nodes[i].parent ?? undefined); }
  else if (key === "Enter" || key === " ") { setOpen(i, true); select(i); zoomTo(i); }
  else if (key === "*") { for (const k of nodes[nodes[i].parent ?? 0].children) setOpen(k, true); }
  else if (key.length === 1 && key !== "/") {
    const rest = [...order.slice(at + 1), ...order.slice(0, at + 1)];
    go(rest.find((k) => nodes[k].name.toLowerCase().startsWith(key.toLowerCase())));
  } else return;
  event.preventDefault();
}

function treeClick(event) {
  const item = event.target.closest("[role=treeitem]");
  if (!item) return;
  const i = items.indexOf(item);
  if (event.target.closest(".twist")) setOpen(i, !isOpen(i));
  else select(i);
  focusNode(i);
}

function setAll(open) {
  nodes.forEach((node, i) => setOpen(i, open || node.parent === null));
  if (!visible(state.selected)) focusNode(0);
}

// ---- search

let before = null;  // which nodes were open before the search

function markName(i, query) {
  const name = rowOf(i).querySelector(".name");
  const text = nodes[i].name;
  const start = query ? text.toLowerCase().indexOf(query) : -1;
  if (start < 0) name.textContent = text;
  else name.replaceChildren(text.slice(0, start), make("mark", {}, text.slice(start, start + query.length)), text.slice(start + query.length));
}

function search() {
  const query = $("search").value.trim().toLowerCase();
  before ??= nodes.map((_, i) => isOpen(i));
  const found = new Map();
  if (query) {
    nodes.forEach((node, i) => {
      const label = node.labels.find((l) => labels[l].name.toLowerCase().includes(query));
      const own = node.name.toLowerCase().includes(query) || (query.includes("/") && node.path.toLowerCase().includes(query));
      if (own || String(node.id) === query) found.set(i, "");
      else if (label !== undefined) found.set(i, `\u2190 ${labels[label].name} (${datasets[labels[label].dataset].name})`);
    });
  }
  const keep = new Set([...found.keys()].flatMap((i) => [i, ...above(i)]));
  const open = new Set([...found.keys()].flatMap(above));
  items.forEach((item, i) => {
    item.hidden = Boolean(query) && !keep.has(i);
    setOpen(i, query ? open.has(i) : before[i] || within(state.selected, i) && i !== state.selected);
    markName(i, found.has(i) ? query : "");
    rowOf(i).querySelector(".via").textContent = found.get(i) ?? "";
  });
  if (!query) before = null;
  $("found").textContent = query ? `${found.size} of ${nodes.length} nodes` : "";
  // The best first: the very name, then names, then labels.
  const rank = (i) => (nodes[i].name.toLowerCase() === query ? 0 : found.get(i) ? 2 : 1);
  return [...found.keys()].sort((a, b) => rank(a) - rank(b));
}

function searchKey(event) {
  if (event.key === "Escape") { $("search").value = ""; search(); $("search").blur(); }
  else if (event.key === "Enter" || event.key === "ArrowDown") {
    const first = search()[0];
    if (first !== undefined) { focusNode(first); select(first); }
    event.preventDefault();
  }
}

// ---- sunburst: every node has a span of the whole circle; a view shows a part of it, from one level on

let spans = [];
let view = null;
const arcs = nodes.map((node, i) => {
  const arc = draw("path", { fill: node.color, "data-node": i });
  arc.append(draw("title"));
  arc.addEventListener("click", () => pick(i));
  arc.addEventListener("mouseenter", () => hover(i));
  arc.addEventListener("mouseleave", () => hover(null));
  return arc;
});
const texts = nodes.map((node) => draw("text", { fill: node.ink, "text-anchor": "middle" }));
const hub = draw("circle", { class: "hub", r: HUB - 6 });
const centre = draw("text", { class: "centre" });
hub.addEventListener("click", () => pick(nodes[state.zoom].parent ?? 0));

function weights() {
  return nodes.map((node, i) => (state.byPixels ? pixels(i) : node.leaves));
}

function measure() {
  const weight = weights();
  spans = nodes.map(() => [0, 0]);
  spans[0] = [0, 1];
  nodes.forEach((node, i) => {  // parents come before their children
    let [at, end] = spans[i];
    const scale = weight[i] ? (end - at) / weight[i] : 0;
    for (const child of node.children) {
      spans[child] = [at, at + weight[child] * scale];
      at = spans[child][1];
    }
  });
}

function viewOf(root) {
  const depth = nodes[root].depth;
  const [x0, x1] = spans[root];
  // Rings are made for what can be seen in them: half a degree or more.
  const seen = nodes.filter((_, i) => within(i, root) && (spans[i][1] - spans[i][0]) * 720 > x1 - x0);
  const deepest = Math.max(depth + 1, ...seen.map((node) => node.depth));
  return { x0, x1: x1 > x0 ? x1 : x0 + 1, depth, levels: deepest - depth };
}

function ring(inner, outer, from, to) {
  const point = (radius, angle) => `${(radius * Math.sin(angle)).toFixed(2)},${(-radius * Math.cos(angle)).toFixed(2)}`;
  const half = (from + to) / 2;  // two arcs each way: one could not go all the way round
  return `M${point(outer, from)}A${outer},${outer} 0 0 1 ${point(outer, half)}A${outer},${outer} 0 0 1 ${point(outer, to)}`
    + `L${point(inner, to)}A${inner},${inner} 0 0 0 ${point(inner, half)}A${inner},${inner} 0 0 0 ${point(inner, from)}Z`;
}

function fit(text, room) {
  const most = Math.floor(room / (FONT * 0.57));
  return text.length <= most ? text : most > Math.max(5, text.length / 2) ? `${text.slice(0, most - 1).trimEnd()}\u2026` : "";
}

function letter(i, inner, outer, from, to) {  // a name inside its arc: along the radius, or across it where only that is long enough
  const { name } = nodes[i];
  const middle = (inner + outer) / 2, angle = (from + to) / 2 * 180 / Math.PI;
  const radial = (to - from) * middle > FONT * 1.15 ? fit(name, outer - inner - 16) : "";
  const chord = 2 * inner * Math.sin(Math.min(to - from, Math.PI) / 2) - 16;
  const across = radial !== name && outer - inner > FONT * 1.8 ? fit(name, Math.min(chord, inner * 1.2)) : "";
  const text = across.length > radial.length ? across : radial;
  if (!text) return;
  texts[i].style.display = "";
  texts[i].textContent = text;
  const turned = text === radial ? [angle - 90, angle > 180] : [angle, angle > 90 && angle < 270];
  const [x, y] = text === radial ? [middle, 0] : [0, -middle];
  texts[i].setAttribute("transform", `rotate(${turned[0].toFixed(2)}) translate(${x.toFixed(2)},${y.toFixed(2)}) rotate(${turned[1] ? 180 : 0})`);
}

function paint() {
  const width = (RIM - HUB) / view.levels;
  const turn = 2 * Math.PI / (view.x1 - view.x0);
  nodes.forEach((node, i) => {
    const clamp = (x) => Math.min(Math.max((x - view.x0) * turn, 0), 2 * Math.PI);
    const [from, to] = spans[i].map(clamp);
    const level = node.depth - view.depth;
    const there = level > 0.01 && level < view.levels + 1 && to - from > 1e-4;
    arcs[i].style.display = there ? "" : "none";
    texts[i].style.display = "none";
    if (!there) return;
    const inner = HUB + Math.max(level - 1, 0) * width, outer = Math.min(HUB + level * width, RIM);
    arcs[i].setAttribute("d", ring(inner, outer, from, to));
    letter(i, inner, outer, from, to);
  });
}

let frame = 0;
function moveTo(target) {
  cancelAnimationFrame(frame);
  const from = view ?? target;
  const start = performance.now();
  const step = (now) => {
    const t = still.matches || view === null ? 1 : Math.min((now - start) / 350, 1);
    const eased = 1 - (1 - t) ** 3;
    view = Object.fromEntries(Object.keys(target).map((key) => [key, from[key] + (target[key] - from[key]) * eased]));
    paint();
    if (t < 1) frame = requestAnimationFrame(step);
  };
  step(start);
}

function zoomTo(i) {
  state.zoom = nodes[i].children.length ? i : nodes[i].parent ?? 0;
  moveTo(viewOf(state.zoom));
  crumbs();
  describe(null);
}

function pick(i) {
  select(i, { reveal: true });
  if (nodes[i].children.length) zoomTo(i);
}

function crumbs() {
  const path = [...above(state.zoom).reverse(), state.zoom];
  $("crumbs").replaceChildren(...path.flatMap((i, k) => {
    const button = make("button", { type: "button", onclick: () => pick(i) }, nodes[i].name);
    if (i === state.zoom) button.setAttribute("aria-current", "true");
    return k ? [make("span", {}, "\u203a"), button] : [button];
  }));
}

function describe(i) {  // in the middle of the sunburst: the node under the pointer, or the one zoomed to
  const at = i ?? state.zoom;
  const weight = weights();
  const lines = [[fit(nodes[at].name, 2 * HUB - 30), "what"]];
  lines.push([state.byPixels ? `${short(weight[at])} px` : leaves(weight[at]), ""]);
  if (at !== 0 && weight[0]) lines.push([`${(100 * weight[at] / weight[0]).toPrecision(2)} % of all`, "more"]);
  else if (i === null && at !== 0) lines.push(["zoom out", "more"]);
  centre.replaceChildren(...lines.map(([text, style], k) => {
    const line = draw("tspan", { x: 0, y: (k - (lines.length - 1) / 2) * 32, class: style });
    line.textContent = text;
    return line;
  }));
  hub.classList.toggle("top", state.zoom === 0);
}

function hover(i) {
  for (const old of document.querySelectorAll(".hover")) old.classList.remove("hover");
  if (i !== null) { arcs[i].classList.add("hover"); rowOf(i).classList.add("hover"); }
  describe(i);
}

// ---- details

function fact(name, ...value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, ...value));
}

const link = (i, text) => make("button", { type: "button", onclick: () => select(i, { reveal: true }) }, text ?? nodes[i].name);

function facts(i) {
  const node = nodes[i];
  const list = make("dl");
  if (node.id !== null) list.append(fact("Class id", String(node.id)));
  if (node.children.length) list.append(fact("Classifier", `${node.children.length} children`), fact("Leaves below", String(node.leaves)));
  if (data.counted) list.append(fact("Pixels", full(nodes[i].pixels.reduce((sum, count) => sum + (count ?? 0), 0))));
  list.append(fact("Colour", node.color));
  if (node.shape !== null) list.append(fact("Shape of boxes", node.shape));
  if (node.mirror !== null) list.append(fact("Mirrored", node.mirror < 0 ? "no class of the tree" : link(node.mirror)));
  if (node.boxOnly) list.append(fact("Learnt from boxes alone", "intended"));
  return list;
}

function labelList(positions) {
  return positions.map((l) => {
    const label = labels[l];
    const id = label.id === null ? "" : ` (${label.id})`;
    const count = label.pixels === null ? "" : `, ${short(label.pixels)} px`;
    const note = label.target === label.name ? "" : ` \u2192 ${label.target}`;
    return make("li", {}, label.name, make("small", {}, `${id}${count}${note}`));
  });
}

function datasetTable(i) {
  const node = nodes[i];
  const anyOwn = node.labels.length > 0, anyWider = node.wider.length > 0;
  const rows = datasets.flatMap((dataset, d) => {
    const of = (list) => list.filter((l) => labels[l].dataset === d);
    const own = of(node.labels), wider = of(node.wider);
    const signal = node.signals[d];
    if (!signal && !own.length && !wider.length && !node.pixels[d]) return [];
    const cells = [make("th", { scope: "row" }, dataset.name)];
    const given = node.parent === null ? "\u2013" : data.words[signal];
    const mark = make("span", { class: "marks", "aria-hidden": "true" }, make("i", { class: `m${signal}` }));
    cells.push(make("td", {}, make("span", { class: "given" }, ...(node.parent === null ? [given] : [mark, given]))));
    if (data.counted) cells.push(make("td", { class: "num" }, node.pixels[d] === null ? "\u2013" : full(node.pixels[d])));
    if (anyOwn) cells.push(make("td", {}, make("ul", {}, ...labelList(own))));
    if (anyWider) cells.push(make("td", {}, make("ul", {}, ...labelList(wider))));
    return [make("tr", {}, ...cells)];
  });
  if (!rows.length) return make("p", { class: "path" }, "No dataset says anything about this node.");
  const heads = ["dataset", "gives", ...(data.counted ? ["pixels"] : []), ...(anyOwn ? ["labels placed here"] : []), ...(anyWider ? ["wider labels that may mean it"] : [])];
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col", ...(text === "pixels" ? { class: "num" } : {}) }, text)));
  const caption = make("caption", {}, `What the datasets say about ${node.name}`);
  return make("div", { class: "scroll" }, make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows)));
}

function showDetails(i) {
  const node = nodes[i];
  const close = make("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: hideSheet }, "\u2715");
  const title = make("h3", {}, make("i", { class: "swatch", style: `--c: ${node.color}` }), node.name);
  $("details").replaceChildren($("details-heading"), title, make("p", { class: "path" }, node.path.replaceAll("/", " \u203a ")), facts(i), datasetTable(i), close);
  $("details").scrollTop = 0;
}

function showSheet() {
  $("details").classList.add("shown");
  document.body.classList.add("sheet");
}

function hideSheet() {
  $("details").classList.remove("shown");
  document.body.classList.remove("sheet");
}

// ---- the state

function select(i, { reveal = false, quiet = false, start = false } = {}) {
  items[state.selected].setAttribute("aria-selected", "false");
  arcs[state.selected].classList.remove("picked");
  state.selected = i;
  items[i].setAttribute("aria-selected", "true");
  arcs[i].classList.add("picked");
  arcs[i].parentNode.append(arcs[i]);  // on top, so that its neighbours do not cover its outline
  if (reveal) {
    if (items[i].hidden) { $("search").value = ""; search(); }
    for (const k of above(i)) setOpen(k, true);
    for (const item of items) item.tabIndex = -1;
    items[i].tabIndex = 0;
    if (!phone.matches) rowOf(i).scrollIntoView({ block: "nearest" });
  }
  if (!within(i, state.zoom) || i === state.zoom && i !== 0) zoomTo(above(i).find((k) => within(state.zoom, k)) ?? 0);
  showDetails(i);
  if (!start && !quiet) showSheet();
  if (!start) history.replaceState(null, "", i ? `#${encodeURIComponent(nodes[i].path)}` : location.pathname);
}

function refresh() {
  measure();
  for (const chip of document.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(state.chosen.has(Number(chip.dataset.dataset))));
  nodes.forEach((node, i) => {
    const dim = unsupervised(i);
    items[i].classList.toggle("dim", dim);
    arcs[i].classList.toggle("dim", dim);
    texts[i].classList.toggle("dim", dim);
    if (data.counted) rowOf(i).querySelector(".count").textContent = pixels(i) ? short(pixels(i)) : "";
    const size = data.counted ? `${full(pixels(i))} pixels` : leaves(node.leaves);
    arcs[i].firstChild.textContent = `${node.path}: ${size}`;
  });
  moveTo(viewOf(state.zoom));
  describe(null);
}

function toggleDataset(event) {
  const number = Number(event.currentTarget.dataset.dataset);
  if (!state.chosen.delete(number)) state.chosen.add(number);
  refresh();
}

function start() {
  const layer = draw("g");
  layer.append(...arcs);
  const words = draw("g");
  words.append(...texts);
  $("sun").append(layer, words, hub, centre);
  $("tree").addEventListener("keydown", treeKey);
  $("tree").addEventListener("click", treeClick);
  items.forEach((_, i) => {
    rowOf(i).addEventListener("mouseenter", () => hover(i));
    rowOf(i).addEventListener("mouseleave", () => hover(null));
    rowOf(i).addEventListener("dblclick", () => zoomTo(i));
  });
  $("expand").addEventListener("click", () => setAll(true));
  $("collapse").addEventListener("click", () => setAll(false));
  $("search").addEventListener("input", search);
  $("search").addEventListener("keydown", searchKey);
  for (const chip of document.querySelectorAll(".chip")) chip.addEventListener("click", toggleDataset);
  for (const radio of document.querySelectorAll("[name=size]")) {
    radio.addEventListener("change", () => { state.byPixels = radio.value === "pixels"; refresh(); });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== $("search")) { $("search").focus(); event.preventDefault(); }
    if (event.key === "Escape") hideSheet();
  });
  refresh();
  crumbs();
  const asked = decodeURIComponent(location.hash.slice(1));
  const first = nodes.findIndex((node) => node.path === asked);
  select(Math.max(first, 0), { reveal: first > 0, start: true });
}

start();
})();
