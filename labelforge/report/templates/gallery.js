"use strict";
// The gallery page: a node of the tree filters the labels, a label (or all labels below a node) picks and sorts frames.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const { frames, labels, nodes, folders } = data;
const LEGEND = 8;  // labels of a frame that are named below it
{% include "helpers.js" %}
const plural = (count, noun) => `${full(count)} ${noun}${count === 1 ? "" : "s"}`;
const severalDatasets = new Set(labels.map((label) => label.dataset)).size > 1;
const state = { node: 0, label: null };  // label null: all labels below the node

function percent(part, whole) {
  const share = 100 * part / whole;
  return `${share >= 10 ? share.toFixed(0) : share >= 0.01 ? share.toPrecision(2) : "<\u00a00.01"}\u00a0%`;
}

// ---- pictures: the labels of a frame are numbers, which are coloured in here

const [r, g, b] = [1, 3, 5].map((at) => labels.map((label) => parseInt(label.color.slice(at, at + 2), 16)));
const decoded = new Map();

async function numbersOf(frame) {
  if (!decoded.has(frame)) {
    const bytes = Uint8Array.from(atob(frame.rows), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    decoded.set(frame, data.bytesPerPixel === 1 ? new Uint8Array(buffer) : new Uint16Array(buffer));
  }
  return decoded.get(frame);
}

async function paint(canvas, frame, picked) {  // all labels in their colours, or only those picked
  const numbers = await numbersOf(frame);
  const [width, height] = frame.shown;
  const picture = new ImageData(width, height);
  numbers.forEach((label, i) => {
    const phase = (i % width + Math.floor(i / width)) % 8;
    const used = labels[label].used;
    if (picked ? !picked.has(label) : !used && phase > 1) return;
    const hatch = phase > 1 ? [128, 128, 128, 150] : [255 * phase, 255 * phase, 255 * phase, 110];  // a dark line beside a light one
    picture.data.set(used ? [r[label], g[label], b[label], picked ? 225 : 166] : hatch, 4 * i);
  });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.dataset.painted = "yes";
}

function outlines(frame, picked) {
  return frame.labels.filter(([label, , x]) => picked?.has(label) && x !== undefined).map(([, , x0, y0, x1, y1]) =>
    make("i", { class: "outline", style: `--x: ${x0}; --y: ${y0}; --w: ${x1 - x0}; --h: ${y1 - y0}` }));
}

function card(frame, picked) {
  const [width, height] = frame.size;
  const [cols, rows] = frame.shown;
  const held = frame.labels.filter(([label]) => !picked || picked.has(label)).reduce((sum, [, pixels]) => sum + pixels, 0);
  const spoken = frame.labels.slice(0, LEGEND).map(([label, pixels]) => `${labels[label].name} ${percent(pixels, width * height)}`);
  const canvas = make("canvas", { width: cols, height: rows, role: "img", "aria-label": `Labels of ${frame.key}: ${spoken.join(", ")}` });
  paint(canvas, frame, picked);
  const image = make("div", { class: "shot" }, make("img", { src: frame.image, alt: `Image ${frame.key}` }), ...outlines(frame, picked));
  const drawn = make("div", { class: picked ? "shot picked" : "shot" }, make("img", { class: "grey", src: frame.image, alt: "" }), canvas, ...outlines(frame, picked));
  const amount = picked ? `, ${plural(held, "pixel")} (${percent(held, width * height)})` : "";
  const caption = make("figcaption", {}, make("b", {}, make("bdi", {}, frame.key)), ` ${folders[frame.folder]}, ${width}\u00d7${height}${amount}`);
  const named = frame.labels.filter(([label], i) => i < LEGEND || picked?.has(label)).slice(0, 2 * LEGEND);
  const legend = named.map(([label, pixels]) => make("li", { class: labels[label].used ? "" : "unused" },
    make("button", { type: "button", "aria-pressed": String(Boolean(picked?.has(label))), "data-label": label, onclick: () => choose(label) },
      make("i", { class: "swatch", style: `--c: ${labels[label].color}` }), make("bdi", {}, labels[label].name), ` ${percent(pixels, width * height)}`)));
  return make("li", {}, make("figure", { style: `--ratio: ${width} / ${height}` },
    make("div", { class: "pair" }, image, drawn), caption, make("ul", { class: "legend", "aria-label": `Labels in ${frame.key}` }, ...legend)));
}

// ---- what is picked

function chosenLabels() {
  if (state.label !== null) return [state.label];
  return state.node ? nodes[state.node].labels : null;
}

function show() {
  const chosen = chosenLabels();
  const picked = chosen && new Set(chosen);
  let found = data.first.map((at) => frames[at]);
  if (picked) {
    const held = frames.map((frame) => frame.labels.reduce((sum, [label, pixels]) => sum + (picked.has(label) ? pixels : 0), 0));
    const order = frames.map((_, i) => i).filter((i) => held[i]).sort((i, k) => held[k] - held[i]);
    found = order.slice(0, data.perLabel).map((i) => frames[i]);
  }
  $("list").replaceChildren(...found.map((frame) => card(frame, picked)));
  const label = state.label === null ? null : labels[state.label];
  $("what").replaceChildren(make("bdi", {}, label ? label.name : state.node ? nodes[state.node].name : "Frames that differ"));
  $("facts").textContent = label ? labelFacts(label) : state.node ? nodeFacts(nodes[state.node]) : "Pick a label or a node to see the frames that hold most of it. Hatched: pixels that are not used.";
}

function labelFacts(label) {
  const id = label.id === null ? "" : `, id ${label.id}`;
  return `${label.dataset}${id} \u2192 ${label.meaning}: ${plural(label.pixels, "pixel")} in ${full(label.images)} of ${plural(label.of, "image")}.`;
}

function nodeFacts(node) {
  const pixels = node.labels.reduce((sum, label) => sum + labels[label].pixels, 0);
  return `${plural(node.labels.length, "label")} at or below ${node.path}: ${plural(pixels, "pixel")}.`;
}

function choose(label) {
  if (label !== null && state.node && !nodes[state.node].labels.includes(label)) setNode(0);
  state.label = label;
  const radio = [...document.querySelectorAll("[name=label]")].find((input) => input.value === String(label ?? ""));
  if (radio.parentElement.hidden) { $("search").value = ""; filter(); }
  radio.checked = true;
  radio.parentElement.scrollIntoView({ block: "nearest" });
  refresh();
}

function setNode(node) {
  state.node = node;
  $("node").value = String(node);
  filter();
}

function refresh() {
  const place = state.label !== null ? `#label-${state.label}` : state.node ? `#node-${state.node}` : "";
  history.replaceState(null, "", place || location.pathname);
  show();
  $("frames").scrollTop = 0;
}

function filter() {  // which labels are listed: those below the node whose name or dataset has what is searched for
  const query = $("search").value.trim().toLowerCase();
  let count = 0;
  for (const input of document.querySelectorAll("[name=label]")) {
    if (input.value === "") continue;
    const number = Number(input.value);
    const { name, dataset, meaning, id } = labels[number];
    const below = !state.node || nodes[state.node].labels.includes(number);
    const named = !query || [name, dataset, meaning].some((text) => text.toLowerCase().includes(query)) || String(id) === query;
    input.parentElement.hidden = !(below && named);
    count += below && named;
  }
  $("found").textContent = query ? `${plural(count, "label")} found` : "";
  $("all").textContent = state.node ? `all labels below ${nodes[state.node].name}` : "frames that differ";
}

// ---- start

function choice(value, ...content) {
  const input = make("input", { type: "radio", name: "label", value, onchange: () => { state.label = value === "" ? null : Number(value); refresh(); } });
  return make("label", { class: value !== "" && !labels[value].used ? "choice unused" : "choice" }, input, ...content);
}

function start() {
  $("node").append(...nodes.map((node, i) => make("option", { value: i },
    `${"\u00a0\u00a0\u00a0".repeat(Math.max(node.depth - 1, 0))}${i ? node.name : "the whole tree"} (${node.labels.length})`)));
  $("labels").append(choice("", make("span", { class: "name", id: "all" })));
  labels.forEach((label, i) => {
    if (!label.pixels) return;
    const name = make("span", { class: "name" }, make("bdi", {}, label.name));
    if (severalDatasets) name.append(" ", make("small", {}, label.dataset));
    $("labels").append(choice(i, make("i", { class: "swatch", style: `--c: ${label.color}` }), name, make("span", { class: "count", title: `${full(label.pixels)} pixels` }, short(label.pixels))));
  });
  $("node").addEventListener("change", () => { setNode(Number($("node").value)); choose(null); });
  $("search").addEventListener("input", filter);
  const [, kind, number] = /^#(label|node)-(\d+)$/.exec(location.hash) ?? [];
  setNode(kind === "node" && nodes[number] ? Number(number) : 0);
  choose(kind === "label" && labels[number]?.pixels ? Number(number) : null);
}

start();
})();
