import { change, clamp, floats, fmt, h, isolate, s, widget } from "./core.js";
import { chips, drag, slider, toggle } from "./controls.js";
import { plot } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** One curve of the (C, K, S, T) norms; `relative` divides by its first value. */
export function curve(reach, c, keep, scale, relative) {
  const [, K, S, T] = reach.shape, from = ((c * K + keep) * S + scale) * T, line = Array.from(reach.data.slice(from, from + T));
  return relative ? line.map((v) => v / line[0]) : line;
}

/** The powers of ten around all values, at least four of them and none below -8. */
export function powers(values) {
  const logs = values.map((v) => Math.log10(Math.max(v, 1e-8))), high = Math.ceil(Math.max(...logs));
  return [Math.min(Math.floor(Math.min(...logs)), high - 4), high];
}

// ---- drawing ---------------------------------------------------------------------------------------------

const raise = (n) => [...String(n)].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])).join("");
/** Two digits: 0.38, 2.4 × 10⁻⁴. */
const few = (v) => (v === 0 || (v >= 0.01 && v < 100) ? fmt(v, v < 1 ? 3 : 2) : v.toExponential(1).replace(/e\+?(.*)/, (_, n) => `\u00a0×\u00a010${raise(n)}`));

export default widget("Gradient reach", (ui, model) => {
  const get = (name) => model.get(name), names = get("cells"), reach = () => floats(get("reach"));
  const [, K, S, T] = reach().shape, tint = (i) => `c${i + 1}`, size = (name) => (i) => fmt(floats(get(name)).data[i], 2);
  const chart = plot("Gradient against distance"), box = h("div", {}, chart.svg);
  box.style.cursor = "crosshair";
  ui.stage.append(box);
  ui.row.append(chips(ui, "shown", { label: "Cells", options: names.map((name, i) => [name, name, tint(i)]) }),
    toggle(ui, "relative", { label: "relative to the last event" }));
  const whole = { min: 0, step: 1, digits: 0 };
  if (S > 1) ui.controls.append(slider(ui, "scale", { ...whole, label: "scale of the recurrent weights", max: S - 1, show: size("scales") }));
  if (K > 1) ui.controls.append(slider(ui, "keep", { ...whole, label: "bias of the gate that keeps", max: K - 1, show: size("keeps") }));
  if (T > 1) ui.controls.append(slider(ui, "distance", { ...whole, label: "steps back, k", max: T - 1 }));

  let axes = null, values = [];
  const at = (x) => clamp(Math.round(axes.unX(x)), 0, T - 1);
  const drawn = () => names.map((name, i) => [name, i]).filter(([name]) => get("shown").includes(name));
  drag(ui, box, ({ x }) => axes && change(ui, { distance: at(x) }));
  ui.listen(box, "pointermove", (e) => {
    if (!axes) return;
    const { left, top } = box.getBoundingClientRect(), k = at(e.clientX - left);
    ui.tip(e.clientX - left, e.clientY - top, [`k = ${k}`, ...drawn().map(([name, i]) => `${name}: ${few(values[i][k])}`)]);
  });
  ui.listen(box, "pointerleave", () => ui.tip());

  return () => {
    axes = null;
    const all = reach(), relative = get("relative");
    if (!all.data.length) return ui.message("There are no curves: give at least one cell and one step.");
    if (!all.data.every(Number.isFinite)) return ui.message("The gradients hold NaN or infinity: make the weights smaller.");
    const keep = clamp(get("keep"), 0, K - 1), scale = clamp(get("scale"), 0, S - 1), k = clamp(get("distance"), 0, T - 1);
    values = names.map((_, i) => curve(all, i, keep, scale, relative));
    const every = names.flatMap((_, i) => Array.from({ length: K * S }, (_, j) => curve(all, i, Math.floor(j / S), j % S, relative)).flat());
    axes = chart.frame({ width: ui.width, height: ui.width < 500 ? 250 : 300, x: [0, Math.max(1, T - 1)], y: powers(every), left: 44, xlabel: "steps back, k",
      title: relative ? "effect on the last state, relative to k = 0" : "effect on the last state: ‖∂h(T) / ∂x(T − k)‖" });
    for (const text of chart.svg.querySelectorAll("g:first-child text[text-anchor=end]")) { // the axis holds powers of ten
      if (/^−?\d+$/.test(text.textContent)) text.textContent = `10${raise(text.textContent.replace("−", "-"))}`;
    }
    const log = (v) => Math.log10(Math.max(v, 1e-30));
    axes.inside(s("line", { x1: axes.X(k), x2: axes.X(k), y1: axes.top, y2: axes.base, stroke: "var(--ink)", "stroke-dasharray": "2 3" }));
    for (const [, i] of drawn()) {
      axes.inside(axes.line(values[i].map((v, j) => [j, log(v)]), { stroke: `var(--${tint(i)})` }),
        axes.dots([[k, log(values[i][k])]], { stroke: `var(--${tint(i)})`, "stroke-width": 8 }));
    }
    const words = drawn().map(([name, i]) => `${isolate(name)} ${few(values[i][k])}`).join(", ");
    ui.note.textContent = words ? `${k} step${k === 1 ? "" : "s"} back: ${words}.` : "No curve is switched on.";
    chart.svg.setAttribute("aria-label", `Gradient of the last state against distance, logarithmic. ${ui.note.textContent}`);
    ui.say(ui.note.textContent);
  };
});
