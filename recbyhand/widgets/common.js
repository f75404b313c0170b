// What every widget shares: elements, numbers, controls, axes, the frame around it, and the mount that
// serves a page without a kernel. A widget's own file imports from here by name; the Python side joins
// the two into the one module that a frontend loads (see base.py), so there is no bundler.
// Text that came from data only ever enters a page through textContent or an attribute, never as markup.

// ---- elements ------------------------------------------------------------------------------------------

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An HTML element: h("p", {class: "note", text: title}, ...children). Strings become text nodes. */
export const h = (tag, props = {}, ...children) => fill(document.createElement(tag), props, children);

/** An SVG element, the same way. */
export const s = (tag, props = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

let serial = 0;
const unique = () => `rbh-${++serial}`;

// ---- numbers -------------------------------------------------------------------------------------------

/** A number for readers: fixed digits, a true minus sign, no "-0.00". */
export function fmt(x, digits = 3) {
  if (typeof x !== "number" || Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const small = Math.abs(x) > 1e-12 && Math.abs(x) < 0.5 * 10 ** -digits;
  const text = small ? x.toExponential(1) : x.toFixed(digits);
  return text.replace(/-/g, "−").replace(/^−(0(\.0+)?)$/, "$1");
}

/** A `Floats` trait as {shape, data}, whether it came as a list or as bytes (a DataView). */
export function floats(value) {
  if (!value) return { shape: [0], data: new Float32Array() };
  let data = value.data;
  if (data instanceof DataView || data instanceof ArrayBuffer) {
    const view = data instanceof DataView ? data : new DataView(data);
    data = Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }
  return { shape: value.shape, data: Float64Array.from(data) };
}

/** A text from data inside a sentence: a title that runs right to left does not turn the rest around. */
export const isolate = (text) => `\u2068${text}\u2069`;

export const clamp = (x, lo, hi) => Math.min(hi, Math.max(lo, x));

/** Round steps (1, 2 or 5 times a power of ten) that cover lo..hi with about `count` ticks. */
export function ticks(lo, hi, count = 5) {
  const rough = (hi - lo) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.8);
  const marks = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++) marks.push(+(i * step).toPrecision(12));
  return marks;
}

export const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** Softmax of scores / temperature over the entries whose mask is true; masked weights are 0.
 *  A row with nothing left to attend to is all zeros. */
export function softmax(scores, mask = null, temperature = 1) {
  let top = -Infinity;
  for (let i = 0; i < scores.length; i++) if (!mask || mask[i]) top = Math.max(top, scores[i]);
  const weights = new Float64Array(scores.length);
  if (top === -Infinity) return weights;
  let total = 0;
  for (let i = 0; i < scores.length; i++) {
    if (!mask || mask[i]) total += weights[i] = Math.exp((scores[i] - top) / temperature);
  }
  for (let i = 0; i < scores.length; i++) weights[i] /= total;
  return weights;
}

// ---- look ----------------------------------------------------------------------------------------------

