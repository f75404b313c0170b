import { change, clamp, floats, fmt, h, isolate, s, widget } from "./core.js";
import { segments, select, slider, toggle } from "./controls.js";
import { legend, readable } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** The pairs [i, j], i < j, of F fields in the package's order: (0, 1), (0, 2), ... */
export function pairsOf(F) {
  const all = [];
  for (let i = 0; i < F; i++) for (let j = i + 1; j < F; j++) all.push([i, j]);
  return all;
}

/** The number of fields that have P pairs. */
export const fieldsOf = (P) => (1 + Math.sqrt(1 + 8 * P)) / 2;

/** The weights of one of N examples ({shape: [N, P], data}), or their mean for -1. */
export function weightsOf({ shape: [N, P], data }, example) {
  if (example >= 0) return Array.from(data.slice(example * P, (example + 1) * P));
  return Array.from({ length: P }, (_, p) => {
    let sum = 0;
    for (let n = 0; n < N; n++) sum += data[n * P + p];
    return sum / N;
  });
}

/** What the pairs of each field sum to. */
export function totals(weights, F) {
  const sums = new Array(F).fill(0);
  pairsOf(F).forEach(([i, j], p) => { sums[i] += weights[p]; sums[j] += weights[p]; });
  return sums;
}

/** Numbers of a list by its values, largest first. */
export const ranked = (values) => values.map((_, p) => p).sort((a, b) => values[b] - values[a] || a - b);

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.map { outline-offset: 4px; touch-action: pan-y; cursor: crosshair; }
.wide select { max-width: 420px; }
.map text { font-size: 12.5px; }
.map text.strong { fill: var(--ink); font-weight: 600; }
.map text.value { font-size: 11px; text-anchor: middle; }
.key { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: center; color: var(--muted); font-size: 12.5px; margin-top: 10px; }
.key .legend { margin: 0; }
.key i.bar { width: 110px; height: 8px; border-radius: 2px; border: 1px solid var(--grid); display: inline-block; margin: 0 6px; }`;

export default widget("Pair attention", (ui, model) => {
  const get = (name) => model.get(name);
  const svg = s("svg", { "aria-hidden": "true" });
  const map = h("div", { class: "map", tabindex: "0", role: "application", "aria-roledescription": "pairs of fields" }, svg);
  const low = h("span"), high = h("span"), bar = h("i", { class: "bar" });
  const scale = h("span", {}, low, bar, high), points = legend([["marked pair", "c3", "box"]]);
  ui.stage.append(h("style", { text: LAYOUT }), map, h("div", { class: "key" }, scale, points));

  const shape = () => get("weights").shape;
  const which = select(ui, "example", { label: "example", follow: ["weights", "examples"], options: () => {
    const all = Array.from({ length: shape()[0] || 0 }, (_, n) => [n, get("examples")[n] || `example ${n + 1}`]);
    return all.length > 1 ? [...all, [-1, `mean of all ${all.length}`]] : all;
  } });
  which.classList.add("wide");
  const hide = slider(ui, "threshold", { label: "hide below", min: 0, max: 1, show: (x) => `${Math.round(100 * x)} % of max` });
  hide.style.gridColumn = "1 / -1";
  hide.style.maxWidth = "420px";
  ui.row.append(segments(ui, "view", { label: "view", options: [["matrix", "matrix"], ["arcs", "arcs"]] }),
    toggle(ui, "sort", { label: "fields by their sums" }));
  ui.controls.append(which, hide);

  const pen = document.createElement("canvas").getContext("2d"), widths = new Map();
  const wide = (text) => {
    pen.font = "600 12.5px system-ui, sans-serif"; // a chosen name is bold
    if (!widths.has(text)) widths.set(text, pen.measureText(text).width);
    return widths.get(text);
  };
  const cut = (text, room) => {
    if (wide(text) <= room) return text;
    const letters = [...text];
    let n = letters.length;
    while (n > 1 && wide(`${letters.slice(0, n).join("")}…`) > room) n--;
    return `${letters.slice(0, n).join("").trimEnd()}…`;
  };

  let view = null; // what was drawn last, for the pointer and the keys
  const pairAt = (e) => {
    const box = map.getBoundingClientRect();
    return view && view.at(e.clientX - box.left, e.clientY - box.top);
  };
  ui.listen(map, "pointermove", (e) => {
    const p = pairAt(e), box = map.getBoundingClientRect();
    if (typeof p !== "number") return ui.tip();
    ui.tip(e.clientX - box.left, e.clientY - box.top, [...view.pairs[p].map((f) => view.names[f]), fmt(view.weights[p], 4)]);
  });
  ui.listen(map, "pointerleave", () => ui.tip());
  ui.listen(map, "pointerdown", (e) => {
    const p = pairAt(e);
    if (typeof p === "number") change(ui, { pair: p });
  });
  ui.listen(map, "keydown", (e) => {
    if (!view) return;
    const { rank, pair, F, place, number } = view, last = rank.length - 1, nth = rank.indexOf(pair);
    const [a, b] = view.pairs[pair].map((f) => place[f]).sort((x, y) => x - y); // column, row
    const byWeight = (n) => rank[clamp(n, 0, last)];
    const inMatrix = {
      ArrowLeft: () => number(Math.max(0, a - 1), b), ArrowRight: () => number(Math.min(b - 1, a + 1), b),
      ArrowUp: () => number(a, Math.max(a + 1, b - 1)), ArrowDown: () => number(a, Math.min(F - 1, b + 1)),
    };
    const inArcs = { ArrowLeft: () => byWeight(nth - 1), ArrowUp: () => byWeight(nth - 1), ArrowRight: () => byWeight(nth + 1), ArrowDown: () => byWeight(nth + 1) };
    const to = { ...(get("view") === "matrix" ? inMatrix : inArcs), Home: () => rank[0], End: () => rank[last],
      PageUp: () => byWeight(nth - 1), PageDown: () => byWeight(nth + 1) }[e.key];
    if (!to) return;
    e.preventDefault();
    change(ui, { pair: to() });
  });

  return () => {
    view = null;
    const all = floats(get("weights")), [N, P] = all.shape;
    which.hidden = N < 2;
    if (!N || !P) return ui.message("There is no pair: give the weights of at least two fields.");
    if (!all.data.every(Number.isFinite)) return ui.message("The weights hold NaN or infinity: they cannot be drawn.");
    const F = fieldsOf(P), pairs = pairsOf(F), weights = weightsOf(all, clamp(get("example"), -1, N - 1));
    const names = pairs.length && Array.from({ length: F }, (_, f) => get("fields")[f] || `field ${f + 1}`);
    const order = get("sort") ? ranked(totals(weights, F)) : names.map((_, f) => f);
    const place = []; // where a field stands
    order.forEach((f, k) => { place[f] = k; });
    const number = (a, b) => { // of the pair at places a and b
      const [i, j] = [order[a], order[b]].sort((x, y) => x - y);
      return (i * (2 * F - i - 1)) / 2 + j - i - 1;
    };
    const pair = clamp(get("pair"), 0, P - 1), rank = ranked(weights), reach = Math.max(...weights.map(Math.abs)) || 1;
    const shows = (p) => Math.abs(weights[p]) >= get("threshold") * reach;
    const marks = pairs.map(([i, j]) => get("marked").some((m) => m.includes(names[i]) && m.includes(names[j])));
    const color = Object.fromEntries(["ink", "back", "c1", "c2"].map((n) => [n, ui.color(n)]));
    const tint = (p) => (weights[p] < 0 ? "c2" : "c1"), share = (p) => Math.abs(weights[p]) / reach;
    const longest = Math.max(...names.map(wide)), chosen = pairs[pair], nodes = [];
    let height, at, shown = pairs.filter((_, p) => shows(p)).length;

    if (get("view") === "matrix") {
      // A lower triangle whose names stand on the diagonal: right of their row, above their column.
      const w = clamp((ui.width - Math.min(longest, ui.width * 0.36) - 10) / (F - 1), 8, 110), hgt = clamp(w, 19, 40);
      height = F * hgt + 2;
      pairs.forEach(([i, j], p) => {
        const a = Math.min(place[i], place[j]), b = Math.max(place[i], place[j]), x = a * w + 1, y = b * hgt + 1;
        const look = { x, y, width: w - 2, height: hgt - 2, rx: 2 }, seen = shows(p);
        nodes.push(s("rect", { ...look, fill: `var(--${tint(p)})`, "fill-opacity": seen ? share(p).toFixed(3) : 0, stroke: "var(--grid)" }));
        if (marks[p]) nodes.push(s("rect", { ...look, x: x + 1, y: y + 1, width: w - 4, height: hgt - 4, fill: "none", stroke: "var(--c3)", "stroke-width": 2.5 }));
        if (w < 36 || !seen) return;
        nodes.push(s("text", { class: "value", x: x + w / 2 - 1, y: y + hgt / 2 + 3, text: fmt(Math.round(100 * weights[p]) / 100, 2),
          style: `fill:${readable(color[tint(p)], color.back, share(p), color.ink, color.back)}` }));
      });
      const [a, b] = chosen.map((f) => place[f]).sort((x, y) => x - y);
      nodes.push(s("rect", { x: a * w, y: b * hgt, width: w, height: hgt, rx: 3, fill: "none", stroke: "var(--ink)", "stroke-width": 2 }));
      order.forEach((f, k) => nodes.push(s("text", { class: chosen.includes(f) ? "strong" : "", x: k * w + 6, y: (k + 0.5) * hgt + 4, text: cut(names[f], ui.width - k * w - 8) })));
      at = (x, y) => {
        const a = Math.floor(x / w), b = Math.floor(y / hgt);
        return a >= 0 && b < F && a < b ? number(a, b) : null;
      };
    } else {
      const step = clamp(320 / (F - 1), 19, 60), room = Math.min(longest, ui.width * 0.36), left = room + 20;
      const wideArc = Math.min(ui.width - left - 60, (F - 1) * step * 1.8), Y = (k) => 16 + k * step;
      height = Y(F - 1) + 16;
      const arc = (p) => {
        const [a, b] = pairs[p].map((f) => place[f]).sort((x, y) => x - y), rx = (wideArc * (b - a)) / (F - 1), ry = ((b - a) * step) / 2;
        return { rx, ry, y: (Y(a) + Y(b)) / 2, d: `M${left},${Y(a)}A${rx.toFixed(1)},${ry} 0 0 1 ${left},${Y(b)}` };
      };
      const drawn = rank.filter((p) => shows(p) || marks[p] || p === pair);
      shown = drawn.length;
      const line = (p, props) => s("path", { d: arc(p).d, fill: "none", ...props });
      for (const p of drawn.slice().reverse()) { // the largest last, on top
        const wideLine = 1 + 9 * share(p);
        if (p === pair) nodes.push(line(p, { stroke: "var(--ink)", "stroke-width": wideLine + 4 }), line(p, { stroke: "var(--back)", "stroke-width": wideLine + 1 }));
        nodes.push(line(p, { stroke: `var(--${marks[p] ? "c3" : tint(p)})`, "stroke-width": wideLine, "stroke-opacity": Math.max(marks[p] ? 0.7 : 0, 0.15 + 0.85 * share(p)).toFixed(3) }));
      }
      pairs.forEach((_, p) => marks[p] && nodes.push(s("path", { // not by colour alone
        d: `M${left + arc(p).rx - 6},${arc(p).y}l6,-6 6,6 -6,6z`, fill: "var(--c3)", stroke: "var(--back)" })));
      nodes.push(s("text", { class: "strong", x: left + arc(pair).rx + 12, y: arc(pair).y + 4, text: fmt(weights[pair], 2), style: "paint-order:stroke;stroke:var(--back);stroke-width:4px" }));
      const sums = totals(weights.map(Math.abs), F), most = Math.max(...sums) || 1;
      order.forEach((f, k) => nodes.push(s("circle", { cx: left, cy: Y(k), r: 3 + 5 * Math.sqrt(sums[f] / most), fill: "var(--ink)" }),
        s("text", { class: chosen.includes(f) ? "strong" : "", x: left - 13, y: Y(k) + 4, "text-anchor": "end", text: cut(names[f], room) })));
      at = (x, y) => { // the nearest arc within reach of a finger
        let best = null, least = 9;
        for (const p of drawn) {
          const { rx, ry, y: middle } = arc(p), u = (x - left) / rx, v = (y - middle) / ry, r = Math.hypot(u, v);
          const off = x < left ? Infinity : (Math.abs(r - 1) * Math.hypot(x - left, y - middle)) / (r || 1);
          if (off < least) [best, least] = [p, off];
        }
        return best;
      };
    }
    svg.replaceChildren(...nodes);
    for (const [k, v] of Object.entries({ width: ui.width, height, viewBox: `0 0 ${ui.width} ${height}` })) svg.setAttribute(k, v);

    const least = Math.min(...weights), matrix = get("view") === "matrix";
    scale.hidden = !matrix;
    points.hidden = !marks.includes(true);
    bar.style.background = least < 0 ? "linear-gradient(to right, var(--c2), var(--back), var(--c1))" : "linear-gradient(to right, var(--back), var(--c1))";
    low.textContent = least < 0 ? fmt(-reach, 2) : "0";
    high.textContent = fmt(reach, 2);
    view = { pairs, names, weights, rank, pair, F, place, number, at };

    const say = (p) => pairs[p].map((f) => isolate(names[f])).join(" × ");
    const sum = weights.reduce((x, y) => x + y, 0), even = least >= 0 && Math.abs(sum - 1) < 1e-3;
    const words = `${say(pair)}${marks[pair] ? " (marked)" : ""}: weight ${fmt(weights[pair], 4)}, number ${rank.indexOf(pair) + 1} of ${P}`
      + (even ? `, ${fmt(weights[pair] * P, 2)} times an even share.` : ".")
      + ` Largest: ${say(rank[0])}, ${fmt(weights[rank[0]], 4)}.`
      + (get("threshold") > 0 ? ` Shown: ${shown} of ${P} pairs${matrix ? "" : ", the chosen and the marked ones always"}.` : "");
    ui.note.textContent = words;
    map.setAttribute("aria-label", `Weights of ${P} pairs of ${F} fields; ${matrix ? "arrow keys move, Page Up and Page Down by weight" : "arrow keys move by weight"}. ${words}`);
    ui.say(words);
  };
});
