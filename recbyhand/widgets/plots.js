import { clamp, h, s, styles } from "./core.js";

// Charts, tables, legends, and what a canvas needs.

styles.push(`
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 6px 0 0; padding: 0; list-style: none;
  color: var(--muted); font-size: 12.5px; }
svg, canvas { user-select: none; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend i { width: 14px; height: 3px; border-radius: 2px; background: var(--tint); }
.legend i.box { height: 10px; }
`);

/** A canvas in device pixels, cleared; returns its 2d context in CSS pixels. */
export function canvas2d(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1, w = Math.round(width * ratio), hgt = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== hgt) {
    [canvas.width, canvas.height] = [w, hgt];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** The three parts, 0 to 255, of a colour as `ui.color` gives it. */
export const rgb = (color) => color.match(/^#(..)(..)(..)/).slice(1).map((part) => parseInt(part, 16));
const luminance = (parts) => parts.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);

/** Whichever of two colours reads better on `tint` laid over `back` with this opacity. */
export function readable(tint, back, opacity, one, two) {
  const paper = luminance(rgb(tint).map((v, i) => v * opacity + rgb(back)[i] * (1 - opacity)));
  const contrast = (color) => { const l = luminance(rgb(color)); return (Math.max(l, paper) + 0.05) / (Math.min(l, paper) + 0.05); };
  return contrast(one) >= contrast(two) ? one : two;
}

/** Round steps (1, 2 or 5 times a power of ten) that cover lo..hi with about `count` ticks. */
export function ticks(lo, hi, count = 5) {
  const rough = (hi - lo) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.8);
  const marks = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++) marks.push(+(i * step).toPrecision(12));
  return marks;
}

/** Coloured marks with their names: items are [text, colour name, "box" for an area]. */
export const legend = (items) => h("ul", { class: "legend" }, ...items.map(([text, tint, shape]) => {
  const mark = h("i", { class: shape || "" });
  mark.style.setProperty("--tint", `var(--${tint})`);
  return h("li", {}, mark, text);
}));

/** A chart: `frame({...})` draws axes (again only if they changed), clears what was drawn on them and returns the
 *  scales, `add` for marks anywhere, `inside` for marks clipped to the axes, and `line(points)`. */
export function plot(label) {
  const svg = s("svg", { role: "img", "aria-label": label });
  const back = s("g"), inner = s("svg", { "aria-hidden": "true" }), over = s("g");
  svg.append(back, inner, over);
  let drawn = "";
  return {
    svg,
    frame(look) {
      const { width, height, x, y, title = "", xlabel = "", left = 34, bottom = 22, right = 8, yticks = 4, origin = true, whole = false } = look;
      const top = title ? 24 : 8, base = height - bottom;
      const X = (v) => left + ((v - x[0]) / (x[1] - x[0])) * (width - left - right);
      const Y = (v) => base - ((v - y[0]) / (y[1] - y[0])) * (base - top);
      inner.replaceChildren();
      over.replaceChildren();
      if (drawn !== (drawn = JSON.stringify(look))) {
        const size = (node, props) => { for (const [k, v] of Object.entries(props)) node.setAttribute(k, v); };
        size(svg, { width, height, viewBox: `0 0 ${width} ${height}` });
        const wide = width - left - right, high = base - top;
        size(inner, { x: left, y: top, width: wide, height: high, viewBox: `${left} ${top} ${wide} ${high}` });
        back.replaceChildren();
        if (title) back.append(s("text", { class: "strong", x: left, y: 13, text: title }));
        const short = (v) => String(+v.toPrecision(6)).replace("-", "−");
        for (const v of ticks(y[0], y[1], yticks)) {
          back.append(s("line", { x1: left, x2: width - right, y1: Y(v), y2: Y(v), stroke: v === 0 ? "var(--line)" : "var(--grid)" }),
            s("text", { x: left - 6, y: Y(v) + 4, "text-anchor": "end", text: short(v) }));
        }
        for (const v of ticks(x[0], x[1], Math.max(2, Math.floor(width / 60)))) {
          if (whole && v % 1) continue; // places that are counted
          back.append(s("line", { x1: X(v), x2: X(v), y1: top, y2: base, stroke: v === 0 && origin ? "var(--line)" : "var(--grid)" }),
            s("text", { x: X(v), y: base + 15, "text-anchor": "middle", text: short(v) }));
        }
        if (xlabel) back.append(s("text", { x: width - right, y: base - 5, "text-anchor": "end", text: xlabel }));
      }
      const tall = y[1] - y[0], within = (v) => clamp(v, y[0] - 9 * tall, y[1] + 9 * tall);
      const line = (points, props = {}) => s("path", {
        d: points.map(([a, b], i) => `${i ? "L" : "M"}${X(a).toFixed(1)},${Y(within(b)).toFixed(1)}`).join(""),
        fill: "none", stroke: "var(--c1)", "stroke-width": 2, "stroke-linejoin": "round", ...props });
      const dots = (points, props = {}) => s("path", { // many small dots as one element
        d: points.map(([a, b]) => `M${X(a).toFixed(1)},${Y(within(b)).toFixed(1)}h0`).join(""),
        fill: "none", stroke: "var(--c1)", "stroke-width": 4.5, "stroke-linecap": "round", ...props });
      return { X, Y, top, base, left, right: width - right, line, dots,
        unX: (px) => x[0] + ((px - left) / (width - left - right)) * (x[1] - x[0]),
        unY: (px) => y[0] + ((base - px) / (base - top)) * (y[1] - y[0]),
        add: (...nodes) => over.append(...nodes), inside: (...nodes) => inner.append(...nodes) };
    },
  };
}

/** Curve points of f over lo..hi; a NaN shows as NaN, so pass finite parameters. */
export const sample = (f, lo, hi, n = 160) => Array.from({ length: n + 1 }, (_, i) => {
  const x = lo + ((hi - lo) * i) / n;
  return [x, f(x)];
});

/** A table from rows of cells; the first cell of a row is its header. Give the table drawn before as `old`: while its
 *  shape stays, only texts that differ are written. */
export function table(caption, head, rows, old = null) {
  const texts = [...(caption ? [caption] : []), ...head.map((t, i) => t || (i ? "" : null)), ...rows.flat()].filter((t) => t !== null);
  const shape = [Boolean(caption), head[0] ? head.length : -head.length, rows.map((r) => r.length)].join();
  if (old?.shape === shape) {
    old.cells.forEach((cell, i) => { if (cell.textContent !== String(texts[i])) cell.textContent = texts[i]; });
    return old;
  }
  const cell = (tag, scope) => (text) => h(tag, { scope, text });
  const made = h("table", {}, caption ? h("caption", { text: caption }) : null,
    h("thead", {}, h("tr", {}, ...head.map((t, i) => (i || t ? cell("th", "col")(t) : h("td", { class: "corner" }))))),
    h("tbody", {}, ...rows.map(([first, ...rest]) => h("tr", {}, cell("th", "row")(first), ...rest.map(cell("td"))))));
  made.shape = shape;
  made.cells = [...made.querySelectorAll("caption, th, td:not(.corner)")];
  if (old) old.replaceWith(made);
  return made;
}