const CSS = `
:host { display: block; margin: 1rem 0; color-scheme: light; font-size: 14px; line-height: 1.45;
  font-family: var(--pst-font-family-base, var(--jp-ui-font-family, system-ui, sans-serif));
  --ink: #1f2328; --muted: #59636e; --line: #8c959f; --grid: #e4e8ec; --back: #ffffff; --raised: #f3f5f7;
  --c1: #0a63c9; --c2: #bc4c00; --c3: #1a7f37; --c4: #8250df; --c5: #b02a78; --c6: #8a6100; --c7: #15747b;
  --bad: #c21b28; }
:host([data-dark]) { color-scheme: dark;
  --ink: #e4e7ea; --muted: #a6aeb7; --line: #7a828b; --grid: #2c3137; --back: #121212; --raised: #24282d;
  --c1: #6cb0ff; --c2: #f59a52; --c3: #52c166; --c4: #c29bff; --c5: #f582bd; --c6: #d9a63a; --c7: #45c8cf;
  --bad: #ff7b72; }
* { box-sizing: border-box; }
.frame { color: var(--ink); background: var(--back); border: 1px solid var(--grid); border-radius: 10px;
  padding: 16px 18px; max-width: 100%; position: relative; }
.title { margin: 0 0 10px; font-weight: 600; overflow-wrap: anywhere; }
.title:empty, .note:empty, [hidden] { display: none !important; }
.stage { position: relative; min-width: 0; }
.controls { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(140px, 100%), 1fr));
  gap: 10px 20px; margin-top: 14px; align-items: end; }
.controls > .wide { grid-column: 1 / -1; }
.row { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; margin-bottom: 12px; }
.note { margin: 12px 0 0; color: var(--muted); overflow-wrap: anywhere; }
.message { margin: 0; padding: 18px 14px; color: var(--muted); background: var(--raised); border-radius: 8px;
  text-align: center; overflow-wrap: anywhere; }
.live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
svg, canvas { display: block; max-width: 100%; }
svg text { fill: var(--muted); font-size: 11.5px; font-variant-numeric: tabular-nums; font-family: inherit; }
svg text.strong { fill: var(--ink); font-size: 12.5px; font-weight: 600; }
label, .label { color: var(--muted); font-size: 13px; }
output, .number { color: var(--ink); font-variant-numeric: tabular-nums; }
:focus-visible { outline: 2px solid var(--c1); outline-offset: 2px; border-radius: 4px; }
.slider { display: grid; grid-template-columns: 1fr auto; gap: 0 8px; min-width: 0; }
.slider input { grid-column: 1 / -1; width: 100%; margin: 0; height: 24px; background: none; appearance: none;
  -webkit-appearance: none; cursor: pointer; }
.slider input::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background: var(--line); }
.slider input::-moz-range-track { height: 4px; border-radius: 2px; background: var(--line); }
.slider input::-webkit-slider-thumb { -webkit-appearance: none; width: 16px; height: 16px; margin-top: -6px;
  border-radius: 50%; background: var(--tint, var(--c1)); border: 2px solid var(--back); }
.slider input::-moz-range-thumb { width: 13px; height: 13px; border-radius: 50%; background: var(--tint, var(--c1));
  border: 2px solid var(--back); }
button, select { font: inherit; font-size: 13px; color: var(--ink); background: var(--back); cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; min-height: 30px; padding: 3px 10px; }
button:hover:not(:disabled), select:hover { background: var(--raised); }
button:disabled { opacity: .45; cursor: default; }
.select { display: grid; gap: 2px; min-width: 0; }
.select select { width: 100%; text-overflow: ellipsis; }
.chips, .segments { display: flex; flex-wrap: wrap; gap: 6px; border: 0; margin: 0; padding: 0; min-width: 0; }
.chip { border-radius: 15px; border-color: var(--grid); color: var(--muted); display: flex; align-items: center; gap: 6px; }
.chip::before { content: ""; width: 9px; height: 9px; border-radius: 50%; border: 2px solid var(--tint, var(--c1)); }
.chip[aria-pressed=true] { color: var(--ink); border-color: var(--tint, var(--c1)); }
.chip[aria-pressed=true]::before { background: var(--tint, var(--c1)); }
.segments { gap: 0; align-items: center; }
.segments .label { margin-right: 8px; float: left; }
.segments label { position: relative; padding: 4px 10px; border: 1px solid var(--line); margin-left: -1px; cursor: pointer; }
.segments label:first-of-type { border-radius: 6px 0 0 6px; margin-left: 0; }
.segments label:last-of-type { border-radius: 0 6px 6px 0; }
.segments input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; }
.segments label:has(:checked) { background: var(--raised); color: var(--ink); border-color: var(--c1); z-index: 1; }
.segments label:has(:focus-visible) { outline: 2px solid var(--c1); outline-offset: 1px; }
.toggle { display: inline-flex; align-items: center; gap: 8px; border: 0; background: none; padding: 0 2px; color: var(--muted); }
.toggle:hover:not(:disabled) { background: none; color: var(--ink); }
.toggle::before { content: ""; width: 28px; height: 16px; border-radius: 8px; border: 1px solid var(--line); flex: none;
  background: radial-gradient(circle at 8px 50%, var(--line) 4.5px, transparent 5px); }
.toggle[aria-checked=true] { color: var(--ink); }
.toggle[aria-checked=true]::before { border-color: var(--c1);
  background: radial-gradient(circle at 18px 50%, var(--back) 4.5px, var(--c1) 5px); }
.stepper { display: inline-flex; align-items: center; gap: 6px; }
.stepper button { width: 30px; padding: 0; }
.stepper output { min-width: 3.5ch; text-align: center; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 6px 0 0; padding: 0; list-style: none;
  color: var(--muted); font-size: 12.5px; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend i { width: 14px; height: 3px; border-radius: 2px; background: var(--tint); }
.legend i.box { height: 10px; }
.tip { position: absolute; pointer-events: none; z-index: 2; padding: 5px 9px; border-radius: 6px; font-size: 12.5px;
  background: var(--ink); color: var(--back); max-width: min(280px, 90%); overflow-wrap: anywhere; }
.tip div { white-space: pre-wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100%; }
th { color: var(--muted); font-weight: 400; text-align: left; padding: 3px 0; overflow-wrap: anywhere; }
tr > :not(:first-child) { text-align: right; padding: 3px 0 3px 8px; }
tbody tr { border-top: 1px solid var(--grid); }
caption { text-align: left; color: var(--muted); font-size: 12.5px; padding-bottom: 4px; }
.matrix { width: auto; }
.matrix thead > tr > :not(:first-child), .matrix td { text-align: center; padding: 2px; }
.matrix th[scope=row] { padding-right: 8px; white-space: nowrap; max-width: 130px; overflow: hidden; text-overflow: ellipsis; }
.cell { width: 58px; height: 30px; font: inherit; font-size: 13px; text-align: center; color: var(--ink); background: var(--back);
  border: 1px solid var(--grid); border-radius: 4px; touch-action: pan-x; cursor: ns-resize; appearance: textfield; -moz-appearance: textfield; }
.cell::-webkit-inner-spin-button { display: none; }
@media (max-width: 520px) { .frame { padding: 12px; } }
@media (prefers-reduced-motion: no-preference) { .chip, .toggle::before { transition: background-color .12s; } }
@media print { .controls, .row button { display: none; } .frame { break-inside: avoid; } }
@media (forced-colors: active) { .chip[aria-pressed=true], .segments label:has(:checked) { border: 2px solid Highlight; } }
`;

