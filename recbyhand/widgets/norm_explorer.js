import { change, clamp, floats, fmt, h, widget } from "./core.js";
import { matrix, segments, slider } from "./controls.js";
import { formula, plain } from "./formulas.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** The cells that are averaged with cell (i, j) of an (N, C) tensor: its column (batch norm) or its row (layer norm). */
export function group(N, C, norm, i, j) {
  return norm === "batch" ? Array.from({ length: N }, (_, r) => [r, j]) : Array.from({ length: C }, (_, c) => [i, c]);
}

/** Mean and biased variance of each column (batch norm) or row (layer norm), and the normalised values, flat. */
export function normalise(x, N, C, norm, epsilon) {
  const groups = norm === "batch" ? C : N, mean = new Array(groups).fill(0), variance = new Array(groups).fill(0);
  const of = (at) => (norm === "batch" ? at % C : Math.floor(at / C)), size = norm === "batch" ? N : C;
  x.forEach((v, at) => { mean[of(at)] += v / size; });
  x.forEach((v, at) => { variance[of(at)] += (v - mean[of(at)]) ** 2 / size; });
  return { mean, variance, y: Array.from(x, (v, at) => (v - mean[of(at)]) / Math.sqrt(variance[of(at)] + epsilon)) };
}

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.sides { display: flex; flex-wrap: wrap; gap: 18px 36px; align-items: flex-start; }
.sides > * { flex: 1 1 300px; min-width: 0; max-width: 100%; overflow-x: auto; padding: 2px; }
.sides table { width: 100%; }
.sides .cell { width: 100%; min-width: 50px; }
.result td, .result thead th { min-width: 42px; height: 34px; padding: 2px 1px !important; text-align: center !important; overflow-wrap: normal; }
.result thead th { font-size: 12px; }
.result tbody tr, .matrix tbody tr { border-top: 0; }
.result th[scope=row] { padding-right: 6px; white-space: nowrap; }
.result button { width: 100%; min-width: 42px; min-height: 30px; padding: 0; font-size: 12.5px; border-color: var(--grid); font-variant-numeric: tabular-nums; }
.result button[aria-pressed=true] { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); }
.result .statistic { color: var(--ink); }`;

export default widget("Norm explorer", (ui, model) => {
  const get = (name) => model.get(name);
  let lit = () => false;
  const tint = (on) => (on ? "color-mix(in srgb, var(--c1) 26%, var(--back))" : "");
  const input = matrix(ui, "values", { label: "input x: type, use the arrow keys, or drag a number", tint: (i, j) => tint(lit(i, j)) });
  const output = h("table", { class: "result" });
  ui.stage.append(h("style", { text: LAYOUT }), h("div", { class: "sides" }, h("div", {}, input.node), h("div", {}, output)));
  ui.row.append(segments(ui, "norm", { label: "Normalise over", options: [["batch", "the batch"], ["layer", "the features"]] }));
  ui.controls.append(slider(ui, "epsilon", { label: "ε", min: 1e-8, max: 1, step: 1, scale: "log" }));
  // Whoever edits a number looks at its cell.
  ui.listen(input.node, "focusin", (e) => {
    const [i, j] = (e.target.dataset.at || "").split(",").map(Number);
    if (Number.isFinite(j)) change(ui, { row: i, column: j });
  });

  let buttons = [], size = "";
  return () => {
    const { shape: [N, C], data: x } = floats(get("values")), norm = get("norm");
    if (!N || !C) return ui.message("There are no values: give at least one row and one column.");
    if (!x.every(Number.isFinite)) return ui.message("The values hold NaN or infinity: they have no mean.");
    const row = clamp(get("row"), 0, N - 1), column = clamp(get("column"), 0, C - 1);
    const names = (trait, word, n) => Array.from({ length: n }, (_, i) => get(trait)[i] || `${word} ${i + 1}`);
    const rows = names("rows", "example", N), columns = names("columns", "feature", C);
    const { mean, variance, y } = normalise(x, N, C, norm, get("epsilon"));
    const averaged = new Set(group(N, C, norm, row, column).map(([i, j]) => i * C + j));
    lit = (i, j) => averaged.has(i * C + j);
    input.update(rows, columns);

    if (size !== (size = JSON.stringify([rows, columns, norm]))) {
      const cell = (i, j) => h("button", { type: "button", onclick: () => change(ui, { row: i, column: j }) });
      buttons = rows.map((_, i) => columns.map((_, j) => cell(i, j)));
      const statistic = (text) => h("tr", { class: "of" }, h("th", { scope: "row", text }), ...columns.map(() => h("td", { class: "statistic" })));
      output.replaceChildren(h("caption", { text: "output: press a number to see what it was averaged with" }),
        h("thead", {}, h("tr", {}, h("td"), ...columns.map((text) => h("th", { scope: "col", text })),
          ...(norm === "layer" ? ["mean", "variance"].map((text) => h("th", { scope: "col", text })) : []))),
        h("tbody", {}, ...rows.map((text, i) => h("tr", {}, h("th", { scope: "row", text }), ...buttons[i].map((b) => h("td", {}, b)),
          ...(norm === "layer" ? [0, 1].map(() => h("td", { class: "statistic" })) : []))),
        ...(norm === "batch" ? ["mean", "variance"].map(statistic) : [])));
    }
    buttons.forEach((line, i) => line.forEach((b, j) => {
      b.textContent = fmt(y[i * C + j], 3);
      b.setAttribute("aria-label", `output of ${rows[i]}, ${columns[j]}: ${fmt(y[i * C + j], 3)}`);
      b.setAttribute("aria-pressed", i === row && j === column);
      b.style.background = tint(lit(i, j));
    }));
    const cells = [...output.querySelectorAll(".statistic")];
    const said = norm === "batch" ? [...mean, ...variance] : mean.flatMap((m, i) => [m, variance[i]]);
    cells.forEach((cell, i) => { cell.textContent = fmt(said[i], 3); });

    const g = norm === "batch" ? column : row, at = row * C + column;
    const constant = variance[g] === 0 ? " All of them are equal: the variance is 0, and ε alone keeps the division finite." : "";
    const what = (norm === "batch" ? `Batch norm: ${columns[column]} over ${N} example${N === 1 ? "" : "s"}. ` : `Layer norm: ${rows[row]} over ${C} feature${C === 1 ? "" : "s"}. `);
    const how = `{${fmt(x[at], 3)} − ${fmt(mean[g], 4).replace(/^−.*/, "($&)")}}/{√(${fmt(variance[g], 4)} + ε)} = ${fmt(y[at], 4)}`;
    ui.note.replaceChildren(what, formula(how), `.${constant}`);
    ui.say(`${what}${plain(how.replace("}/{", "} / {"))}.${constant}`);
  };
});
