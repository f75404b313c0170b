import { change, clamp, floats, fmt, h, isolate, s, softmax, widget } from "./core.js";
import { select, toggle } from "./controls.js";
import { legend, table } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** Weights of one row of scores: the softmax over the real events, or the scores themselves; 0 where padded. */
export function weightsOf(scores, real, normalise) {
  return normalise ? Array.from(softmax(scores, real)) : Array.from(scores, (v, i) => (real[i] ? v : 0));
}

/** How many of the k largest weights are marked, over k; ties at the border count by their share. */
export function precision(weights, marks, k) {
  const border = [...weights].sort((a, b) => b - a)[k - 1];
  let above = 0, hits = 0, tied = 0, tiedHits = 0;
  weights.forEach((v, i) => {
    if (v > border) { above++; hits += marks[i] ? 1 : 0; }
    if (v === border) { tied++; tiedHits += marks[i] ? 1 : 0; }
  });
  return (hits + ((k - above) * tiedHits) / tied) / k;
}

/** Agreement of weights with the relevant events among the real ones: {k, n, share, top, precision, chance}, or null
 *  without any. The share of the weight is NaN where a weight is negative. */
export function agreement(weights, real, relevant) {
  const at = weights.map((_, i) => i).filter((i) => real[i]), own = at.map((i) => weights[i]), marks = at.map((i) => relevant[i] > 0);
  const k = marks.filter(Boolean).length, n = own.length, sum = own.reduce((a, b) => a + b, 0);
  if (!k) return null;
  const on = own.reduce((a, v, i) => a + (marks[i] ? v : 0), 0);
  return { k, n, share: Math.min(...own) >= 0 && sum > 0 ? on / sum : NaN, top: precision(own, marks, 1), precision: precision(own, marks, k), chance: k / n };
}

