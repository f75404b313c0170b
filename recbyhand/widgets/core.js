import { followLinks, linked, tools, toolsLook } from "./tools.js";

// What every widget shares. base.py joins the modules: a top-level name is one in all of them.
// Text from data only ever enters a page through textContent or an attribute, never as markup.

// ---- elements ------------------------------------------------------------------------------------------

export function fill(node, props, children) {
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
export const unique = () => `rbh-${++serial}`;

// ---- numbers -------------------------------------------------------------------------------------------

/** A number for readers: a true minus sign, no "-0.00". */
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
  const { shape, data } = value;
  if (!(data instanceof DataView || data instanceof ArrayBuffer)) return { shape, data: Float64Array.from(data) };
  const view = data instanceof DataView ? data : new DataView(data), numbers = new Float64Array(view.byteLength / 4);
  for (let i = 0; i < numbers.length; i++) numbers[i] = view.getFloat32(4 * i, true);
  return { shape, data: numbers };
}

/** A text from data inside a sentence: a title that runs right to left does not turn the rest around. */
export const isolate = (text) => `\u2068${text}\u2069`;

export const clamp = (x, lo, hi) => Math.min(hi, Math.max(lo, x));

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

/** Style sheets of every frame; a module adds its own. */
export const styles = [toolsLook, `
:host { display: block; margin: 1rem 0; color-scheme: light; font-size: 14px; line-height: 1.45;
  font-family: var(--pst-font-family-base, var(--jp-ui-font-family, system-ui, sans-serif));
  --ink: #1f2328; --muted: #59636e; --line: #8c959f; --grid: #e4e8ec; --back: var(--paper, #ffffff); --raised: #f3f5f7;
  --c1: #0a63c9; --c2: #bc4c00; --c3: #1a7f37; --c4: #8250df; --c5: #b02a78; --c6: #8a6100; --c7: #15747b;
  --bad: #c21b28; }
:host([data-dark]) { color-scheme: dark;
  --ink: #e4e7ea; --muted: #a6aeb7; --line: #7a828b; --grid: #2c3137; --back: var(--paper, #121212); --raised: #24282d;
  --c1: #6cb0ff; --c2: #f59a52; --c3: #52c166; --c4: #c29bff; --c5: #f582bd; --c6: #d9a63a; --c7: #45c8cf;
  --bad: #ff7b72; }
* { box-sizing: border-box; }
.frame { color: var(--ink); background: var(--back); border: 1px solid var(--grid); border-radius: 10px;
  padding: 16px 18px; max-width: 100%; position: relative; }
.title { margin: 0 0 10px; font-weight: 600; overflow-wrap: anywhere; }
.title:empty, .note:empty, [hidden] { display: none !important; }
.stage { position: relative; min-width: 0; }
.controls { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(140px, 100%), 1fr));
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
button, select { font: inherit; font-size: 13px; color: var(--ink); background: var(--back); cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; min-height: 30px; padding: 3px 10px; }
button:hover:not(:disabled), select:hover { background: var(--raised); }
button:disabled { opacity: .45; cursor: default; }
.tip { position: absolute; pointer-events: none; z-index: 2; padding: 5px 9px; border-radius: 6px; font-size: 12.5px;
  background: var(--ink); color: var(--back); max-width: min(280px, 90%); overflow-wrap: anywhere; }
.tip div { white-space: pre-wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; width: 100%; }
th { color: var(--muted); font-weight: 400; text-align: left; padding: 3px 0; overflow-wrap: anywhere; }
tr > :not(:first-child) { text-align: right; padding: 3px 0 3px 8px; }
tbody tr { border-top: 1px solid var(--grid); }
caption { text-align: left; color: var(--muted); font-size: 12.5px; padding-bottom: 4px; }
@media (max-width: 520px) { .frame { padding: 12px; } }
@media print { .controls, .tools, .row button { display: none; } .frame { break-inside: avoid; } }
`];

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
      ui.first = {}; // what the reader has changed, as it was before
      shadow.append(h("style", { text: styles.join("") }), frame);
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
      ui.say = (text) => { // the last word within 600 ms
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
        below.update();
      };
      ui.redraw = () => { if (!frameId) frameId = requestAnimationFrame(paint); };
      const retheme = () => { host.toggleAttribute("data-dark", dark()); ui.redraw(); };
      ui.follow("title", () => {
        ui.title.textContent = model.get("title") || "";
        frame.setAttribute("aria-label", [label, ui.title.textContent].filter(Boolean).join(": "));
      });
      const below = tools({ h, host, frame, label, model, first: ui.first, say: ui.say, reset: () => change(ui, { ...ui.first }) });
      frame.append(below.row);
      draw = build(ui, model) || draw;
      host.write = (values) => change(ui, values);
      if (!ui.row.childNodes.length) ui.row.hidden = true;
      if (!ui.controls.childNodes.length) ui.controls.hidden = true;
      model.on("change", ui.redraw);
      let seen = 0;
      const size = new ResizeObserver(() => { // and a shorter note below moves nothing
        if (frame.clientWidth !== seen) { seen = frame.clientWidth; ui.note.style.minHeight = ""; ui.redraw(); }
        ui.note.style.minHeight = `${ui.note.getBoundingClientRect().height}px`;
      });
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

/** Write traits, from a control or from the widget's own drawing (a drag, a click). */
export const change = (ui, values) => {
  for (const [name, value] of Object.entries(values)) {
    if (!(name in ui.first)) ui.first[name] = ui.model.get(name);
    ui.model.set(name, value);
  }
  ui.model.save_changes();
};

// ---- a page without a kernel ----------------------------------------------------------------------------

/** Stands in for the kernel's model. */
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

const bytes = (base64) => {
  const text = atob(base64), found = new Uint8Array(text.length);
  for (let i = 0; i < found.length; i++) found[i] = text.charCodeAt(i);
  return new DataView(found.buffer);
};

const revive = (_, value) => (value && typeof value === "object" && "base64" in value ? bytes(value.base64) : value);

/** Bring one widget of a page to life; in the book when it is near the screen, linked to, printed, or at "rbh-all". */
export function mount(root, view) {
  const go = (event) => {
    if (event?.type === "hashchange" && !linked(location.hash)) return;
    near.disconnect();
    for (const what of when) removeEventListener(what, go);
    if (!root.model) enliven(root, view);
  }, when = ["beforeprint", "rbh-all", "hashchange"];
  const near = new IntersectionObserver((seen) => seen.at(-1).isIntersecting && go(), { rootMargin: "600px" });
  if (!root.closest(".bd-article") || linked(location.hash)) return go();
  for (const what of when) addEventListener(what, go);
  near.observe(root);
}

function enliven(root, view) {
  const state = JSON.parse(root.querySelector("script[type='application/json']").textContent, revive);
  const el = h("div");
  root.append(el);
  root.model = new PageModel(state);
  view.render({ model: root.model, el });
  root.querySelector(".rbh-static").remove();
  followLinks(root, state, (values) => el.firstChild.write(values));
  root.dataset.ready = "";
}
