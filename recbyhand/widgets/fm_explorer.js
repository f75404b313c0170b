import { floats, fmt, h, widget } from "./core.js";
import { matrix, toggle } from "./controls.js";
import { formula } from "./formulas.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** The inner product of every two of F vectors of size d (rows of flat `v`), as [i, j, value] with i < j. */
export function pairs(v, F, d) {
  const all = [];
  for (let i = 0; i < F; i++) {
    for (let j = i + 1; j < F; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += v[i * d + k] * v[j * d + k];
      all.push([i, j, sum]);
    }
  }
  return all;
}

/** Per dimension: the square of the sum, the sum of the squares, and their difference times `factor`. */
export function identity(v, F, d, factor = 0.5) {
  const square = new Array(d).fill(0), squares = new Array(d).fill(0);
  for (let k = 0; k < d; k++) {
    for (let i = 0; i < F; i++) {
      square[k] += v[i * d + k];
      squares[k] += v[i * d + k] ** 2;
    }
    square[k] **= 2;
  }
  return { square, squares, value: square.map((x, k) => factor * (x - squares[k])) };
}

const add = (values) => values.reduce((a, b) => a + b, 0);

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.sides { display: flex; flex-wrap: wrap; gap: 18px 36px; align-items: flex-start; }
.sides > * { flex: 1 1 280px; min-width: 0; max-width: 100%; overflow-x: auto; }
.sides .matrix, .sides .triangle { width: 100%; }
.sides .cell { width: 100%; min-width: 50px; }
.triangle td, .triangle thead th { min-width: 50px; height: 34px; padding: 2px !important; text-align: center !important; }
.triangle td.pair { border: 1px solid var(--grid); border-radius: 4px; color: var(--ink); }
.triangle th[scope=row] { padding-right: 8px; }
.triangle thead th, .triangle th { max-width: 100px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.sums { width: 100%; margin-top: 16px; }
.sums th[scope=row] { padding-right: 4px; min-width: 92px; }
.sums td { min-width: 52px; }
.sums tr.result > * { color: var(--ink); font-weight: 600; }
.sums td:last-child { border-left: 8px solid transparent; }
tbody .matrix tr, .matrix tbody tr, .triangle tbody tr { border-top: 0; }`;

export default widget("FM explorer", (ui, model) => {
  const vectors = matrix(ui, "vectors", { label: "vectors v: type, use the arrow keys, or drag a number" });
  const triangle = h("table", { class: "triangle" }), sums = h("table", { class: "sums" });
  const left = h("div", {}, vectors.node), right = h("div", {}, triangle), below = h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The sum from two squares" }, sums);
  right.tabIndex = 0; // a wide triangle scrolls
  ui.stage.append(h("style", { text: LAYOUT }), h("div", { class: "sides" }, left, right), below);
  ui.controls.append(toggle(ui, "half", { label: "factor ½" }));

  return () => {
    const { shape: [F, d], data: v } = floats(model.get("vectors")), half = model.get("half");
    if (!F || !d) return ui.message("There are no vectors: give at least one field and one dimension.");
    if (!v.every(Number.isFinite)) return ui.message("The vectors hold NaN or infinity: their products are not numbers.");
    if (F < 2) return ui.message("One field has no pair: give at least two vectors.");
    const names = Array.from({ length: F }, (_, i) => model.get("fields")[i] || `field ${i + 1}`);
    vectors.update(names, Array.from({ length: d }, (_, k) => `dim ${k + 1}`));

    const products = pairs(v, F, d), most = Math.max(...products.map(([, , x]) => Math.abs(x))) || 1;
    const cell = Array.from({ length: F }, () => new Array(F).fill(null));
    for (const [i, j, x] of products) cell[i][j] = x;
    triangle.replaceChildren(h("caption", {}, "every pair: inner products ", formula("v_i · v_j")),
      h("thead", {}, h("tr", {}, h("td"), ...names.slice(1).map((text) => h("th", { scope: "col", text, title: text })))),
      h("tbody", {}, ...names.slice(0, -1).map((text, i) => h("tr", {}, h("th", { scope: "row", text, title: text }),
        ...names.slice(1).map((_, c) => {
          const x = cell[i][c + 1];
          if (x === null) return h("td");
          const td = h("td", { class: "pair", text: fmt(x, 2) }), share = Math.round((45 * Math.abs(x)) / most);
          td.style.background = `color-mix(in srgb, var(${x < 0 ? "--c2" : "--c1"}) ${share}%, var(--back))`;
          return td;
        })))));

    const by = identity(v, F, d, half ? 0.5 : 1), total = add(products.map(([, , x]) => x)), value = add(by.value);
    const row = (text, values, kind) => h("tr", { class: kind }, h("th", { scope: "row" }, ...text),
      ...values.map((x) => h("td", { text: fmt(x, 2) })), h("td", { text: fmt(add(values), 3) }));
    sums.replaceChildren(h("caption", { text: "the same without any pair: one pass over the fields" }),
      h("thead", {}, h("tr", {}, h("td"), ...by.value.map((_, k) => h("th", { scope: "col", text: `dim ${k + 1}` })), h("th", { scope: "col", text: "sum" }))),
      h("tbody", {}, row(["square of the sum, ", formula("{(∑_i v_i)}^2")], by.square), row(["sum of the squares, ", formula("∑_i v_i^2")], by.squares),
        row([half ? "½ × difference" : "difference"], by.value, "result")));

    const n = products.length, agree = Math.abs(value - total) < 1e-9 * Math.max(1, add(by.square));
    ui.note.textContent = `Sum of the ${n} pair${n === 1 ? "" : "s"}: ${fmt(total, 4)}. From the two squares: ${fmt(value, 4)}. `
      + (agree ? "They agree. " : half ? "They differ by rounding. " : "Without ½ each pair is counted twice, as (i, j) and as (j, i). ")
      + `Products: ${n * d} for the pairs, ${(F + 1) * d} for the squares.`;
    ui.say(ui.note.textContent);
  };
});