/** Mean of the agreements that there are, as [share, top, precision, chance], or null. */
export function meanAgreement(all) {
  const known = all.filter(Boolean);
  if (!known.length) return null;
  return ["share", "top", "precision", "chance"].map((name) => known.reduce((a, x) => a + x[name], 0) / known.length);
}

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.map { outline-offset: 4px; touch-action: pan-y; cursor: crosshair; }
.map text { font-size: 12.5px; }
.map text.strong { fill: var(--ink); font-weight: 600; }
.scores { width: auto; min-width: min(100%, 380px); max-width: 100%; margin-top: 14px; }
.scores td, .scores thead th { min-width: 66px; }
.scores tr.chosen > * { color: var(--ink); font-weight: 600; }`;

export default widget("History attention", (ui, model) => {
  const get = (name) => model.get(name);
  const svg = s("svg", { "aria-hidden": "true" }), points = h("div");
  const map = h("div", { class: "map", tabindex: "0", role: "application", "aria-roledescription": "bars" }, svg);
  const below = h("div");
  let board = h("table");
  below.append(board);
  ui.stage.append(h("style", { text: LAYOUT }), map, points, below);

  const size = () => get("scores").shape;
  const list = (trait, word, axis) => () => Array.from({ length: size()[axis] || 0 }, (_, i) => [i, get(trait)[i] || `${word} ${i + 1}`]);
  ui.row.append(toggle(ui, "normalise", { label: "normalised (softmax)" }), toggle(ui, "sort", { label: "largest first" }));
  const [formBox, targetBox] = [select(ui, "form", { label: "form of attention", follow: ["forms", "scores"], options: list("forms", "form", 0) }),
    select(ui, "target", { label: "target", follow: ["targets", "scores"], options: list("targets", "target", 1) })];
  ui.controls.append(formBox, targetBox);
  for (const box of ui.controls.children) box.style.gridColumn = "span 2";

  const pen = document.createElement("canvas").getContext("2d"), fitted = new Map();
  pen.font = "600 12.5px system-ui, sans-serif"; // a chosen title is bold
  const wide = (text) => pen.measureText(text).width;
  const cut = (text, room) => {
    const key = `${Math.round(room)} ${text}`;
    if (fitted.has(key)) return fitted.get(key);
    const letters = [...text];
    let n = letters.length;
    if (wide(text) > room) while (n > 1 && wide(`${letters.slice(0, n).join("")}…`) > room) n--;
    const fits = n < letters.length ? `${letters.slice(0, n).join("").trimEnd()}…` : text;
    fitted.set(key, fits);
    return fits;
  };

  let view = null, tallied = [], means = []; // the agreements of all forms, kept until what they rest on changes
  const eventAt = (e) => {
    const row = view ? Math.floor((e.clientY - map.getBoundingClientRect().top) / view.step) : -1;
    return view?.order[row] ?? null;
  };
  ui.listen(map, "pointermove", (e) => {
    const i = eventAt(e), box = map.getBoundingClientRect();
    if (i === null) return ui.tip();
    ui.tip(e.clientX - box.left, e.clientY - box.top, [view.names[i], view.words(i)]);
  });
  ui.listen(map, "pointerleave", () => ui.tip());
  ui.listen(map, "pointerdown", (e) => {
    const i = eventAt(e);
    if (i !== null) change(ui, { event: i });
  });
  ui.listen(map, "keydown", (e) => {
    if (!view) return;
    const at = view.order.indexOf(view.event), last = view.order.length - 1;
    const to = { ArrowUp: at - 1, ArrowLeft: at - 1, ArrowDown: at + 1, ArrowRight: at + 1, Home: 0, End: last }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    change(ui, { event: view.order[clamp(to, 0, last)] });
  });

  return () => {
    view = null;
    const { shape: [forms, targets, L], data } = floats(get("scores"));
    if (!forms || !targets || !L) return ui.message("There are no scores: give at least one form, one target and one event.");
    formBox.hidden = forms < 2;
    targetBox.hidden = targets < 2;
    const mask = floats(get("mask")).data, relevant = floats(get("relevant")).data;
    const kept = Array.from({ length: L }, (_, i) => !mask.length || mask[i] > 0);
    if (data.some((v, i) => kept[i % L] && (Number.isNaN(v) || v === Infinity))) return ui.message("The scores hold NaN or infinity: no weights can be drawn.");
    if (!data.some((v, i) => kept[i % L] && v !== -Infinity)) return ui.message("Every event of the history is masked: there is nothing to attend to.");
    const form = clamp(get("form"), 0, forms - 1), target = clamp(get("target"), 0, targets - 1), event = clamp(get("event"), 0, L - 1);
    const row = (f, t) => data.slice((f * targets + t) * L, (f * targets + t + 1) * L);
    const realOf = (f, t) => Array.from(row(f, t), (v, i) => kept[i] && v !== -Infinity); // minus infinity is a mask, too
    const marksOf = (t) => Array.from(relevant.slice(t * L, (t + 1) * L));
    const normalise = get("normalise"), scores = row(form, target), real = realOf(form, target), weights = weightsOf(scores, real, normalise), marks = marksOf(target);
    const name = (trait, word, i) => get(trait)[i] || `${word} ${i + 1}`;
    const names = weights.map((_, i) => name("history", "event", i));
    const rank = weights.map((_, i) => i).filter((i) => real[i]).sort((a, b) => weights[b] - weights[a] || a - b);
    const order = get("sort") ? [...rank, ...weights.map((_, i) => i).filter((i) => !real[i])] : weights.map((_, i) => i);

    // Titles left, bars from zero, values beside them.
    const step = L > 30 ? 18 : 23, room = Math.min(Math.max(...names.map(wide)) + 4, ui.width * 0.42, 320), left = room + 26, right = ui.width - 58;
    const low = Math.min(0, ...weights), high = Math.max(0, ...weights), scale = (right - left) / (high - low || 1), zero = left - low * scale;
    const nodes = [];
    order.forEach((i, k) => {
      const y = k * step, v = weights[i], chosen = i === event ? "strong" : "", wide = Math.abs(v) * scale;
      if (chosen) nodes.push(s("rect", { x: 0, y, width: ui.width, height: step, rx: 4, fill: "var(--raised)" }));
      nodes.push(s("text", { class: chosen, x: room, y: y + step / 2 + 4, "text-anchor": "end", text: cut(names[i], room - 2), opacity: real[i] ? null : 0.7 }));
      if (marks[i] > 0) nodes.push(s("path", { class: "mark", d: `M${room + 6},${y + step / 2}l5,-5 5,5 -5,5z`, fill: "var(--c3)" }));
      if (real[i]) nodes.push(s("rect", { class: "bar", x: v < 0 ? zero - wide : zero, y: y + 4, width: Math.max(wide, 1), height: step - 8, rx: 1.5, fill: `var(--${marks[i] > 0 ? "c3" : v < 0 ? "c2" : "c1"})` }));
      nodes.push(s("text", { class: chosen, x: ui.width - 2, y: y + step / 2 + 4, "text-anchor": "end", text: real[i] ? fmt(v, 3) : kept[i] ? "masked" : "padding" }));
    });
    nodes.push(s("line", { x1: zero, x2: zero, y1: 0, y2: L * step, stroke: "var(--line)" }));
    svg.replaceChildren(...nodes);
    for (const [k, v] of Object.entries({ width: ui.width, height: L * step, viewBox: `0 0 ${ui.width} ${L * step}` })) svg.setAttribute(k, v);
    const known = relevant.length > 0;
    points.replaceChildren(legend([["weight", "c1", "box"], ...(low < 0 ? [["below zero", "c2", "box"]] : []), ...(known ? [["◆ relevant event", "c3", "box"]] : [])]));

    // How each form agrees with what is relevant, over all targets.
    const rests = [get("scores"), get("mask"), get("relevant"), normalise];
    if (rests.some((value, i) => value !== tallied[i])) {
      tallied = rests;
      means = Array.from({ length: known ? forms : 0 }, (_, f) =>
        meanAgreement(Array.from({ length: targets }, (_, t) => agreement(weightsOf(row(f, t), realOf(f, t), normalise), realOf(f, t), marksOf(t)))));
    }
    below.hidden = !means[0];
    if (means[0]) {
      const asked = Array.from({ length: targets }, (_, t) => marksOf(t).some((m, i) => m > 0 && realOf(form, t)[i])).filter(Boolean).length;
      const value = (x) => (Number.isNaN(x) ? "–" : fmt(x, 2)), chance = means[0][3];
      board = table(`agreement with the relevant events, mean of ${asked} target${asked === 1 ? "" : "s"} that ${asked === 1 ? "has" : "have"} any`,
        ["form", "share", "top 1", "top k"],
        [...means.map((m, f) => [name("forms", "form", f), ...m.slice(0, 3).map(value)]), ["by chance", ...Array(3).fill(value(chance))]], board);
      board.className = "scores";
      board.querySelectorAll("tbody tr").forEach((tr, f) => tr.classList.toggle("chosen", f === form));
    }

    const says = (i) => (!real[i] ? `${kept[i] ? "masked" : "padding"}, weight 0` : `${normalise ? `weight ${fmt(weights[i], 4)} (score ${fmt(scores[i], 3)})` : `score ${fmt(scores[i], 4)}`}`
      + `, number ${rank.indexOf(i) + 1} of ${rank.length}${marks[i] > 0 ? ", relevant" : ""}`);
    view = { step, order, names, event, words: says };
    const own = agreement(weights, real, marks), sum = weights.reduce((a, b) => a + b, 0);
    const words = `${isolate(name("targets", "target", target))} by ${isolate(name("forms", "form", form))} → ${isolate(names[event])}: ${says(event)}. Sum: ${fmt(sum, 4)}.`
      + (own ? ` ${own.k} relevant of ${own.n}: share of the weight on them ${Number.isNaN(own.share) ? "has no meaning below zero" : fmt(own.share, 3)}`
        + `, relevant among the ${own.k} largest ${fmt(own.precision, 3)} (by chance ${fmt(own.chance, 3)}).` : known ? " No event is relevant for this target." : "");
    ui.note.textContent = words;
    map.setAttribute("aria-label", `Weights of ${L} past events, ${get("sort") ? "largest" : "oldest"} first; arrow keys move. ${words}`);
    ui.say(words);
  };
});
