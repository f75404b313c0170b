import { change, clamp, floats, fmt, h, isolate, sigmoid, widget } from "./core.js";
import { button, drag, play, segments, stepper } from "./controls.js";
import { canvas2d, legend, readable } from "./plots.js";
import { formula } from "./formulas.js";

// ---- mathematics -----------------------------------------------------------------------------------------

export const GATES = { rnn: 1, gru: 3, lstm: 4, augru: 3 };

/** What a cell computes at each step, from a zero state: `weights` [W, b, U, c] side by side, `inputs` (L, d_in). */
export function run(cell, weights, inputs, attention) {
  const [L, m] = inputs.shape, [rows, wide] = weights.shape, d = rows / GATES[cell], w = weights.data, steps = [];
  const each = (f) => Array.from({ length: d }, (_, k) => f(k));
  let state = each(() => 0), memory = state;
  for (let t = 0; t < L; t++) {
    const x = Array.from(inputs.data.slice(t * m, (t + 1) * m)), h0 = state, c0 = memory, wx = [], uh = [];
    for (let k = 0; k < rows; k++) {
      const at = k * wide;
      let p = w[at + m], q = w[at + wide - 1];
      for (let j = 0; j < m; j++) p += w[at + j] * x[j];
      for (let j = 0; j < d; j++) q += w[at + m + 1 + j] * h0[j];
      wx.push(p);
      uh.push(q);
    }
    const gate = (block) => each((k) => sigmoid(wx[block * d + k] + uh[block * d + k]));
    const one = { x, h0, c0, wx, uh };
    if (cell === "rnn") state = each((k) => Math.tanh(wx[k] + uh[k]));
    else if (cell === "lstm") {
      const [i, f, o] = [gate(0), gate(1), gate(3)], g = each((k) => Math.tanh(wx[2 * d + k] + uh[2 * d + k]));
      memory = each((k) => f[k] * c0[k] + i[k] * g[k]);
      state = each((k) => o[k] * Math.tanh(memory[k]));
      Object.assign(one, { i, f, g, o, c: memory });
    } else {
      const plain = cell === "gru", r = gate(plain ? 0 : 1), z = gate(plain ? 1 : 0);
      const n = each((k) => Math.tanh(wx[2 * d + k] + r[k] * uh[2 * d + k])), au = z.map((u) => attention[t] * u);
      state = each((k) => (plain ? (1 - z[k]) * n[k] + z[k] * h0[k] : (1 - au[k]) * h0[k] + au[k] * n[k]));
      Object.assign(one, plain ? { r, z, n } : { r, u: z, au, n });
    }
    steps.push(Object.assign(one, { h: state }));
  }
  return steps;
}

// ---- drawing ---------------------------------------------------------------------------------------------

const NAMES = { rnn: "RNN", gru: "GRU", lstm: "LSTM", augru: "AUGRU" };
const BEFORE = [["x", "input x"], ["h0", "state before, h"]], AFTER = [["h", "new state h′"]];
const STRIPS = {
  rnn: [...BEFORE, ["wx", "W x + b"], ["uh", "U h + c"], ...AFTER],
  gru: [...BEFORE, ["r", "reset gate r"], ["z", "update gate z: kept"], ["n", "candidate n"], ...AFTER],
  lstm: [...BEFORE, ["c0", "memory before, c"], ["i", "input gate i"], ["f", "forget gate f"], ["o", "output gate o"], ["g", "candidate g"], ["c", "new memory c′"], ...AFTER],
  augru: [...BEFORE, ["r", "reset gate r"], ["u", "update gate u"], ["au", "scaled: a · u"], ["n", "candidate n"], ...AFTER],
};

const two = (v) => fmt(Math.abs(v) < 0.005 ? 0 : v, 2);

/** The new state of one unit in numbers: [formulas], and a remark. */
function sum(cell, s, k, a) {
  const v = (key) => two(s[key][k]).replace(/^−.*/, "($&)"), one = (key) => two(1 - s[key][k]), end = two(s.h[k]);
  if (cell === "rnn") return [[`h′ = tanh(${v("wx")} + ${v("uh")}) = ${end}`]];
  if (cell === "gru") return [[`h′ = (1 − z) n + z h = ${one("z")} · ${v("n")} + ${v("z")} · ${v("h0")} = ${end}`]];
  if (cell === "lstm") return [[`c′ = f c + i g = ${v("f")} · ${v("c0")} + ${v("i")} · ${v("g")} = ${two(s.c[k])}`, `h′ = o tanh(c′) = ${v("o")} · ${two(Math.tanh(s.c[k])).replace(/^−.*/, "($&)")} = ${end}`]];
  return [[`a = ${two(a)}`, `h′ = (1 − a u) h + a u n = ${one("au")} · ${v("h0")} + ${v("au")} · ${v("n")} = ${end}`],
    a === 0 ? ". Attention 0: the state is kept" : a === 1 ? ". Attention 1: a GRU with z = 1 − u" : ""];
}