const dark = () => {
  const root = document.documentElement, body = document.body;
  const said = root.dataset.theme || root.getAttribute("theme");
  if (said === "dark" || said === "light") return said === "dark";
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (/vscode-(dark|light)/.test(body.className)) return body.classList.contains("vscode-dark");
  return matchMedia("(prefers-color-scheme: dark)").matches;
};

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---- the frame -----------------------------------------------------------------------------------------

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

/** Make a module's default export from `build(ui, model)`, which sets up controls and returns `draw()`.
 *
 *  `draw` runs at most once a frame, after any change of a trait, of the width or of the theme, and never
 *  while the widget has no width (a folded cell, a hidden tab). It may call `ui.message(text)` instead of
 *  drawing. `ui` holds: model, row (above the stage), stage, controls, note, width, and the methods
 *  message, say (polite announcement), tip, color, redraw, listen (an event until the widget goes). */
export function widget(label, build) {
  return {
    render({ model, el }) {
      const host = h("div", { "data-lm-suppress-shortcuts": "true" }); // JupyterLab: keys are ours here
      const shadow = host.attachShadow({ mode: "open" });
      const off = [];
      const ui = {
        model, width: 0,
        title: h("p", { class: "title" }), row: h("div", { class: "row" }), stage: h("div", { class: "stage" }),
        controls: h("div", { class: "controls" }), note: h("p", { class: "note" }),
        listen(target, type, handler) {
          target.addEventListener(type, handler);
          off.push(() => target.removeEventListener(type, handler));
        },
        follow(names, handler) { // call handler now and whenever one of these traits changes
          for (const name of [names].flat()) {
            model.on(`change:${name}`, handler);
            off.push(() => model.off(`change:${name}`, handler));
          }
          handler();
        },
        dispose: (handler) => off.push(handler),
      };
      const problem = h("p", { class: "message", hidden: true });
      const live = h("div", { class: "live", "aria-live": "polite" });
      const tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
      const frame = h("div", { class: "frame", role: "group", "aria-label": label },
        ui.title, ui.row, ui.stage, problem, ui.controls, ui.note, live);
      shadow.append(h("style", { text: CSS }), frame);
      el.append(host);
      // The page's own shortcuts (search, previous and next page) must not act on keys meant for a control.
      host.addEventListener("keydown", (e) => {
        if (!e.ctrlKey && !e.metaKey && !["Escape", "Tab"].includes(e.key)) e.stopPropagation();
      });
      host.addEventListener("keydown", () => frameId && paint(), true); // a key acts on what the last one has drawn

      ui.tip = (x, y, lines) => {
        tip.hidden = !lines;
        if (!lines) return;
        if (!tip.parentNode) ui.stage.append(tip);
        tip.replaceChildren(...lines.map((line) => h("div", { text: line })));
        const left = clamp(x + 12, 0, Math.max(0, ui.width - tip.offsetWidth));
        tip.style.left = `${left}px`;
        tip.style.top = `${y - tip.offsetHeight - 10 < 0 ? y + 14 : y - tip.offsetHeight - 10}px`;
      };
      let spoken = null, waiting = 0;
      ui.say = (text) => { // polite and throttled: the last word within 600 ms
        if (spoken === null) spoken = text; // what stands there at the start is not news
        if (text === spoken) return;
        spoken = text;
        clearTimeout(waiting);
        waiting = setTimeout(() => (live.textContent = spoken), 600);
      };
      ui.color = (name) => getComputedStyle(host).getPropertyValue(`--${name}`).trim();
      let told = "";
      ui.message = (text) => { told = text; };

      ui.title.textContent = model.get("title") || "";
      let draw = () => {}, frameId = 0, alive = true;
      const paint = () => {
        frameId = 0;
        ui.width = ui.stage.clientWidth || frame.clientWidth - 36;
        if (!alive || frame.clientWidth === 0) return;
        told = "";
        try {
          draw();
        } catch (error) {
          console.error(error);
          told = `This drawing failed: ${error.message}`;
        }
        problem.textContent = told;
        problem.hidden = !told;
        ui.stage.hidden = Boolean(told);
        if (told) ui.note.textContent = "";
      };
      ui.redraw = () => { if (!frameId) frameId = requestAnimationFrame(paint); };
      const retheme = () => { host.toggleAttribute("data-dark", dark()); ui.redraw(); };
      ui.follow("title", () => {
        ui.title.textContent = model.get("title") || "";
        frame.setAttribute("aria-label", [label, ui.title.textContent].filter(Boolean).join(": "));
      });
      draw = build(ui, model) || draw;
      if (!ui.row.childNodes.length) ui.row.hidden = true;
      if (!ui.controls.childNodes.length) ui.controls.hidden = true;
      model.on("change", ui.redraw);
      let seen = 0;
      const size = new ResizeObserver(() => { if (frame.clientWidth !== seen) { seen = frame.clientWidth; ui.redraw(); } });
      size.observe(frame);
      const theme = new MutationObserver(retheme);
      for (const node of [document.documentElement, document.body]) {
        theme.observe(node, { attributes: true, attributeFilter: ["data-theme", "theme", "class", "data-jp-theme-light"] });
      }
      ui.listen(matchMedia("(prefers-color-scheme: dark)"), "change", retheme);
      host.toggleAttribute("data-dark", dark());
      paint();
      return () => {
        alive = false;
        clearTimeout(waiting);
        cancelAnimationFrame(frameId);
        size.disconnect();
        theme.disconnect();
        model.off("change", ui.redraw);
        off.forEach((undo) => undo());
      };
    },
  };
}

