import { change, clamp, floats, fmt, h, s, sigmoid, still, widget } from "./core.js";
import { button, chips, drag, segments, slider, toggle } from "./controls.js";
import { legend, plot, sample, table } from "./plots.js";
import { formula } from "./formulas.js";

// ---- mathematics: value and derivative of each activation ------------------------------------------------

export const piecewise = (x, slope) => (x > 0 ? x : slope * x); // ReLU 0, LeakyReLU and PReLU alpha, RReLU random
export const piecewiseSlope = (x, slope) => (x > 0 ? 1 : slope);
export const sigmoidSlope = (x) => sigmoid(x) * (1 - sigmoid(x));
export const tanhSlope = (x) => 1 - Math.tanh(x) ** 2;

/** The gate of Dice, p(s) = sigmoid((s - mean) / sqrt(variance + epsilon)). */
export const gate = (x, mean, variance, epsilon) => sigmoid((x - mean) / Math.sqrt(variance + epsilon));

export function dice(x, alpha, mean, variance, epsilon) {
  const p = gate(x, mean, variance, epsilon);
  return p * x + (1 - p) * alpha * x;
}

/** d Dice / ds with the statistics held fixed, as they are in evaluation. */
export function diceSlope(x, alpha, mean, variance, epsilon) {
  const p = gate(x, mean, variance, epsilon);
  return p + (1 - p) * alpha + ((1 - alpha) * x * p * (1 - p)) / Math.sqrt(variance + epsilon);
}

export function moments(values) {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  return { n, mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / n };
}

/** The batch with the wanted mean and standard deviation, its shape kept. */
export function shifted(values, mean, spread) {
  const was = moments(values), sd = Math.sqrt(was.variance);
  return Array.from(values, (v) => mean + (sd > 0 ? (spread * (v - was.mean)) / sd : 0));
}

/** What Dice normalises by: the batch while training (from two values on), else the running averages. */
export function statistics(batch, training, running) {
  return training && batch.length > 1 ? moments(batch) : { n: batch.length, ...running };
}

/** Running averages after one more batch, with the unbiased variance, as torch and the package keep them. */
export function remember(running, batch, momentum = 0.1) {
  if (batch.length < 2) return running;
  const { n, mean, variance } = moments(batch);
  return {
    mean: running.mean + momentum * (mean - running.mean),
    variance: running.variance + momentum * ((variance * n) / (n - 1) - running.variance),
  };
}

// ---- drawing ---------------------------------------------------------------------------------------------

const LOW = -6, HIGH = 6;
const NAMES = [["sigmoid", "sigmoid", "c7"], ["tanh", "tanh", "c6"], ["relu", "ReLU", "c3"], ["leaky_relu", "LeakyReLU", "c4"],
  ["prelu", "PReLU", "c1"], ["rrelu", "RReLU", "c5"], ["dice", "Dice", "c2"]];

const LAYOUT = `
.grid { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 14px 28px; }
.grid.narrow { grid-template-columns: minmax(0, 1fr); }
.grid .whole { grid-column: 1 / -1; }
.grab { cursor: ew-resize; }
.cross { cursor: crosshair; }
table + table { margin-top: 14px; }
table:first-child tbody th::before { content: ""; display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 7px;
  background: var(--tint); }`;