const LAYOUT = `
.sides { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 16px 32px; align-items: start; }
.sides.narrow { grid-template-columns: minmax(0, 1fr); }
.sides p { margin: 0 0 6px; font-size: 12.5px; font-weight: 600; overflow-wrap: anywhere; }
.pane { position: relative; }
.map { cursor: pointer; outline-offset: 3px; width: fit-content; touch-action: pan-y; }
.bars { position: absolute; cursor: ns-resize; z-index: 1; }
.wide.row { margin: 0; }`;
const shade = (v) => Math.min(1, Math.abs(v)) ** 0.75; // small states are seen, too
const BAR = 64, LABEL = 16, HEAD = 8;

export default widget("Gate explorer", (ui, model) => {
  const get = (name) => model.get(name), steps = () => floats(get("inputs")).shape[0];
  const last = () => Math.max(0, steps() - 1), units = () => view.trace[0].h.length;
  let view = null, row = -1, mine = null, given = null; // row: the strip the keys are on

  const pane = () => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    return { canvas, map: h("div", { class: "map", tabindex: "0", role: "application" }, canvas), head: h("p") };
  };
  const past = pane(), now = pane();
  const bars = h("div", { class: "bars", tabindex: "0", role: "slider", "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 1 });
  const sides = h("div", { class: "sides" }, h("div", {}, past.head, h("div", { class: "pane" }, bars, past.map)), h("div", {}, now.head, now.map));
  const key = legend([["positive", "c1", "box"], ["negative", "c2", "box"], ["gate, 0 to 1", "c3", "box"]]);
  ui.stage.append(h("style", { text: LAYOUT }), sides, key);
  const offered = Object.keys(GATES).filter((name) => floats(get(name)).data.length);
  if (offered.length > 1) ui.row.append(segments(ui, "cell", { label: "Cell", options: offered.map((name) => [name, NAMES[name]]) }));
  ui.row.append(stepper(ui, "step", { label: "Step", max: last, show: (t) => `${t + 1} of ${last() + 1}` }), play(ui, "step", { max: last, ms: 1200 }));

  const attention = () => { const { data } = floats(get("attention")); return data.length === steps() ? Array.from(data) : new Array(steps()).fill(1); };
  ui.follow("attention", () => { if (get("attention") !== mine) given = get("attention"); });
  const attend = (data, more = {}) => change(ui, { attention: (mine = { shape: [data.length], data }), ...more });
  const set = (t, a) => attend(attention().map((v, i) => (i === t ? +clamp(a, 0, 1).toFixed(2) : v)), { step: t });
  ui.controls.append(h("div", { class: "row wide" }, h("span", { class: "label", text: "Attention: drag a bar, or" }),
    button("all 1, a GRU", () => attend(attention().fill(1))), button("all 0", () => attend(attention().fill(0))),
    button("as given", () => change(ui, { attention: (mine = given) }))));
  let held = 0;
  drag(ui, bars, ({ x, y }, phase) => {
    if (!view) return;
    if (phase === "start") held = clamp(Math.floor(x / view.w), 0, last());
    set(held, 1 - (y - HEAD) / (BAR - HEAD));
  });
  bars.style.touchAction = "none";

  const keys = (node, moves) => ui.listen(node, "keydown", (e) => {
    const move = view && moves()[e.key];
    if (!move) return;
    e.preventDefault();
    move();
  });
  const step = (t) => change(ui, { step: clamp(t, 0, last()) }), unit = (k) => change(ui, { unit: clamp(k, 0, units() - 1) });
  const along = () => ({ ArrowLeft: () => step(get("step") - 1), ArrowRight: () => step(get("step") + 1) });
  const by = (more) => () => set(get("step"), attention()[get("step")] + more);
  keys(bars, () => ({ ...along(), ArrowUp: by(0.05), ArrowDown: by(-0.05), Home: by(-1), End: by(1) }));
  keys(past.map, () => ({ ...along(), ArrowUp: () => unit(get("unit") - 1), ArrowDown: () => unit(get("unit") + 1) }));
  const strip = (r) => { view.row = row = clamp(r, 0, view.strips.length - 1); ui.redraw(); };
  keys(now.map, () => ({ ArrowLeft: () => unit(get("unit") - 1), ArrowRight: () => unit(get("unit") + 1),
    ArrowUp: () => strip(view.row - 1), ArrowDown: () => strip(view.row + 1) }));

  // What is under the pointer.
  const place = (e, node) => { const { left, top } = node.getBoundingClientRect(); return [e.clientX - left, e.clientY - top]; };
  const inPast = ([x, y]) => {
    const t = Math.floor(x / view.w), k = Math.floor((y - view.top) / view.tall);
    return t >= 0 && t <= last() && k >= 0 && k < units() ? [t, k] : null;
  };
  const inNow = ([x, y]) => {
    const r = Math.floor(y / view.line), k = Math.floor((x - view.left) / view.cell);
    return r >= 0 && r < view.strips.length && k >= 0 && k < view.strips[r].values.length ? [r, k] : null;
  };
  const hover = ({ map, canvas }, find, words, pick) => {
    const at = (e) => view && find(place(e, canvas));
    ui.listen(map, "pointermove", (e) => {
      const found = at(e);
      ui.tip(...(found ? [...place(e, ui.stage), words(...found)] : []));
    });
    ui.listen(map, "pointerleave", () => ui.tip());
    ui.listen(map, "pointerdown", (e) => { const found = at(e); if (found) pick(...found); });
  };
  const title = (t) => get("titles")[t] || `event ${t + 1}`;
  hover(past, inPast, (t, k) => [title(t), `unit ${k + 1}: ${fmt(view.trace[t].h[k], 4)}`], (t, k) => change(ui, { step: t, unit: k }));
  hover(now, inNow, (r, k) => [view.strips[r].words, `${k + 1}: ${fmt(view.strips[r].values[k], 4)}`], (r, k) => { strip(r); unit(k); });

  return () => {
    view = null;
    const inputs = floats(get("inputs")), [L, m] = inputs.shape, cell = get("cell"), weights = floats(get(cell)), scaled = cell === "augru";
    ui.controls.hidden = bars.hidden = !scaled;
    key.lastChild.hidden = cell === "rnn";
    if (!L || !m) return ui.message("There is no history: give at least one step.");
    if (![...inputs.data, ...weights.data].every(Number.isFinite)) return ui.message("The inputs or the weights hold NaN or infinity.");
    const a = attention(), trace = run(cell, weights, inputs, a), d = trace[0].h.length;
    const at = clamp(get("step"), 0, L - 1), one = trace[at], k = clamp(get("unit"), 0, d - 1);
    const color = Object.fromEntries(["ink", "muted", "line", "grid", "back", "c1", "c2", "c3", "c4"].map((n) => [n, ui.color(n)]));
    const wide = ui.width >= 680, side = wide ? Math.min(ui.width * 0.45, L * 56) : ui.width;
    sides.classList.toggle("narrow", !wide);

    // The states so far, a column a step; those to come are pale.
    const w = Math.min(56, (side - 2) / L), tall = clamp(150 / d, 11, 22), top = scaled ? BAR + 4 : 2;
    let ctx = canvas2d(past.canvas, Math.max(L * w + 2, 60), top + d * tall + 20);
    const square = (x, y, wide, high, value, tint, alpha = 1) => {
      ctx.globalAlpha = shade(value) * alpha;
      ctx.fillStyle = color[tint || (value < 0 ? "c2" : "c1")];
      ctx.fillRect(x, y, wide, high);
      ctx.globalAlpha = 1;
    };
    const frame = (x, y, wide, high, name, thick = 1) => { ctx.strokeStyle = color[name]; ctx.lineWidth = thick; ctx.strokeRect(x, y, wide, high); };
    ctx.font = "11px system-ui, sans-serif";
    ctx.textAlign = "center";
    trace.forEach(({ h: state }, t) => {
      if (scaled) {
        const high = (BAR - HEAD) * a[t];
        ctx.fillStyle = color.grid;
        ctx.fillRect(1 + t * w + 2, HEAD, w - 4, BAR - HEAD);
        ctx.fillStyle = color.c4;
        ctx.fillRect(1 + t * w + 2, BAR - Math.max(high, 1.5), w - 4, Math.max(high, 1.5));
      }
      state.forEach((v, i) => square(1 + t * w, top + i * tall, w - 1, tall - 1, v, null, t > at ? 0.3 : 1));
      ctx.fillStyle = color[t === at ? "ink" : "muted"];
      if (t === at || w > 15 || (t % 2 && Math.abs(t - at) > 1)) ctx.fillText(t + 1, 1 + (t + 0.5) * w, top + d * tall + 14);
    });
    frame(0.5, top - 0.5, L * w, d * tall, "line");
    frame(1 + at * w, scaled ? HEAD - 1 : top, w - 1, d * tall + (scaled ? top - HEAD : -1), "ink", 2);
    past.head.textContent = scaled ? "attention and state, step by step" : "the state after each step";
    Object.assign(bars.style, { left: "1px", top: 0, width: `${L * w}px`, height: `${BAR}px` });

    // The chosen step.
    const most = (key) => Math.max(1e-9, ...trace.flatMap((s) => s[key]).map(Math.abs));
    const reach = { x: most("x"), wx: most("wx"), uh: most("uh") };
    if (cell === "lstm") reach.c = reach.c0 = Math.max(1, most("c"));
    const strips = STRIPS[cell].map(([name, words]) => ({ name, words, values: one[name], tint: "rzauifo".includes(name) ? "c3" : null, most: reach[name] || 1 }));
    const room = wide ? ui.width - side - 34 : ui.width, beside = room >= 420, left = beside ? 152 : 0;
    const size = Math.min(64, (room - left - 2) / Math.max(d, m)), high = 24, line = beside ? 31 : high + LABEL + 8;
    const r = row < 0 ? strips.length - 1 : Math.min(row, strips.length - 1), shown = Math.min(k, strips[r].values.length - 1);
    ctx = canvas2d(now.canvas, left + Math.max(d, m) * size + 2, strips.length * line + 2);
    const lines = Math.max(...Object.keys(STRIPS).filter((c) => floats(get(c)).data.length).map((c) => STRIPS[c].length));
    now.map.style.minHeight = `${lines * line + 2}px`; // another cell's strips may be more: the page does not jump
    ctx.font = "12px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    strips.forEach(({ name, words, values, tint, most: full }, i) => {
      const y = i * line + (beside ? 2 : LABEL + 2);
      ctx.textAlign = "left";
      ctx.fillStyle = color[i === r ? "ink" : "muted"];
      ctx.fillText(words, 0, beside ? y + high / 2 : y - 9);
      values.forEach((v, j) => {
        const x = left + j * size + 1;
        square(x, y, size - 1, high, v / full, tint);
        if (size < 32) return;
        ctx.textAlign = "center";
        ctx.fillStyle = readable(color[tint || (v < 0 ? "c2" : "c1")], color.back, shade(v / full), color.ink, color.back);
        ctx.fillText(two(v), x + size / 2, y + high / 2 + 0.5);
      });
      frame(left + 0.5, y - 0.5, values.length * size, high + 1, "grid");
      if (i === r) frame(left + shown * size + 1, y, size - 1, high, "ink", 2);
      else if (name !== "x") frame(left + k * size + 1, y, size - 1, high, "line");
    });
    now.head.textContent = `Step ${at + 1} of ${L}: ${isolate(title(at))}`;
    view = { trace, strips, w, top, tall, left, cell: size, line, row: r };

    const told = `${strips[r].words}, ${shown + 1}: ${fmt(strips[r].values[shown], 4)}.`;
    const [by, remark = ""] = sum(cell, one, k, a[at]), unit = `Step ${at + 1}, unit ${k + 1}: `, words = `${unit}${by.join("; ")}${remark}.`;
    ui.note.replaceChildren(unit, ...by.flatMap((text, i) => [i ? "; " : "", formula(text)]), `${remark}.`);
    past.map.setAttribute("aria-label", `States of ${L} steps and ${d} units. ${words}`);
    now.map.setAttribute("aria-label", `${told} ${isolate(title(at))}`);
    bars.setAttribute("aria-valuenow", fmt(a[at], 2));
    bars.setAttribute("aria-label", `attention of step ${at + 1}, ${title(at)}`);
    ui.say(`${told} ${words}`);
  };
});