// ---- controls: each shows one trait, and writes it ------------------------------------------------------

const put = (ui, name, value) => { ui.model.set(name, value); ui.model.save_changes(); };

/** A range with its value. `scale: "log"` moves by powers of ten; `tint` is a colour name such as "c2". */
export function slider(ui, name, { label, min, max, step = 0.01, digits = 2, scale, tint, show }) {
  const id = unique(), log = scale === "log";
  const text = show || ((x) => (log ? x.toExponential(0).replace("e-", " × 10⁻").replace(/\d+$/, superscript) : fmt(x, digits)));
  const input = h("input", { type: "range", id, min: log ? Math.log10(min) : min, max: log ? Math.log10(max) : max,
    step: log ? step || 1 : step, oninput: () => put(ui, name, log ? +(10 ** +input.value).toPrecision(6) : +input.value) });
  const output = h("output", { for: id });
  const box = h("div", { class: "slider" }, h("label", { for: id, text: label }), output, input);
  if (tint) box.style.setProperty("--tint", `var(--${tint})`);
  ui.follow(name, () => {
    const value = ui.model.get(name), at = log ? Math.log10(value) : value;
    if (+input.value !== at) input.value = at;
    output.textContent = text(value);
    input.setAttribute("aria-valuetext", text(value));
  });
  return box;
}
const superscript = (digits) => [...digits].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("");

