import { change, floats, fmt, h, isolate, s, softmax, widget } from "./core.js";
import { button, select, toggle } from "./controls.js";
import { legend } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** Weights [edge][head] of logits {shape, data}: in each head the softmax over the rows that are left of each group. */
export function weightsOf(logits, left, groups) {
  const [n, H] = logits.shape, weights = Array.from({ length: n }, () => new Array(H).fill(0));
  for (const group of new Set(groups)) {
    const rows = groups.map((_, i) => i).filter((i) => groups[i] === group);
    for (let k = 0; k < H; k++) softmax(rows.map((i) => logits.data[i * H + k]), rows.map((i) => left[i])).forEach((a, i) => { weights[rows[i]][k] = a; });
  }
  return weights;
}

/** What each edge adds to the score, the inner ones (those after the first E) through the edge they hang on. */
export function gainsOf(outer, inner, values, innerValues, hung) {
  const E = outer.length, H = outer[0]?.length || 0, G = inner[0]?.length || 0;
  const gains = [...outer.map((a, j) => a.reduce((sum, v, k) => sum + v * (values[j * H + k] || 0), 0)), ...hung.map(() => 0)];
  if (innerValues.length) hung.forEach((j, f) => {
    for (let k = 0; k < H; k++) for (let g = 0; g < G; g++) gains[E + f] += outer[j][k] * inner[f][g] * innerValues[(f * H + k) * G + g];
    gains[j] += gains[E + f];
  });
  return gains;
}

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.graph { outline-offset: 4px; touch-action: pan-y; cursor: pointer; }
.graph text { font-size: 12.5px; }
.graph text.strong { fill: var(--ink); font-weight: 600; }
.graph text.gone { text-decoration: line-through; }
.score { margin: 12px 0 0; color: var(--ink); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }`;

export default widget("Graph attention", (ui, model) => {
  const get = (name) => model.get(name);
  const svg = s("svg", { "aria-hidden": "true" }), key = h("div"), score = h("p", { class: "score" });
  const graph = h("div", { class: "graph", tabindex: "0", role: "application", "aria-roledescription": "graph" }, svg);
  ui.stage.append(h("style", { text: LAYOUT }), graph, key, score);

  const size = () => floats(get("logits")).shape;
  const turn = (e) => change(ui, { edge: e, dropped: (get("dropped").includes(e) ? get("dropped").filter((k) => k !== e) : [...get("dropped"), e]).sort((a, b) => a - b) });
  const which = select(ui, "head", { label: "head", follow: ["logits"],
    options: () => [[-1, `mean of ${size()[1] || 0}`], ...Array.from({ length: size()[1] || 0 }, (_, i) => [i, `head ${i + 1}`])] });
  const drop = button("Drop this edge", () => view && turn(view.edge)), back = button("Put all back", () => change(ui, { dropped: [] }));
  const rings = toggle(ui, "second", { label: "second ring" });
  ui.row.append(rings);
  ui.controls.append(which, drop, back);

  const pen = document.createElement("canvas").getContext("2d"), fitted = new Map();
  pen.font = "600 12.5px system-ui, sans-serif";
  const wide = (text) => pen.measureText(text).width;
  const cut = (text, room) => {
    const id = `${Math.round(room)} ${text}`;
    if (!fitted.has(id)) {
      const letters = [...text];
      let n = letters.length;
      if (wide(text) > room) while (n > 1 && wide(`${letters.slice(0, n).join("")}…`) > room) n--;
      fitted.set(id, n < letters.length ? `${letters.slice(0, n).join("").trimEnd()}…` : text);
    }
    return fitted.get(id);
  };

  let view = null;
  const edgeAt = (e) => { // the row nearest to the pointer, in the pointer's column
    if (!view) return null;
    const box = svg.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
    const column = view.order.filter((i) => (i >= view.E) === (view.two && x > view.split));
    return column.reduce((best, i) => (best === null || Math.abs(view.at[i] - y) < Math.abs(view.at[best] - y) ? i : best), null);
  };
  ui.listen(graph, "pointermove", (e) => {
    const i = edgeAt(e), box = ui.stage.getBoundingClientRect();
    if (i === null) return ui.tip();
    ui.tip(e.clientX - box.left, e.clientY - box.top, [view.names[i], view.says(i)]);
  });
  ui.listen(graph, "pointerleave", () => ui.tip());
  ui.listen(graph, "pointerdown", (e) => {
    const i = edgeAt(e);
    if (i === null) return;
    i === view.edge ? turn(i) : change(ui, { edge: i });
  });
  ui.listen(graph, "keydown", (e) => {
    if (!view) return;
    const { order, edge, E, hung, two } = view, last = order.length - 1;
    if (["Enter", " ", "Delete", "Backspace"].includes(e.key)) {
      e.preventDefault();
      return turn(edge);
    }
    const level = order.filter((i) => (i >= E) === (edge >= E)), at = level.indexOf(edge); // up and down stay in a ring
    const child = two && edge < E ? hung.indexOf(edge) : -1;
    const to = { ArrowUp: level[at - 1], ArrowDown: level[at + 1], Home: order[0], End: order[last],
      ArrowLeft: edge >= E ? hung[edge - E] : undefined, ArrowRight: child >= 0 ? E + child : undefined };
    if (!(e.key in to)) return;
    e.preventDefault();
    if (to[e.key] !== undefined) change(ui, { edge: to[e.key] });
  });

  return () => {
    view = null;
    const logits = floats(get("logits")), [E, H] = logits.shape, values = floats(get("values")).data;
    const deep = floats(get("inner_logits")), innerValues = floats(get("inner_values")).data, hung = get("inner_of"), F = hung.length;
    which.hidden = !(H > 1);
    ui.row.hidden = !F;
    if (!E || !H) return ui.message("There are no edges: give at least one neighbour and one head.");
    if (![...logits.data, ...values, ...deep.data, ...innerValues, get("rest")].every(Number.isFinite)) return ui.message("The logits or the values hold NaN or infinity: they cannot be drawn.");
    const gone = new Set(get("dropped")), two = F > 0 && get("second"), head = get("head");
    const weigh = (without) => {
      const left = Array.from({ length: E + F }, (_, i) => !without.has(i));
      const outer = weightsOf(logits, left.slice(0, E), new Array(E).fill(0)), inner = deep.data.length ? weightsOf(deep, left.slice(E), hung) : hung.map(() => []);
      const gains = gainsOf(outer, inner, values, innerValues, hung);
      const seen = [...outer, ...inner].map((a) => (a.length === 0 ? 0 : head < 0 || head >= a.length ? a.reduce((x, y) => x + y, 0) / a.length : a[head]));
      return { seen, gains, score: get("rest") + gains.slice(0, E).reduce((x, y) => x + y, 0) };
    };
    const now = weigh(gone), before = weigh(new Set()), scored = values.length > 0;
    const names = Array.from({ length: E + F }, (_, i) => (i < E ? get("neighbours")[i] || `neighbour ${i + 1}` : get("inner")[i - E] || `node ${i - E + 1}`));

    // A tree that is read from left to right: leaves from top to bottom, a neighbour in the middle of its own.
    const order = [], at = [], step = 23;
    let y = 44;
    for (let j = 0; j < E; j++) {
      const leaves = two ? hung.map((on, f) => (on === j ? E + f : -1)).filter((i) => i >= 0) : [];
      order.push(j, ...leaves);
      for (const i of leaves) { at[i] = y; y += step; }
      at[j] = leaves.length ? (at[leaves[0]] + at[leaves[leaves.length - 1]]) / 2 : y;
      y += leaves.length ? 9 : step + 3;
    }
    const middle = (at[0] + at[E - 1]) / 2, height = y, narrow = ui.width < 560;
    const x0 = 9, x1 = narrow ? (two ? 40 : 76) : two ? ui.width * 0.17 : ui.width * 0.36, x2 = two ? (narrow ? ui.width * 0.56 : ui.width * 0.62) : ui.width;
    const number = 38, room1 = two ? x2 - x1 - (narrow ? 34 : 90) - number : ui.width - x1 - 14 - number, room2 = ui.width - x2 - 13 - number;
    const edge = order.includes(get("edge")) ? get("edge") : order[0];
    const nodes = [s("text", { class: "strong", x: 0, y: 13, text: cut(get("centre"), two ? x1 + 30 : ui.width * 0.5) })];
    if (!narrow || !two) nodes.push(s("text", { x: Math.max(x1 - 4, 20 + wide(cut(get("centre"), two ? x1 + 30 : ui.width * 0.5))), y: 13, text: cut(get("rings")[0] || "", room1) }));
    if (two) nodes.push(s("text", { x: x2 - 4, y: 13, text: cut(get("rings")[1] || "", room2 + number) }));
    const lines = [], marks = [];
    for (const i of order) {
      const inner = i >= E, x = inner ? x2 : x1, out = gone.has(i), parent = inner ? hung[i - E] : null;
      const room = inner ? room2 : room1, title = cut(names[i], room), chosen = i === edge;
      const from = inner ? [Math.min(x1 + 13 + number + wide(cut(names[parent], room1)) + 5, x2 - 22), at[parent]] : [x0, middle], bend = (from[0] + x) / 2;
      const d = `M${from[0].toFixed(1)},${from[1].toFixed(1)}C${bend.toFixed(1)},${from[1].toFixed(1)} ${bend.toFixed(1)},${at[i].toFixed(1)} ${x.toFixed(1)},${at[i].toFixed(1)}`;
      const thick = (w) => (inner ? 0.8 + 8 * w : 0.8 + 13 * w), faded = inner && gone.has(parent) ? 0.25 : 0.75;
      if (gone.size) lines.push(s("path", { class: "was", d, fill: "none", stroke: "var(--grid)", "stroke-width": thick(before.seen[i]).toFixed(2) }));
      lines.push(s("path", { class: "edge", d, fill: "none", stroke: `var(--${chosen ? "ink" : out ? "line" : inner ? "c4" : "c1"})`, "stroke-opacity": out ? 0.9 : faded,
        "stroke-width": out ? 1.2 : thick(now.seen[i]).toFixed(2), "stroke-dasharray": out ? "3 4" : null }));
      if (chosen) marks.push(s("rect", { x: x - 9, y: at[i] - 11, width: Math.min(13 + number + wide(title) + 12, ui.width - x + 9), height: 22, rx: 5, fill: "var(--raised)", stroke: "var(--ink)" }));
      const gain = scored && !out && Math.abs(now.gains[i]) > 1e-9 ? (now.gains[i] > 0 ? "c3" : "c2") : "line";
      marks.push(gain === "c2" ? s("rect", { x: x - 4, y: at[i] - 4, width: 8, height: 8, fill: "var(--c2)" }) : s("circle", { cx: x, cy: at[i], r: 4.5, fill: `var(--${gain})` }),
        s("text", { class: `weight${chosen ? " strong" : ""}`, x: x + 11, y: at[i] + 4, text: out ? "–" : fmt(Math.round(100 * now.seen[i]) / 100, 2), style: "fill:var(--ink)" }),
        s("text", { class: `${chosen ? "strong" : ""}${out ? " gone" : ""}`, x: x + 11 + number - 3, y: at[i] + 4, text: title }));
    }
    svg.replaceChildren(...nodes, ...lines, s("circle", { cx: x0, cy: middle, r: 7, fill: "var(--ink)" }), ...marks);
    for (const [k, v] of Object.entries({ width: ui.width, height, viewBox: `0 0 ${ui.width} ${height}` })) svg.setAttribute(k, v);
    key.replaceChildren(legend([["thickness and number: weight", "c1"], ...(scored ? [["● raises the score", "c3", "box"], ["■ lowers it", "c2", "box"]] : [])]));

    const total = order.filter((i) => (i >= E) === (edge >= E) && (edge < E || hung[i - E] === hung[edge - E])), rank = total.slice().sort((a, b) => now.seen[b] - now.seen[a] || a - b);
    const target = edge < E ? get("centre") : names[hung[edge - E]];
    const says = (i) => (gone.has(i) ? `dropped, weight 0 (with it: ${fmt(before.seen[i], 4)})` : `weight ${fmt(now.seen[i], 4)}${scored ? `, adds ${now.gains[i] > 0 ? "+" : ""}${fmt(now.gains[i], 4)}` : ""}`);
    view = { order, at, E, hung, two, edge, names, says, split: x2 - 26 };
    const heard = H < 2 ? "" : head < 0 || head >= H ? ` (mean of ${H} heads)` : ` (head ${head + 1})`;
    const words = `${isolate(names[edge])} → ${isolate(target)}${heard}: ${says(edge)}${gone.has(edge) ? "" : `, number ${rank.indexOf(edge) + 1} of ${total.length}`}.`;
    const what = isolate(get("score_name")), moved = now.score - before.score;
    const told = !scored ? "" : `${what} ${fmt(now.score, 4)}${gone.size ? `, ${moved > 0 ? "+" : ""}${fmt(moved, 4)} against ${fmt(before.score, 4)} with all edges` : ""}.`
      + (Array.from({ length: E }, (_, i) => i).every((i) => gone.has(i)) ? " No neighbour is left: this is what stands without any." : "");
    score.textContent = told;
    score.hidden = !told;
    drop.textContent = gone.has(edge) ? "Put this edge back" : "Drop this edge";
    back.disabled = !gone.size;
    ui.note.textContent = words;
    graph.setAttribute("aria-label", `${isolate(get("centre"))} and its ${E} neighbours${F ? `, ${F} edges in the second ring` : ""}; arrow keys choose an edge, Enter drops it or puts it back. ${words} ${told}`);
    ui.say(`${words} ${told}`);
  };
});
