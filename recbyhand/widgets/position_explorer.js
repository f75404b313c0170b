import { change, clamp, fmt, h, s, widget } from "./core.js";
import { drag, segments, slider } from "./controls.js";
import { canvas2d, plot, rgb } from "./plots.js";
import { formula } from "./formulas.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** Sines at even, cosines at odd dimensions of positions 0 ... length - 1: flat (length, d). */
export function encoding(length, d, base) {
  const pe = new Float64Array(length * d);
  for (let p = 0; p < length; p++) {
    for (let k = 0; k < d; k++) {
      const angle = p / base ** ((k - (k % 2)) / d);
      pe[p * d + k] = k % 2 ? Math.cos(angle) : Math.sin(angle);
    }
  }
  return pe;
}

/** The dot product of position `at` with every position. */
export function products(pe, length, d, at) {
  return Array.from({ length }, (_, p) => {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += pe[p * d + k] * pe[at * d + k];
    return sum;
  });
}

/** PE(m + n) put together from PE(m) and PE(n) (d even): sin cos + cos sin, and cos cos - sin sin; `sign` = 1
 *  gives the last with a plus, as it is sometimes printed: that is cos(m - n). */
export function together(a, b, sign = -1) {
  return Array.from(a, (_, k) => (k % 2 ? a[k] * b[k] + sign * a[k - 1] * b[k - 1] : a[k] * b[k + 1] + a[k + 1] * b[k]));
}

export const rowOf = (pe, d, p) => Array.from(pe.slice(p * d, (p + 1) * d));

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.grid { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 14px 28px; }
.grid.narrow { grid-template-columns: minmax(0, 1fr); }
.map { position: relative; cursor: crosshair; }
.map p { margin: 0 0 6px; font-size: 12.5px; font-weight: 600; }
.map canvas { image-rendering: pixelated; border: 1px solid var(--grid); }`;

export default widget("Position explorer", (ui, model) => {
  const get = (name) => model.get(name);
  const canvas = h("canvas", { role: "img" }), map = h("div", { class: "map" }, h("p", { text: "the table: a row per position, a column per dimension" }), canvas);
  const curve = plot("The encoding of one position"), dots = plot("Dot product with every position"), sum = plot("The encoding of M + N from those of M and N");
  const grid = h("div", { class: "grid" }, map, ...[curve, dots, sum].map((p) => h("div", {}, p.svg)));
  ui.stage.append(h("style", { text: LAYOUT }), grid);
  const position = slider(ui, "position", { label: "position M", min: 0, max: get("length") - 1, step: 1, digits: 0 });
  const offset = slider(ui, "offset", { label: "offset N", min: 0, max: get("length") - 1, step: 1, digits: 0, tint: "c2" });
  ui.controls.append(position, offset,
    slider(ui, "dim", { label: "dimensions d", min: 2, max: 64, step: 2, digits: 0 }),
    slider(ui, "base", { label: "base", min: 2, max: 1e5, step: 0.01, scale: "log", show: (x) => fmt(x, x < 10 ? 1 : 0) }),
    h("div", { class: "row wide" }, segments(ui, "sign", { label: "cos M cos N … sin M sin N", options: [["minus", "minus"], ["plus", "plus (a misprint)"]] })));
  ui.controls.lastChild.style.marginBottom = 0;
  let high = 1;
  drag(ui, canvas, ({ y }) => change(ui, { position: clamp(Math.floor((y / canvas.clientHeight) * high), 0, high - 1) }));

  let pe = null, made = "";
  return () => {
    const length = get("length"), d = get("dim"), at = Math.min(get("position"), length - 1), n = get("offset");
    high = length;
    if (made !== (made = [length, d, get("base")].join())) pe = encoding(2 * length, d, get("base"));
    const wide = ui.width >= 600, half = wide ? (ui.width - 28) / 2 : ui.width;
    grid.classList.toggle("narrow", !wide);

    const height = 196, pos = rgb(ui.color("c1")), neg = rgb(ui.color("c2")), image = new ImageData(d, length);
    for (let i = 0; i < length * d; i++) {
      const tint = pe[i] < 0 ? neg : pos;
      image.data.set([...tint, Math.round(255 * Math.abs(pe[i]))], 4 * i);
    }
    const small = document.createElement("canvas");
    [small.width, small.height] = [d, length];
    small.getContext("2d").putImageData(image, 0, 0);
    const ctx = canvas2d(canvas, half - 2, height);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(small, 0, 0, half - 2, height);
    ctx.strokeStyle = ui.color("ink");
    ctx.lineWidth = 1.5;
    ctx.strokeRect(0.75, (at * height) / length, half - 3.5, height / length);
    canvas.setAttribute("aria-label", `Encodings of ${length} positions in ${d} dimensions; row ${at} is chosen`);

    const row = rowOf(pe, d, at), x = [0, Math.max(1, d - 1)];
    let axes = curve.frame({ width: half, height: 222, x, whole: true, y: [-1.1, 1.1], title: `position ${at}, dimension by dimension` });
    axes.inside(axes.line(row.map((v, k) => [k, v])), axes.dots(row.map((v, k) => [k, v])));

    const dot = products(pe, length, d, at), most = Math.max(...dot.map(Math.abs));
    axes = dots.frame({ width: half, height: 200, x: [-at, length - 1 - at], y: [Math.min(0, ...dot) * 1.1, most * 1.1], title: `PE(${at}) · PE(${at} + distance)`, xlabel: "distance" });
    axes.inside(axes.line(dot.map((v, p) => [p - at, v])), s("line", { x1: axes.X(0), x2: axes.X(0), y1: axes.top, y2: axes.base, stroke: "var(--ink)", "stroke-dasharray": "2 3" }));

    const built = together(row, rowOf(pe, d, n), get("sign") === "minus" ? -1 : 1), truth = rowOf(pe, d, at + n);
    const error = Math.max(...built.map((v, k) => Math.abs(v - truth[k])));
    axes = sum.frame({ width: half, height: 200, x, whole: true, y: [-1.1, 1.1], title: `PE(${at} + ${n}) from PE(${at}) and PE(${n})` });
    axes.inside(axes.line(truth.map((v, k) => [k, v]), { stroke: "var(--line)", "stroke-width": 5, "stroke-opacity": 0.6 }),
      axes.line(built.map((v, k) => [k, v]), { stroke: "var(--c2)" }));

    const at2 = dot[clamp(at + n, 0, length - 1)];
    const two = [`PE(${at}) · PE(${at}) = ${fmt(dot[at], 3)}`, ...(at + n < length ? [`PE(${at}) · PE(${at + n}) = ${fmt(at2, 3)}`] : [])];
    const rest = `. Put together with ${get("sign")}: largest error ${fmt(error, 4)}`
      + (error < 1e-9 ? ", so a fixed rotation by N leads from every M to M + N." : `: with a plus the cosines are those of M − N = ${fmt(at - n, 0)}.`);
    ui.note.replaceChildren(...two.flatMap((one, i) => [i ? ", " : "", formula(one)]), rest);
    ui.say(two.join(", ") + rest);
  };
});