/** A drop-down. `options` are [value, text] pairs, or a function giving them (read again on `follow` traits). */
export function select(ui, name, { label, options, follow = [] }) {
  const id = unique();
  const input = h("select", { id, onchange: () => put(ui, name, now()[input.selectedIndex][0]) });
  const now = () => (typeof options === "function" ? options() : options);
  ui.follow([name, ...follow], () => {
    input.replaceChildren(...now().map(([, text]) => h("option", { text })));
    input.selectedIndex = now().findIndex(([value]) => value === ui.model.get(name));
  });
  return h("div", { class: "select" }, h("label", { for: id, text: label }), input);
}

/** One of a few, side by side (radio buttons). */
export function segments(ui, name, { label, options }) {
  const group = unique();
  const inputs = options.map(([value]) => h("input", { type: "radio", name: group, onchange: () => put(ui, name, value) }));
  ui.follow(name, () => inputs.forEach((input, i) => (input.checked = options[i][0] === ui.model.get(name))));
  return h("div", { class: "segments", role: "radiogroup", "aria-label": label }, h("span", { class: "label", text: label }),
    ...options.map(([, text], i) => h("label", {}, text, inputs[i])));
}

/** Any of several: a list trait as buttons. `options` are [value, text, tint]. */
export function chips(ui, name, { label, options }) {
  const toggle = (value) => {
    const on = new Set(ui.model.get(name));
    on.has(value) ? on.delete(value) : on.add(value);
    put(ui, name, options.map(([v]) => v).filter((v) => on.has(v)));
  };
  const buttons = options.map(([value, text, tint]) => {
    const chip = h("button", { type: "button", class: "chip", text, onclick: () => toggle(value) });
    if (tint) chip.style.setProperty("--tint", `var(--${tint})`);
    return chip;
  });
  ui.follow(name, () => buttons.forEach((b, i) => b.setAttribute("aria-pressed", ui.model.get(name).includes(options[i][0]))));
  return h("div", { class: "chips", role: "group", "aria-label": label }, ...buttons);
}

