import { change, floats, fmt, h, isolate, sigmoid, softmax, unique, widget } from "./core.js";
import { button, slider } from "./controls.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** The arrays of `weights` by name: {name: {shape, data}}. */
export function unpack(weights, layout) {
  const parts = {};
  let at = 0;
  for (const [name, shape] of layout) {
    const size = shape.reduce((a, b) => a * b, 1);
    parts[name] = { shape, data: weights.slice(at, at + size) };
    at += size;
  }
  return parts;
}

/** Dice with rows (alpha, factor, shift), or ReLU without, in place. */
function activate(x, dice) {
  const n = x.length;
  for (let c = 0; c < n; c++) {
    if (!dice) x[c] = Math.max(x[c], 0);
    else { const alpha = dice.data[c]; x[c] *= alpha + (1 - alpha) * sigmoid(dice.data[n + c] * x[c] + dice.data[2 * n + c]); }
  }
  return x;
}

/** W x + b of a part and its bias (or none). */
function linear(part, bias, x, at = 0) {
  const [rows, columns] = part.shape, y = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = bias ? bias.data[r] : 0;
    for (let c = 0; c < columns; c++) sum += part.data[r * columns + c] * x[at + c];
    y[r] = sum;
  }
  return y;
}

function mlp(parts, name, x) {
  for (let k = 0; parts[`${name}.${k}`]; k++) {
    x = linear(parts[`${name}.${k}`], parts[`${name}.${k}.bias`], x);
    if (parts[`${name}.${k + 1}`]) activate(x, parts[`${name}.${k}.dice`]);
  }
  return x;
}

/** The two-tower model's logit of every film, for a history of film numbers. `p` is what `prepare` gives. */
export function retrieval(p, history) {
  const [, G, size] = p.pooled.shape, x = Float64Array.from(p.parts["pool.bias"].data);
  for (let g = 0; g < G; g++) {
    softmax(history.map((j) => p.keys.data[j * G + g])).forEach((a, n) => {
      for (let c = 0; c < size; c++) x[c] += a * p.pooled.data[(history[n] * G + g) * size + c];
    });
  }
  const u = mlp(p.parts, "tower", Float64Array.of(...x, ...p.parts["tower.user"].data)), [N, d] = p.items.shape;
  const norm = p.unit ? Math.max(Math.hypot(...u), 1e-12) : 1;
  return Array.from({ length: N }, (_, i) => {
    let dot = 0;
    for (let c = 0; c < d; c++) dot += u[c] * p.items.data[i * d + c];
    return (p.scale * dot) / norm + p.shift;
  });
}

/** DIN's logit of every film, for a history of film numbers. */
export function ranking(p, history) {
  const [N, k] = p.vectors.shape, e = p.vectors.data, { parts } = p, user = parts["mlp.user"].data;
  const dice = parts["unit.dice"], out = parts["unit.out"].data, product = parts["unit.product"], hidden = out.length;
  const events = history.map((j) => linear(parts["unit.event"], parts["unit.bias"], e, j * k));
  const mixed = new Float64Array(hidden * k), input = new Float64Array(3 * k + user.length);
  input.set(user, 3 * k);
  return Array.from({ length: N }, (_, i) => {
    const target = linear(parts["unit.target"], null, e, i * k);
    for (let r = 0; r < hidden; r++) for (let c = 0; c < k; c++) mixed[r * k + c] = product.data[r * k + c] * e[i * k + c]; // W_x (e * t)
    let a = history.map((j, n) => {
      const s = new Float64Array(hidden);
      for (let r = 0; r < hidden; r++) {
        let sum = events[n][r] + target[r];
        for (let c = 0; c < k; c++) sum += mixed[r * k + c] * e[j * k + c];
        s[r] = sum;
      }
      return activate(s, dice).reduce((sum, v, r) => sum + v * out[r], parts["unit.shift"].data[0]);
    });
    if (p.softmax) a = softmax(a);
    for (let c = 0; c < k; c++) {
      let x = 0;
      for (let n = 0; n < history.length; n++) x += a[n] * e[history[n] * k + c];
      input[c] = x;
      input[k + c] = e[i * k + c];
      input[2 * k + c] = x * e[i * k + c];
    }
    return mlp(parts, "mlp", input)[0];
  });
}

