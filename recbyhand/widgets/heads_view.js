import { change, clamp, floats, fmt, h, isolate, widget } from "./core.js";
import { select } from "./controls.js";
import { rgb, table } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** The number of events that weights are spread over: exp of their entropy; NaN if all are 0. */
export function spread(weights) {
  let entropy = 0, any = false;
  for (const a of weights) if (a > 0) { any = true; entropy -= a * Math.log(a); }
  return any ? Math.exp(entropy) : NaN;
}

/** The place of the score with these heads on in the table of all sets of heads switched off. */
export const setOff = (on, H) => Array.from({ length: H }, (_, i) => (on.includes(i) ? 0 : 2 ** i)).reduce((a, b) => a + b, 0);

/** Indices of the largest weights that are not 0, largest first. */
export const largest = (weights, most) => Array.from(weights, (_, k) => k).filter((k) => weights[k] > 0)
  .sort((a, b) => weights[b] - weights[a] || a - b).slice(0, most);

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.maps { display: flex; flex-wrap: wrap; gap: 14px 18px; outline-offset: 6px; touch-action: pan-y; cursor: crosshair; }
.tile { min-width: 0; }
.tile .name { color: var(--ink); font-weight: 600; font-size: 12.5px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin-bottom: 4px; }
.tile .mean { color: var(--muted); font-size: 12px; margin-top: 3px; font-variant-numeric: tabular-nums; }
.tile.off .name { color: var(--muted); font-weight: 400; text-decoration: line-through; }
.tile.off canvas { opacity: .25; }
.grid { position: relative; border: 1px solid var(--line); overflow: hidden;
  background: repeating-linear-gradient(135deg, var(--grid) 0 1px, transparent 1px 5px); }