/** A switch for a true-or-false trait. */
export function toggle(ui, name, { label }) {
  const button = h("button", { type: "button", class: "toggle", role: "switch", text: label, onclick: () => put(ui, name, !ui.model.get(name)) });
  ui.follow(name, () => button.setAttribute("aria-checked", Boolean(ui.model.get(name))));
  return button;
}

/** Minus, value, plus for a whole number. `max` may be a function; `show` gives the text. */
export function stepper(ui, name, { label, min = 0, max, show = String }) {
  const top = () => (typeof max === "function" ? max() : max);
  const move = (by) => put(ui, name, clamp(ui.model.get(name) + by, min, top()));
  const less = h("button", { type: "button", text: "−", "aria-label": `${label}: one less`, onclick: () => move(-1) });
  const more = h("button", { type: "button", text: "+", "aria-label": `${label}: one more`, onclick: () => move(1) });
  const output = h("output", { "aria-live": "polite" });
  const sync = () => {
    const value = ui.model.get(name);
    output.textContent = show(value);
    less.disabled = value <= min;
    more.disabled = value >= top();
  };
  ui.follow(name, sync);
  return h("div", { class: "stepper", role: "group", "aria-label": label }, h("span", { class: "label", text: label }), less, output, more);
}

/** Play through the values of a whole-number trait; stops at the end, pauses while the page is hidden. */
export function play(ui, name, { label = "Play", min = 0, max, ms = 900 }) {
  const top = () => (typeof max === "function" ? max() : max);
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; show(); };
  const button = h("button", { type: "button", onclick: () => {
    if (timer) return stop();
    if (ui.model.get(name) >= top()) put(ui, name, min);
    timer = setInterval(() => {
      if (document.hidden) return;
      if (!ui.stage.isConnected || ui.model.get(name) >= top()) return stop();
      put(ui, name, ui.model.get(name) + 1);
      if (ui.model.get(name) >= top()) stop();
    }, ms);
    show();
  } });
  const show = () => { button.textContent = timer ? "❚❚ Pause" : `▶ ${label}`; };
  show();
  ui.dispose(() => clearInterval(timer));
  return button;
}

export const button = (label, onclick) => h("button", { type: "button", text: label, onclick });

/** Coloured marks with their names: items are [text, colour name, "box" for an area]. */
export const legend = (items) => h("ul", { class: "legend" }, ...items.map(([text, tint, shape]) => {
  const mark = h("i", { class: shape || "" });
  mark.style.setProperty("--tint", `var(--${tint})`);
  return h("li", {}, mark, text);
}));

/** A matrix trait as a table of number fields: type, use the arrow keys, or drag a field up and down.
 *  Returns the table and `update(rows, columns)`, to be called by draw; `tint(i, j)` colours a cell. */
