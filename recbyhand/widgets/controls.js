import { change, clamp, floats, fmt, h, still, styles, unique } from "./core.js";

// Controls: each shows one trait, and writes it.

styles.push(`
.slider { display: grid; grid-template-columns: 1fr auto; gap: 0 8px; min-width: 0; }
.controls > .slider { max-width: 420px; }
.slider input { grid-column: 1 / -1; width: 100%; margin: 0; height: 24px; background: none; appearance: none;
  -webkit-appearance: none; cursor: pointer; }
.slider input::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background: var(--line); }
.slider input::-moz-range-track { height: 4px; border-radius: 2px; background: var(--line); }
.slider input::-webkit-slider-thumb { -webkit-appearance: none; width: 16px; height: 16px; margin-top: -6px;
  border-radius: 50%; background: var(--tint, var(--c1)); border: 2px solid var(--back); }
.slider input::-moz-range-thumb { width: 13px; height: 13px; border-radius: 50%; background: var(--tint, var(--c1));
  border: 2px solid var(--back); }
.select { display: grid; gap: 2px; min-width: 0; }
.select select { width: 100%; text-overflow: ellipsis; }
.chips, .segments { display: flex; flex-wrap: wrap; gap: 6px; border: 0; margin: 0; padding: 0; min-width: 0; }
.chip { border-radius: 15px; border-color: var(--grid); color: var(--muted); display: flex; align-items: center; gap: 6px; }
.chip::before { content: ""; width: 9px; height: 9px; border-radius: 50%; border: 2px solid var(--tint, var(--c1)); }
.chip[aria-pressed=true] { color: var(--ink); border-color: var(--tint, var(--c1)); }
.chip[aria-pressed=true]::before { background: var(--tint, var(--c1)); }
.segments { gap: 4px 8px; align-items: center; }
.segments div { display: flex; flex-wrap: wrap; gap: 4px 0; }
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
.matrix { width: auto; }
.matrix thead > tr > :not(:first-child), .matrix td { text-align: center; padding: 2px; }
.matrix th[scope=row] { padding-right: 8px; white-space: nowrap; max-width: 130px; overflow: hidden; text-overflow: ellipsis; }
.cell { width: 58px; height: 30px; font: inherit; font-size: 13px; text-align: center; color: var(--ink); background: var(--back);
  border: 1px solid var(--grid); border-radius: 4px; touch-action: pan-x; cursor: ns-resize; appearance: textfield; -moz-appearance: textfield; }
.cell:focus-visible { outline-offset: -1px; }
.cell::-webkit-inner-spin-button { display: none; }
@media (prefers-reduced-motion: no-preference) { .chip, .toggle::before { transition: background-color .12s; } }
@media (forced-colors: active) { .chip[aria-pressed=true], .segments label:has(:checked) { border: 2px solid Highlight; } }
`);

const put = (ui, name, value) => change(ui, { [name]: value });

/** A range with its value. `scale: "log"` moves by powers of ten; `tint` is a colour name such as "c2". */
export function slider(ui, name, { label, min, max, step = 0.01, digits = 2, scale, tint, show }) {
  const id = unique(), log = scale === "log";
  const text = show || ((x) => (log && x < 1 ? x.toExponential(0).replace("e-", " × 10⁻").replace(/\d+$/, superscript) : fmt(x, log ? 0 : digits)));
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
    h("div", {}, ...options.map(([, text], i) => h("label", {}, text, inputs[i]))));
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

/** Play through the values of a whole-number trait; stops at the end, pauses while the page is hidden. Where the
 *  reader wants no motion, each press is one step. */
export function play(ui, name, { label = "Play", min = 0, max, ms = 900 }) {
  const top = () => (typeof max === "function" ? max() : max);
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; show(); };
  const button = h("button", { type: "button", onclick: () => {
    if (timer) return stop();
    if (still()) return put(ui, name, ui.model.get(name) >= top() ? min : ui.model.get(name) + 1);
    if (ui.model.get(name) >= top()) put(ui, name, min);
    timer = setInterval(() => {
      if (document.hidden) return;
      if (!ui.stage.isConnected || ui.model.get(name) >= top()) return stop();
      put(ui, name, ui.model.get(name) + 1);
      if (ui.model.get(name) >= top()) stop();
    }, ms);
    show();
  } });
  const show = () => { button.textContent = timer ? "❚❚ Pause" : still() ? "▶ Next" : `▶ ${label}`; };
  show();
  ui.dispose(() => clearInterval(timer));
  return button;
}

export const button = (label, onclick) => h("button", { type: "button", text: label, onclick });

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