export default widget("Activation curves", (ui, model) => {
  const get = (name) => model.get(name);
  const curves = plot("Activations f(s)"), slopes = plot("Derivatives of the activations"), gates = plot("Batch and gate of Dice");
  const f = h("div", { class: "cross" }, curves.svg), d = h("div", {}, slopes.svg), g = h("div", {}, gates.svg), t = h("div");
  const grabbed = h("div", { class: "grab" }, gates.svg);
  g.append(grabbed, legend([["pre-activations of the batch", "line", "box"], ["gate p(s)", "c2"]]));
  const grid = h("div", { class: "grid" }, f, d, g, t);
  ui.stage.append(h("style", { text: LAYOUT }), grid);

  const push = button("Push the batch through", () => {
    const batch = shifted(floats(get("values")).data, get("mean"), get("spread"));
    if (get("training")) {
      const now = remember({ mean: get("running_mean"), variance: get("running_var") }, batch);
      change(ui, { running_mean: now.mean, running_var: now.variance, pushed: get("pushed") + 1 });
    }
    rise();
  });
  const mode = segments(ui, "training", { label: "Layer is", options: [[true, "training"], [false, "evaluating"]] });
  ui.row.append(chips(ui, "functions", { label: "Activations shown", options: NAMES }));
  const sliders = {
    s: slider(ui, "s", { label: "look at s", min: LOW, max: HIGH, step: 0.05 }),
    leaky_relu: slider(ui, "leaky_slope", { label: "LeakyReLU: slope", min: 0, max: 0.5, tint: "c4" }),
    prelu: slider(ui, "prelu_alpha", { label: "PReLU: α", min: -0.5, max: 1.5, tint: "c1" }),
    lower: slider(ui, "lower", { label: "RReLU: lowest", min: 0, max: 1, step: 0.005, digits: 3, tint: "c5" }),
    upper: slider(ui, "upper", { label: "RReLU: highest", min: 0, max: 1, step: 0.005, digits: 3, tint: "c5" }),
    alpha: slider(ui, "dice_alpha", { label: "Dice: α", min: -0.5, max: 1.5, tint: "c2" }),
    mean: slider(ui, "mean", { label: "batch mean", min: -4, max: 4, step: 0.05, tint: "c2" }),
    spread: slider(ui, "spread", { label: "batch spread", min: 0, max: 4, step: 0.05, tint: "c2" }),
    epsilon: slider(ui, "epsilon", { label: "ε", min: 1e-9, max: 1, step: 1, scale: "log", tint: "c2" }),
  };
  const settings = h("div", { class: "row wide" }, mode, push, toggle(ui, "show_derivative", { label: "derivatives" }));
  settings.style.marginBottom = 0;
  ui.controls.append(settings, ...Object.values(sliders));

  // A pushed batch rises from the axis to the curve; without motion it is simply there.
  let risen = 1;
  function rise() {
    if (still()) return;
    const start = performance.now();
    const step = (now) => {
      risen = clamp((now - start) / 500, 0, 1);
      ui.redraw();
      if (risen < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  let scale = null, held = null, curveTable = null, batchTable = null;
  drag(ui, f, ({ x }) => scale && change(ui, { s: clamp(Math.round(scale.unX(x) * 20) / 20, LOW, HIGH) }));
  drag(ui, grabbed, ({ x, y }, phase) => {
    if (!scale) return;
    const at = scale.unX(x), mean = get("mean"), spread = get("spread");
    if (phase === "start") {
      // Its handles stand at the foot; whoever takes it higher up moves it.
      const side = y > 122 && [1, -1].find((sign) => spread > 0.2 && Math.abs(at - mean - sign * spread) < 0.35);
      held = side ? { side } : { offset: at - mean };
    }
    const round = (v) => Math.round(v * 20) / 20;
    if (held.side) change(ui, { spread: clamp(round(held.side * (at - mean)), 0, 4) });
    else change(ui, { mean: clamp(round(at - held.offset), -4, 4) });
  });

  return () => {
    const on = NAMES.filter(([name]) => get("functions").includes(name));
    const has = (name) => get("functions").includes(name);
    const values = floats(get("values")).data;
    sliders.leaky_relu.hidden = !has("leaky_relu");
    sliders.prelu.hidden = !has("prelu");
    sliders.lower.hidden = sliders.upper.hidden = !has("rrelu");
    for (const name of ["alpha", "mean", "spread", "epsilon"]) sliders[name].hidden = !has("dice");
    push.hidden = !has("dice");
    mode.hidden = !has("dice") && !has("rrelu");
    if (!on.length) return ui.message("No activation is chosen: press one of the names above.");
    if (has("dice") && !values.length) return ui.message("The batch is empty: Dice needs at least one pre-activation.");
    if (has("dice") && !values.every(Number.isFinite)) return ui.message("The batch holds NaN or infinity: Dice of it is not a number.");

    const batch = shifted(values, get("mean"), get("spread")), training = get("training"), epsilon = get("epsilon");
    const running = { mean: get("running_mean"), variance: get("running_var") };
    const used = statistics(batch, training, running);
    const low = Math.min(get("lower"), get("upper")), high = Math.max(get("lower"), get("upper"));
    const constant = { relu: 0, leaky_relu: get("leaky_slope"), prelu: get("prelu_alpha"), rrelu: (low + high) / 2 };
    const value = { sigmoid, tanh: Math.tanh, dice: (x) => dice(x, get("dice_alpha"), used.mean, used.variance, epsilon) };
    const slope = { sigmoid: sigmoidSlope, tanh: tanhSlope, dice: (x) => diceSlope(x, get("dice_alpha"), used.mean, used.variance, epsilon) };
    for (const [name, a] of Object.entries(constant)) {
      value[name] = (x) => piecewise(x, a);
      slope[name] = (x) => piecewiseSlope(x, a);
    }

    const wide = ui.width >= 600, derivative = get("show_derivative");
    grid.classList.toggle("narrow", !wide);
    f.className = derivative ? "cross" : "cross whole";
    d.hidden = !derivative;
    g.hidden = !has("dice");
    t.style.maxWidth = has("dice") ? "" : "420px";
    const half = wide ? (ui.width - 28) / 2 : ui.width;
    const bounded = on.every(([name]) => ["sigmoid", "tanh"].includes(name));
    const x = [LOW, HIGH], at = get("s");

    const draw = (chart, width, y, title, functions, band) => {
      const axes = chart.frame({ width, height: 232, x, y, title, xlabel: "s" });
      if (has("rrelu") && training) axes.inside(axes.line(band(low).concat(band(high).reverse()), { fill: "var(--c5)", "fill-opacity": 0.25, stroke: "none" }));
      for (const [name, , tint] of on) {
        const fine = has("dice") && name === "dice" ? [...new Set([...sample((v) => v, LOW, HIGH, 100), ...sample((v) => v, ...near(used, epsilon), 40)].map(([v]) => v))].sort((a, b) => a - b) : null;
        const points = fine ? fine.map((v) => [v, functions[name](v)]) : chart === slopes && name in constant ? [[LOW, functions[name](-1)], [0, functions[name](-1)], [0, 1], [HIGH, 1]] : sample(functions[name], LOW, HIGH);
        axes.inside(axes.line(points, { stroke: `var(--${tint})`, class: `curve ${name}` }));
      }
      axes.inside(s("line", { x1: axes.X(at), x2: axes.X(at), y1: axes.top, y2: axes.base, stroke: "var(--ink)", "stroke-dasharray": "2 3" }),
        ...on.map(([name, , tint]) => s("circle", { cx: axes.X(at), cy: axes.Y(functions[name](at)), r: 4, fill: `var(--${tint})`, stroke: "var(--back)" })));
      return axes;
    };
    scale = draw(curves, derivative ? half : ui.width, bounded ? [-1.25, 1.25] : [-2.5, 6], "f(s)", value,
      (a) => [[LOW, a * LOW], [0, 0]]);
    if (has("dice")) {
      scale.inside(scale.dots(batch.map((v) => [v, risen * value.dice(v)]), { stroke: "var(--c2)", "stroke-opacity": 0.6 }));
    }
    if (derivative) draw(slopes, half, [-0.6, 1.6], "derivative f′(s)", slope, (a) => [[LOW, a], [0, a]]);
    if (has("dice")) {
      const axes = gates.frame({ width: wide || !derivative ? half : ui.width, height: 170, x, y: [0, 1], title: "the gate p(s) over the batch", yticks: 2 });
      histogram(axes, batch);
      axes.inside(axes.line([...sample((v) => v, LOW, HIGH, 100), ...sample((v) => v, ...near(used, epsilon), 40)].map(([v]) => v)
        .sort((a, b) => a - b).map((v) => [v, gate(v, used.mean, used.variance, epsilon)]), { stroke: "var(--c2)", class: "gate" }));
      const mark = (v, r) => s("circle", { cx: axes.X(v), cy: axes.base, r, fill: "var(--back)", stroke: "var(--ink)", "stroke-width": 1.5 });
      axes.add(s("line", { x1: axes.X(used.mean), x2: axes.X(used.mean), y1: axes.top, y2: axes.base, stroke: "var(--c2)", "stroke-dasharray": "4 3" }),
        mark(get("mean"), 6), ...(get("spread") > 0.2 ? [mark(get("mean") - get("spread"), 4), mark(get("mean") + get("spread"), 4)] : []));
    }

    const rows = on.map(([name, text]) => name === "rrelu" && training
      ? [text, at > 0 ? fmt(at, 4) : `${fmt(Math.min(low * at, high * at), 4)} … ${fmt(Math.max(low * at, high * at), 4)}`, at > 0 ? fmt(1, 4) : `${fmt(low, 4)} … ${fmt(high, 4)}`]
      : [text, fmt(value[name](at), 4), fmt(slope[name](at), 4)]);
    const listed = table(`at s = ${fmt(at, 2)}`, ["", "f(s)", "f′(s)"], rows, curveTable);
    if (listed !== curveTable) t.prepend(curveTable = listed);
    listed.querySelectorAll("tbody th").forEach((cell, i) => cell.style.setProperty("--tint", `var(--${on[i][2]})`));
    if (batchTable) batchTable.hidden = !has("dice");
    if (has("dice")) {
      const sorted = [...batch].sort((a, b) => a - b), n = Math.min(5, batch.length);
      const few = Array.from({ length: n }, (_, i) => sorted[n > 1 ? Math.round((i * (batch.length - 1)) / (n - 1)) : 0]);
      const small = table(`${n} of the ${batch.length} values of the batch, through Dice`, ["s", ...few.map((v) => fmt(v, 2))],
        [["p(s)", ...few.map((v) => fmt(gate(v, used.mean, used.variance, epsilon), 3))], ["Dice(s)", ...few.map((v) => fmt(value.dice(v), 3))]], batchTable);
      if (small !== batchTable) t.append(batchTable = small);
      const pushed = get("pushed"), from = !training ? `running averages${pushed ? ` (${pushed} batch${pushed === 1 ? "" : "es"} seen)` : ""}`
        : batch.length > 1 ? "this batch" : "the running averages: one value has no variance";
      const moments = ({ mean, variance }) => [formula(`E = ${fmt(mean, 4)}`), ", ", formula(`Var = ${fmt(variance, 4)}`)];
      ui.note.replaceChildren(...moments(used), ", ", formula(`√(Var + ε) = ${fmt(Math.sqrt(used.variance + epsilon), 4)}`), ` from ${from}. Running averages: `,
        ...moments(running), ".",
        ...(get("spread") === 0 && training ? [" The batch is constant: each of its values has ", formula("s − E = 0"), ", so ", formula("p = ½"), ", and ε alone keeps the division finite."] : []));
    } else ui.note.textContent = "";
    ui.say(`At s ${fmt(at, 2)}: ${rows.map(([name, a, b]) => `${name} ${a}, derivative ${b}`).join("; ")}.`);
  };
});

/** Where the gate turns, for a finer curve when it is steep. */
const near = ({ mean, variance }, epsilon) => {
  const reach = Math.max(1e-6, 8 * Math.sqrt(variance + epsilon));
  return [Math.max(LOW, mean - reach), Math.min(HIGH, mean + reach)];
};

function histogram(axes, batch, bins = 48) {
  const counts = new Array(bins).fill(0);
  for (const v of batch) if (v >= LOW && v <= HIGH) counts[Math.min(bins - 1, Math.floor(((v - LOW) / (HIGH - LOW)) * bins))]++;
  const most = Math.max(...counts, 1), step = (HIGH - LOW) / bins;
  const bars = counts.map((count, i) => {
    const left = axes.X(LOW + i * step), right = axes.X(LOW + (i + 1) * step), y = axes.Y((0.85 * count) / most);
    return count ? `M${left + 0.5},${axes.base}V${y}H${right - 0.5}V${axes.base}Z` : "";
  });
  axes.inside(s("path", { d: bars.join(""), fill: "var(--line)", "fill-opacity": 0.55 }));
}