export function matrix(ui, name, { label, min = -9, max = 9, step = 0.1, tint }) {
  const head = h("tr"), body = h("tbody"), inputs = [];
  const put = (i, j, value) => {
    const { shape, data } = floats(ui.model.get(name)), next = Array.from(data);
    next[i * shape[1] + j] = clamp(Math.round(value / step) * step, min, max);
    change(ui, { [name]: { shape, data: next.map((v) => +v.toPrecision(6)) } });
  };
  const field = (i, j) => {
    const input = h("input", { type: "number", min, max, step, class: "cell", "data-at": `${i},${j}`,
      oninput: () => input.value !== "" && Number.isFinite(+input.value) && put(i, j, +input.value) });
    let from = null;
    ui.listen(input, "pointerdown", (e) => { from = { y: e.clientY, value: +input.value }; });
    ui.listen(input, "pointermove", (e) => {
      if (!from || !e.buttons || Math.abs(e.clientY - from.y) < 4) return;
      input.setPointerCapture(e.pointerId);
      put(i, j, from.value + Math.round((from.y - e.clientY) / 6) * step);
    });
    ui.listen(input, "pointerup", () => { from = null; });
    return input;
  };
  const node = h("table", { class: "matrix" }, h("caption", { text: label }), h("thead", {}, head), body);
  let built = "";
  return { node, update(rows, columns) {
    const { shape: [n, m], data } = floats(ui.model.get(name));
    if (built !== (built = JSON.stringify([n, m, rows, columns]))) {
      head.replaceChildren(h("td"), ...columns.map((text) => h("th", { scope: "col", text })));
      inputs.length = 0;
      body.replaceChildren(...rows.slice(0, n).map((text, i) => h("tr", {}, h("th", { scope: "row", text }),
        ...columns.slice(0, m).map((column, j) => {
          const input = field(i, j);
          input.setAttribute("aria-label", `${text}, ${column}`);
          inputs.push(input);
          return h("td", {}, input);
        }))));
    }
    const focused = node.getRootNode().activeElement;
    inputs.forEach((input, at) => {
      if (input !== focused || +input.value !== data[at]) input.value = +data[at].toPrecision(6);
      if (tint) input.style.background = tint(Math.floor(at / m), at % m, data[at]) || "";
    });
  } };
}

/** Write a trait from the widget's own drawing (a drag, a click). */
export const change = (ui, values) => {
  for (const [name, value] of Object.entries(values)) ui.model.set(name, value);
  ui.model.save_changes();
};

/** Pointer drags on an element: handler({x, y}, phase) in its own pixels; phase is "start", "move", "end". */
export function drag(ui, node, handler) {
  let on = false;
  const at = (e) => { const box = node.getBoundingClientRect(); return { x: e.clientX - box.left, y: e.clientY - box.top }; };
  node.style.touchAction = "pan-y";
  node.style.userSelect = "none"; // else the browser may drag selected text instead
  ui.listen(node, "pointerdown", (e) => { on = true; node.setPointerCapture(e.pointerId); handler(at(e), "start"); });
  ui.listen(node, "pointermove", (e) => on && handler(at(e), "move"));
  ui.listen(node, "pointerup", (e) => { if (on) handler(at(e), "end"); on = false; });
  ui.listen(node, "pointercancel", () => { on = false; }); // says no position
}

// ---- axes ----------------------------------------------------------------------------------------------

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
      const { width, height, x, y, title = "", xlabel = "", left = 34, bottom = 22, right = 8, yticks = 4 } = look;
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
          back.append(s("line", { x1: X(v), x2: X(v), y1: top, y2: base, stroke: v === 0 ? "var(--line)" : "var(--grid)" }),
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

// ---- a page without a kernel ----------------------------------------------------------------------------

/** Stands in for the kernel's model: get, set, on, off, save_changes. Events fire on `set`, as in Backbone. */
export class PageModel {
  constructor(state) { this.state = state; this.heard = {}; }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (Object.is(this.state[name], value)) return;
    this.state[name] = value;
    for (const event of [`change:${name}`, "change"]) for (const f of [...(this.heard[event] || [])]) f();
  }
  on(event, f) { (this.heard[event] ||= []).push(f); }
  off(event, f) { this.heard[event] = (this.heard[event] || []).filter((g) => g !== f); }
  save_changes() {}
}

const revive = (_, value) =>
  value && typeof value === "object" && "base64" in value
    ? new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer)
    : value;

/** Bring one widget of a page to life: read its state, replace its static drawing. */
export function mount(root, view) {
  const state = JSON.parse(root.querySelector("script[type='application/json']").textContent, revive);
  const el = h("div");
  root.append(el);
  root.model = new PageModel(state);
  view.render({ model: root.model, el });
  root.querySelector(".rbh-static").remove();
  root.dataset.ready = "";
}