.grid canvas { width: 100%; height: 100%; image-rendering: pixelated; }
.grid i { position: absolute; pointer-events: none; outline: 2px solid var(--ink); outline-offset: -1px; }
.grid i.line { outline-width: 1px; outline-offset: 0; }
.score { margin: 14px 0 4px; font-variant-numeric: tabular-nums; color: var(--ink); }
.heads { margin-top: 10px; }
.heads tr > :last-child { text-align: left; padding-left: 16px; overflow-wrap: anywhere; }
.heads tr > :not(:last-child) { white-space: nowrap; }
.heads tbody th { max-width: 130px; overflow: hidden; text-overflow: ellipsis; color: var(--ink); }
.heads tr.off > * { color: var(--muted); }
.heads tr.off > th { text-decoration: line-through; }
.heads thead th { white-space: normal !important; overflow-wrap: normal; max-width: 74px; vertical-align: bottom; }
.heads thead tr > :last-child { max-width: none; }`;

const TINTS = ["c1", "c2", "c3", "c4", "c5", "c6", "c7"], GAP = 18;

export default widget("Heads of attention", (ui, model) => {
  const get = (name) => model.get(name);
  const size = () => get("weights").shape;
  const name = (trait, i) => get(trait)[i] || `${trait === "heads" ? "head" : "event"} ${i + 1}`;
  const maps = h("div", { class: "maps", tabindex: "0", role: "application", "aria-roledescription": "heatmaps" });
  const score = h("p", { class: "score" }), below = h("div");
  let board = h("table");
  below.append(board);
  ui.stage.append(h("style", { text: LAYOUT }), maps, score, below);
  const asks = select(ui, "query", { label: "who looks", follow: ["rows", "weights"],
    options: () => Array.from({ length: size()[1] || 0 }, (_, i) => [i, name("rows", i)]) });
  const looks = select(ui, "key", { label: "at whom", follow: ["columns", "weights"],
    options: () => Array.from({ length: size()[2] || 0 }, (_, i) => [i, name("columns", i)]) });
  for (const box of [asks, looks]) box.style.gridColumn = "span 2";
  ui.controls.append(asks, looks);

  // A switch and a tile for each head, made again when their number changes.
  let tiles = [], switches = [];
  const turn = (i) => {
    const on = get("on").includes(i) ? get("on").filter((k) => k !== i) : [...get("on"), i];
    change(ui, { on: on.sort((a, b) => a - b) });
  };
  const build = (H) => {
    tiles = Array.from({ length: H }, () => {
      const t = { title: h("div", { class: "name" }), canvas: h("canvas"), line: h("i", { class: "line" }), cell: h("i"), mean: h("div", { class: "mean" }) };
      t.grid = h("div", { class: "grid" }, t.canvas, t.line, t.cell);
      t.node = h("div", { class: "tile", "aria-hidden": "true" }, t.title, t.grid, t.mean);
      return t;
    });
    switches = tiles.map((_, i) => h("button", { type: "button", class: "toggle", role: "switch", onclick: () => turn(i) }));
    maps.replaceChildren(...tiles.map((t) => t.node));
    ui.row.replaceChildren(...switches);
  };
  build(size()[0] || 0);

  let view = null;
  const cellAt = (e) => {
    for (let i = 0; view && i < tiles.length; i++) {
      const box = tiles[i].canvas.getBoundingClientRect();
      const k = Math.floor(((e.clientX - box.left) / box.width) * view.columns), q = Math.floor(((e.clientY - box.top) / box.height) * view.rows);
      if (k >= 0 && q >= 0 && k < view.columns && q < view.rows) return { i, q, k };
    }
    return null;
  };
  ui.listen(maps, "pointermove", (e) => {
    const at = cellAt(e), box = ui.stage.getBoundingClientRect();
    if (!at) return ui.tip();
    ui.tip(e.clientX - box.left, e.clientY - box.top,
      [name("rows", at.q), `→ ${name("columns", at.k)}`, `${name("heads", at.i)}: ${fmt(view.row(at.i, at.q)[at.k], 4)}`]);
  });
  ui.listen(maps, "pointerleave", () => ui.tip());
  ui.listen(maps, "pointerdown", (e) => {
    const at = cellAt(e);
    if (at) change(ui, { query: at.q, key: at.k });
  });
  ui.listen(maps, "keydown", (e) => {
    if (!view) return;
    const { query, key, rows, columns } = view;
    const to = { ArrowLeft: [query, key - 1], ArrowRight: [query, key + 1], ArrowUp: [query - 1, key], ArrowDown: [query + 1, key],
      Home: [query, 0], End: [query, columns - 1], PageUp: [0, key], PageDown: [rows - 1, key] }[e.key];
    if (!to) return;
    e.preventDefault();
    change(ui, { query: clamp(to[0], 0, rows - 1), key: clamp(to[1], 0, columns - 1) });
  });

  let painted = "", rests = [], held = null; // what the traits hold, read anew when one of them changes
  const read = () => {
    const traits = ["weights", "scores", "mask"].map(get);
    if (traits.some((value, i) => value !== rests[i])) {
      const [{ shape: [H, rows, columns], data }, { data: scores }, { data: mask }] = traits.map(floats), heads = Array.from({ length: H }, (_, i) => i);
      const may = Array.from({ length: rows * columns }, (_, at) => (mask.length ? mask[at] > 0 : heads.some((i) => data[i * rows * columns + at] !== 0)));
      held = { H, rows, columns, data, scores, heads, may, finite: [...data, ...scores].every(Number.isFinite) };
      [rests, painted] = [traits, ""];
    }
    return held;
  };
  return () => {
    view = null;
    const { H, rows, columns, data, scores, heads, may, finite } = read();
    if (tiles.length !== H) { build(H); painted = ""; }
    switches.forEach((button, i) => {
      button.textContent = name("heads", i);
      button.setAttribute("aria-checked", get("on").includes(i));
    });
    ui.row.hidden = !H;
    if (!H || !rows || !columns) return ui.message("There are no weights: give at least one head and one event.");
    if (!finite) return ui.message("The weights or the scores hold NaN or infinity: they cannot be drawn.");
    const row = (i, q) => data.subarray((i * rows + q) * columns, (i * rows + q + 1) * columns);
    if (!may.includes(true)) return ui.message("Every event is masked: there is nothing to attend to.");
    const query = clamp(get("query"), 0, rows - 1), key = clamp(get("key"), 0, columns - 1), on = get("on");
    view = { rows, columns, row, query, key };

    // As many tiles abreast as are legible, all of one size.
    const fit = clamp(Math.floor((ui.width + GAP) / (136 + GAP)), 1, H), abreast = Math.ceil(H / Math.ceil(H / fit)), wide = Math.floor(Math.min(280, (ui.width - GAP * (abreast - 1)) / abreast));
    const high = Math.round(clamp((wide * rows) / columns, 24, 2 * wide)), back = rgb(ui.color("back"));
    const fresh = painted !== (painted = back.join());
    tiles.forEach((t, i) => {
      t.node.style.width = `${wide}px`;
      t.node.classList.toggle("off", !on.includes(i));
      t.title.textContent = name("heads", i);
      t.grid.style.height = `${high}px`;
      if (fresh) {
        [t.canvas.width, t.canvas.height] = [columns, rows];
        const image = new ImageData(columns, rows), ink = rgb(ui.color(TINTS[i % TINTS.length]));
        for (let at = 0; at < rows * columns; at++) {
          const a = Math.sqrt(clamp(data[i * rows * columns + at], 0, 1)); // as in the attention heatmap
          for (let c = 0; c < 3; c++) image.data[4 * at + c] = Math.round(ink[c] * a + back[c] * (1 - a));
          image.data[4 * at + 3] = may[at] ? 255 : 0;
        }
        t.canvas.getContext("2d").putImageData(image, 0, 0);
        const known = Array.from({ length: rows }, (_, q) => spread(row(i, q))).filter((n) => !Number.isNaN(n));
        t.mean.textContent = `spread over ${fmt(known.reduce((a, b) => a + b, 0) / (known.length || 1), 1)}`;
      }
      const percent = (node, left, top, w, hgt) => Object.assign(node.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * w}%`, height: `${100 * hgt}%` });
      percent(t.line, 0, query / rows, 1, 1 / rows);
      percent(t.cell, key / columns, query / rows, 1 / columns, 1 / rows);
    });

    // What the score owes to the heads.
    const scored = scores.length === 2 ** H, value = (list) => scores[setOff(list, H)], all = value(heads), now = value(on);
    const out = heads.filter((i) => !on.includes(i)).map((i) => isolate(name("heads", i))).join(", "), what = isolate(get("score_name"));
    const told = !scored ? "" : out ? `${what} ${fmt(now, 4)} without ${out}: ${now > all ? "+" : ""}${fmt(now - all, 4)} against ${fmt(all, 4)}.`
      : `${what} ${fmt(all, 4)} with all heads on.`;
    score.textContent = told;
    score.hidden = !told;

    const narrow = ui.width < 500, short = (text, n = narrow ? 18 : 30) => ([...text].length > n ? `${[...text].slice(0, n - 1).join("").trimEnd()}…` : text);
    board = table(`${isolate(name("rows", query))} looks at (spread: the number of events among which it would share its weight equally)`, ["", "spread", ...(scored ? [`${get("score_name")} without`] : []), "most at, and how much"], heads.map((i) => [
      name("heads", i), Number.isNaN(spread(row(i, query))) ? "–" : fmt(spread(row(i, query)), 2), ...(scored ? [fmt(value(heads.filter((k) => k !== i)), 3)] : []),
      largest(row(i, query), narrow ? 2 : 3).filter((k) => row(i, query)[k] >= 0.005).map((k) => `${isolate(short(name("columns", k)))} ${fmt(row(i, query)[k], 2)}`).join(", ") || "nothing"]), board);
    board.className = "heads";
    board.querySelectorAll("tbody tr").forEach((tr, i) => tr.classList.toggle("off", !on.includes(i)));

    const words = `${isolate(name("rows", query))} → ${isolate(name("columns", key))}: `
      + heads.map((i) => `${isolate(name("heads", i))} ${fmt(row(i, query)[key], 4)}${on.includes(i) ? "" : " (off)"}`).join(", ")
      + (may[query * columns + key] ? "." : ", masked.");
    ui.note.textContent = words;
    maps.setAttribute("aria-label", `Weights of ${H} head${H > 1 ? "s" : ""}, ${rows} by ${columns} events each; arrow keys move. ${words} ${told}`);
    ui.say(`${words} ${told}`);
  };
});