/** What the two need, from the traits as they travel: floats are {shape, data}. */
export const prepare = (t) => ({ ...t, items: floats(t.items), keys: floats(t.keys), pooled: floats(t.pooled), vectors: floats(t.vectors),
  parts: unpack(floats(t.weights).data, t.layout) });

/** Numbers of the films outside the history, best first, at most k of them. */
export const best = (scores, history, k) => scores.map((_, i) => i).filter((i) => !history.includes(i))
  .sort((a, b) => scores[b] - scores[a] || a - b).slice(0, k);

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.past { display: flex; flex-wrap: wrap; gap: 6px; margin: 4px 0 10px; padding: 0; list-style: none; }
.past li { max-width: min(210px, 48%); }
.past button { max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-radius: 15px; border-color: var(--grid); }
.past li.older button { color: var(--muted); border-style: dashed; }
.add { display: flex; flex-wrap: wrap; gap: 8px; align-items: end; margin-bottom: 14px; }
.add > div { display: grid; gap: 2px; flex: 1 1 200px; min-width: 0; }
.add input { font: inherit; font-size: 13px; min-height: 30px; min-width: 0; width: 100%; padding: 3px 10px; color: var(--ink); background: var(--back); border: 1px solid var(--line); border-radius: 6px; }
.stages { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(290px, 100%), 1fr)); gap: 14px 26px; }
.stages table { table-layout: fixed; }
.stages caption { color: var(--ink); font-weight: 600; font-size: 13px; }
.stages tr > :first-child { width: 30px; text-align: right; padding-right: 8px; color: var(--muted); }
.stages tr > :nth-child(2) { text-align: left; padding-left: 0; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.stages tr > :nth-child(3) { width: 62px; }
.stages tr > :nth-child(4) { width: 52px; color: var(--muted); }
.stages tr { height: 29px; }
.stages td button { border: 0; padding: 0 2px; background: none; min-height: 24px; max-width: 100%; overflow: hidden; text-overflow: ellipsis; color: var(--c1); text-align: left; }
.stages td button:hover { text-decoration: underline; }
.lost { margin: 12px 0 0; color: var(--ink); overflow-wrap: anywhere; }`;

export default widget("Funnel", (ui, model) => {
  const get = (name) => model.get(name);
  const put = (history) => change(ui, { history });
  const past = h("ul", { class: "past", "aria-label": "history, oldest first" }), listId = unique(), inputId = unique();
  const known = h("datalist", { id: listId }), field = h("input", { id: inputId, list: listId, autocomplete: "off" });
  const add = () => {
    const i = get("titles").indexOf(field.value);
    if (i < 0) { field.select(); return ui.say("There is no film of this title in the page."); }
    field.value = "";
    put([...get("history").filter((k) => k !== i), i]);
  };
  ui.listen(field, "keydown", (e) => { if (e.key === "Enter") { e.preventDefault(); add(); } });
  const again = button("Start again", () => put([...get("start")])), none = button("Clear", () => put([]));
  const head = (...words) => h("thead", {}, h("tr", {}, ...words.map((text, i) => (text || i ? h("th", { scope: "col", text }) : h("td")))));
  const [found, ranked] = [h("tbody"), h("tbody")];
  const captions = [h("caption"), h("caption")], lost = h("p", { class: "lost" });
  ui.stage.append(h("style", { text: LAYOUT }), h("div", { class: "label", text: "history, oldest first; press a film to take it out" }), past,
    h("div", { class: "add" }, h("div", {}, h("label", { for: inputId, text: "a film to put in" }), field), button("Add", add), again, none), known,
    h("div", { class: "stages" }, h("table", {}, captions[0], head("#", "film", "score"), found), h("table", {}, captions[1], head("#", "film: press to watch it", "click", "was"), ranked)), lost);
  ui.controls.append(slider(ui, "retrieve", { label: "retrieve", min: 1, max: Math.max(2, Math.min(100, get("titles").length)), step: 1, digits: 0 }));

  // Rows and buttons are kept and written anew, so that the focus stays where it is.
  const grow = (parent, n, make) => {
    while (parent.children.length > n) parent.lastChild.remove();
    while (parent.children.length < n) parent.append(make());
    return [...parent.children];
  };
  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  let parts = null, rests = [], done = "", scores = [], logits = [], titled = null;
  return () => {
    const titles = get("titles"), traits = ["items", "keys_of", "pooled", "vectors", "weights", "layout", "unit", "scale", "shift", "softmax"].map(get);
    const [items, keys, pooled, vectors, weights, layout, unit, scale, shift, soft] = traits;
    if (!titles.length || !floats(weights).data.length) return ui.message("There are no films: give titles, vectors and weights, or use FunnelView.of.");
    if (traits.some((value, i) => value !== rests[i])) {
      if ([items, keys, pooled, vectors, weights].some((t) => !floats(t).data.every(Number.isFinite))) return ui.message("The weights hold NaN or infinity: no film can be scored.");
      [parts, rests, done] = [prepare({ items, keys, pooled, vectors, weights, layout, unit, scale, shift, softmax: soft }), traits, ""];
    }
    if (titled !== titles) {
      titled = titles;
      known.replaceChildren(...titles.map((value) => h("option", { value })));
    }
    const history = get("history").filter((i) => i >= 0 && i < titles.length), recent = history.slice(-get("length"));
    if (done !== (done = `h${recent.join()}`)) [scores, logits] = [retrieval(parts, recent), ranking(parts, recent)];

    grow(past, history.length, () => h("li", {}, h("button", { type: "button" }))).forEach((li, n) => {
      const b = li.firstChild;
      li.className = n < history.length - recent.length ? "older" : "";
      set(b, `× ${titles[history[n]]}`);
      b.setAttribute("aria-label", `take out ${titles[history[n]]}`);
      b.onclick = () => put(history.filter((_, k) => k !== n));
    });
    again.disabled = history.join() === get("start").join();
    none.disabled = !history.length;

    const kept = best(scores, history, get("retrieve")), order = kept.slice().sort((a, b) => logits[b] - logits[a] || kept.indexOf(a) - kept.indexOf(b)), show = get("show");
    const cells = (n) => () => h("tr", {}, ...Array.from({ length: n }, () => h("td")));
    grow(found, Math.min(show, kept.length), cells(3)).forEach((tr, n) => {
      [`${n + 1}`, titles[kept[n]], fmt(scores[kept[n]], 3)].forEach((text, c) => set(tr.children[c], text));
    });
    grow(ranked, Math.min(show, order.length), () => { const tr = cells(4)(); tr.children[1].append(h("button", { type: "button" })); return tr; }).forEach((tr, n) => {
      const i = order[n], b = tr.children[1].firstChild;
      set(tr.children[0], `${n + 1}`);
      set(b, titles[i]);
      b.setAttribute("aria-label", `watch ${titles[i]}`);
      b.onclick = () => put([...history, i]);
      set(tr.children[2], fmt(sigmoid(logits[i]), 3));
      set(tr.children[3], `${kept.indexOf(i) + 1}`);
    });
    set(captions[0], `1. Retrieved: the best ${kept.length} of ${titles.length} films`);
    set(captions[1], `2. Ranked: ${kept.length === 1 ? "this one" : `these ${kept.length}, the best first`}`);

    const all = best(logits, history, titles.length), missed = all.findIndex((i) => !kept.includes(i)), top = all.slice(0, show);
    const place = missed < 0 ? -1 : best(scores, history, titles.length).indexOf(all[missed]) + 1;
    const words = !all.length ? "No film is left." : `Of the ranker's own ${top.length} best of all films, ${top.filter((i) => kept.includes(i)).length} passed the retrieval.`
      + (missed < 0 ? "" : ` The best that did not: ${isolate(titles[all[missed]])}, number ${missed + 1} for the ranker (${fmt(sigmoid(logits[all[missed]]), 3)}), ${place} for the retrieval.`);
    set(lost, words);
    ui.note.textContent = `The models see the latest ${recent.length} of ${history.length} films.`;
    ui.say(`${history.length} films in the history. First retrieved: ${isolate(titles[kept[0]] ?? "none")}. First ranked: ${isolate(titles[order[0]] ?? "none")}. ${words}`);
  };
});
