import { change, clamp, h, s, widget } from "./core.js";
import { play, slider, stepper } from "./controls.js";
import { table } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** The length of an axis: a sum of terms [coefficient, letters], or a number that was only recorded. */
export function evaluate(axis, sizes) {
  return Array.isArray(axis) ? axis.reduce((sum, [k, letters]) => sum + letters.reduce((x, letter) => x * sizes[letter], k), 0) : axis;
}

export function sizesOf(letters, B, L, d) {
  return { ...letters, B, L, d, "d/H": Math.floor(d / (letters.H || 1)) };
}

/** A shape as Python prints it: (64, 16), (64,), (). */
export const tuple = (lengths) => `(${lengths.join(", ")}${lengths.length === 1 ? "," : ""})`;

/** A side in pixels: the square root keeps 1 and 500 on one page. */
export const side = (n) => clamp(6.5 * Math.sqrt(Math.max(0, n)), 3, 140);

/** Source as [kind, text] pieces; kind is "", or the name of a colour. */
export function pieces(line) {
  const found = [], words = /(#.*$)|("[^"]*"|'[^']*')|\b(def|return|if|else|elif|for|in|not|and|or|is|None|True|False|with|while)\b|\b(self)\b/g;
  let at = 0;
  for (const match of line.matchAll(words)) {
    if (match.index > at) found.push(["", line.slice(at, match.index)]);
    found.push([match[1] ? "comment" : match[2] ? "string" : match[3] ? "word" : "self", match[0]]);
    at = match.index + match[0].length;
  }
  if (at < line.length) found.push(["", line.slice(at)]);
  return found;
}

/** Where an axis goes in the drawing: B into the depth, L, F, P or C upwards, all else to the right. */
export function place(shape) {
  const has = (axis, letters) => Array.isArray(axis) && axis.some(([, of]) => of.some((x) => letters.includes(x)));
  const way = { depth: -1, height: -1, width: -1 }, rest = [];
  shape.forEach((axis, i) => {
    if (way.depth < 0 && has(axis, "B")) way.depth = i;
    else if (way.height < 0 && has(axis, ["L", "F", "P", "C"]) && !has(axis, ["d"])) way.height = i;
    else rest.push(i);
  });
  for (const i of rest.reverse()) {
    const free = ["width", "height", "depth"].find((side) => way[side] < 0);
    if (free) way[free] = i;
  }
  return way;
}

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.move { flex: 1 1 300px; margin: 0; }
.code, .below code, .below th[scope=row] { font: 12.5px/1.65 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.code { background: var(--raised);
  border-radius: 8px; padding: 8px 0; overflow-wrap: anywhere; }
.line { display: flex; flex-wrap: wrap; gap: 0 14px; padding: 1px 12px 1px 0; border-left: 3px solid transparent; }
.line[aria-disabled] { color: var(--muted); font-style: italic; }
.line[aria-selected] { cursor: pointer; }
.line[aria-selected=true] { background: var(--back); border-left-color: var(--c1); }
.group + .group { margin-top: 8px; padding-top: 8px; border-top: 1px solid var(--grid); }
.source { display: flex; flex: 0 1 auto; min-width: 0; }
.no { flex: none; width: 3.4em; padding-right: 1em; text-align: right; color: var(--muted); user-select: none; }
.text { white-space: pre-wrap; min-width: 0; }
.comment { color: var(--muted); } .string { color: var(--c3); } .word { color: var(--c4); } .self { color: var(--c7); }
.sizes { margin-left: auto; text-align: right; }
.sizes > span { display: inline-block; margin-left: 10px; }
.below { margin-top: 14px; }
.below, .all, .pair { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px 32px; align-items: start; }
.all > * { grid-area: 1 / 1; }
.pair { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
.rest { visibility: hidden; }
.flow { display: grid; gap: 10px; }
.boxes { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; }
.narrow .pair { grid-template-columns: minmax(0, 1fr); }
.narrow .flow { grid-auto-flow: column; justify-content: start; gap: 28px; overflow-x: auto; }
.narrow .boxes { flex-wrap: nowrap; }
.narrow .flow p { white-space: nowrap; }
.flow p { margin: 0 0 6px; overflow-wrap: anywhere; color: var(--muted); font-size: 12.5px; }
.flow code { color: var(--ink); }
.flow figure { margin: 0; }
.boxes > *, .boxes svg { flex: none; max-width: none; }
thead th { overflow-wrap: normal; }
.below th[scope=row] { color: var(--ink); }
.below tr.later th { color: var(--muted); font-style: italic; }
.below tr.later td { visibility: hidden; }
.below tr.now > * { color: var(--c1); -webkit-text-stroke: .4px; }`; // bold would be wider

const TINTS = { B: "c1", L: "c2", d: "c3" };
const NAMES = { F: "fields", C: "columns of ids", P: "pairs", H: "heads" };

/** The colour of an axis: that of the first of B, L, d in its formula. */
const tint = (axis) => {
  const letters = Array.isArray(axis) ? axis.flatMap(([, of]) => of) : [];
  return TINTS[["d", "L", "B"].find((x) => letters.includes(x) || (x === "d" && letters.includes("d/H")))] || "ink";
};

export default widget("Shape trace", (ui, model) => {
  const get = (name) => model.get(name);
  const last = () => Math.max(0, get("steps").length - 1);
  const code = h("div", { class: "code", role: "listbox", tabindex: 0, "aria-label": "Lines of the code" });
  const flow = h("div", { class: "flow", role: "group", "aria-label": "Tensors of this line" }), list = h("div"), rest = h("div", { class: "all rest" });
  const below = h("div", { class: "below all" }, h("div", { class: "pair" }, flow, list), rest);
  ui.stage.append(h("style", { text: LAYOUT }), code, below);
  ui.row.append(
    stepper(ui, "step", { label: "Step", max: last, show: (i) => `${i + 1} of ${last() + 1}` }),
    play(ui, "step", { max: last, ms: 1300 }));
  const sliders = {
    B: slider(ui, "B", { label: "B, batch", min: 1, max: 256, step: 1, digits: 0, tint: "c1" }),
    L: slider(ui, "L", { label: "L, history", min: 1, max: 100, step: 1, digits: 0, tint: "c2" }),
    d: slider(ui, "d", { label: "d, embedding", min: get("unit"), max: 128 - (128 % get("unit")), step: get("unit"), digits: 0, tint: "c3" }),
  };
  ui.row.append(h("div", { class: "controls move" }, ...Object.values(sliders)));

  const go = (to) => change(ui, { step: clamp(to, 0, last()) });
  ui.listen(code, "keydown", (e) => {
    const step = get("step");
    const to = { ArrowDown: step + 1, ArrowRight: step + 1, ArrowUp: step - 1, ArrowLeft: step - 1, Home: 0, End: last() }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    go(to);
  });

  const hang = (text) => { const ch = text.search(/\S|$/) + 2; return `padding-left:${ch}ch;text-indent:-${ch}ch`; };
  let built = "", kept = "", rows = [], shown = null, serial = Math.random().toString(36).slice(2, 8);
  function build() {
    rows = [];
    code.replaceChildren(...get("code").map((block, b) => h("div", { class: "group", role: "group", "aria-label": block.name },
      ...block.rows.map((row, r) => {
        const sizes = h("span", { class: "sizes" }), idle = row.step < 0;
        const lines = row.text.split("\n").map((text) => h("div", { style: hang(text) }, ...(row.run ? pieces(text) : [["", text]]).map(([kind, part]) => h("span", { class: kind || null, text: part }))));
        const node = h("div", { class: "line", role: "option", id: `${serial}-${b}-${r}`, "aria-selected": idle ? null : "false", "aria-disabled": row.run ? null : "true",
          onclick: () => { if (!idle) go(row.step); } },
        h("div", { class: "source" }, h("span", { class: "no", "aria-hidden": "true", text: row.number }), h("div", { class: "text" }, ...lines)), sizes);
        if (!row.run) node.append(h("span", { class: "sizes", text: "not run" }));
        if (!idle) rows[row.step] = { node, sizes };
        return node;
      }))));
  }

  const times = (e, now) => (e.count === null ? "" : `${evaluate(e.count, now)} × `); // of a list
  const colored = (e, now) => {
    const parts = e.shape.flatMap((axis, i) => [i ? ", " : "", h("b", { style: `color:var(--${tint(axis)})`, text: evaluate(axis, now) })]);
    return h("span", {}, `${e.name} ${times(e, now)}(`, ...parts, e.shape.length === 1 ? ",)" : ")");
  };

  const sizeText = (e, now) => times(e, now) + tuple(e.shape.map((axis) => evaluate(axis, now)));

  const title = (e) => e.name + (e.shape.length > 3 ? " (three of its axes)" : "");
  /** A tensor as a box: B goes into the depth, L or F upwards, d to the right. */
  function box(e, now, named, empty) {
    const way = place(e.shape), n = (k) => (way[k] < 0 ? 1 : evaluate(e.shape[way[k]], now));
    const digits = (k) => 7.6 * String(n(k)).length; // in pixels
    const w = side(n("width")), t = side(n("height")), z = side(n("depth")) * 0.75, dx = z * 0.8, dy = z * 0.6;
    const left = way.height < 0 ? 4 : 10 + digits("height"), top = named ? 20 : 3, base = top + dy + t;
    const width = Math.max(left + w + dx / 2 + 9 + digits("depth"), left + w + dx + 4, 7.4 * title(e).length + 8), height = base + 20;
    if (empty) return h("figure", { style: `width:${width}px;height:${height}px` });
    const face = (opacity, d) => s("path", { d: `M${left},${top + dy}${d}z`, fill: "var(--c1)", "fill-opacity": opacity, stroke: "var(--line)", "stroke-linejoin": "round" });
    const edge = (k, x1, y1, x2, y2, x, y, anchor) => { // with its length beside it
      if (way[k] < 0) return [];
      const color = `var(--${tint(e.shape[way[k]])})`;
      return [s("line", { x1, y1, x2, y2, stroke: color, "stroke-width": 3, "stroke-linecap": "round" }),
        s("text", { x, y, "text-anchor": anchor, style: `font-weight:600;fill:${color}`, text: n(k) })];
    };
    const few = (k) => (n(k) <= 40 ? Array.from({ length: Math.max(0, n(k) - 1) }, (_, i) => (i + 1) / n(k)) : []);
    const cells = s("path", { stroke: "var(--line)", "stroke-opacity": 0.45, d: few("width").map((x) => `M${left + w * x},${top + dy}v${t}`)
      .concat(few("height").map((y) => `M${left},${top + dy + t * y}h${w}`)).join("") });
    return h("figure", {}, s("svg", { role: "img", "aria-label": `${e.name} ${e.text}: ${sizeText(e, now)}, ${e.type}`, width, height, viewBox: `0 0 ${width.toFixed(1)} ${height.toFixed(1)}` },
      face(0.1, `l${dx},${-dy}h${w}l${-dx},${dy}`), face(0.32, `m${w},0l${dx},${-dy}v${t}l${-dx},${dy}`), face(0.2, `h${w}v${t}h${-w}`), cells,
      ...edge("width", left, base, left + w, base, left + w / 2, base + 15, "middle"),
      ...edge("height", left, top + dy, left, base, left - 6, top + dy + t / 2 + 4, "end"),
      ...edge("depth", left + w, base, left + w + dx, base - dy, left + w + dx / 2 + 7, base - dy / 2 + 10, "start"),
      s("text", { class: "strong", x: 0, y: 12, text: title(e) })));
  }

  const arrow = () => s("svg", { width: 26, height: 12, "aria-hidden": "true" },
    s("path", { d: "M1,6H24M19,1.5L24.5,6L19,10.5", fill: "none", stroke: "var(--muted)", "stroke-width": 1.6 }));

  const main = (all) => all.filter((e) => e.kind === "input" || e.kind === "value" || e.kind === "return");

  /** A line's calls, what goes in and comes out, then what it makes itself. */
  function picture(here, now, empty) {
    const kinds = (c, kind) => here.entries.filter((e) => e.call === c && e.kind === kind), to = (name) => here.entries.some((e) => e.kind === "to" && e.name === name);
    const own = main(here.entries).filter((e) => !to(e.name)), first = own[0]?.kind;
    const group = (words, items) => h("div", {}, words && h("p", {}, words), h("div", { class: "boxes" },
      ...items.map((e) => (e ? box(e, now, items.some((x) => x && title(x)), empty) : arrow()))));
    return [...here.calls.map((text, c) => group(h("code", { text: text.length > 64 ? `${text.slice(0, 63)}…` : text }),
      [...kinds(c, "from"), ...kinds(c, "from").slice(0, 1).fill(null), ...kinds(c, "to")])),
    own.length ? group(first === "input" ? "What comes in:" : !here.calls.length ? null : first === "return" ? "and is returned:" : "and is assigned:", own) : "",
    here.varies ? h("p", { text: "This line ran more than once, with other shapes; these are of its first time." }) : ""];
  }

  /** A function's tensors after a step as rows of a table, and how many there are so far. */
  function rowsOf(block, step, now) {
    const known = new Map(), count = (e) => e.shape.reduce((x, axis) => x * evaluate(axis, now), e.count === null ? 1 : evaluate(e.count, now));
    let there = 0;
    get("steps").forEach((x, i) => {
      if (x.block !== block) return;
      for (const e of main(x.entries)) if (i <= step || !known.has(e.name)) known.set(e.name, e);
      if (i <= step) there = known.size;
    });
    return [[...known.values()].map((e) => [e.name, e.text, sizeText(e, now), count(e).toLocaleString("en").replace(/,/g, "\u202f")]), there];
  }
  const tensors = (block, lines, old) => table(`Tensors in ${get("code")[block].name} so far`, ["tensor", "shape", "here", "values"], lines, old);

  return () => {
    const steps = get("steps");
    if (!steps.length) return ui.message("There is no line to show.");
    const now = sizesOf(get("letters"), get("B"), get("L"), get("d")), step = clamp(get("step"), 0, last()), here = steps[step];
    if (built !== (built = JSON.stringify(get("code")))) build();
    for (const [letter, node] of Object.entries(sliders)) node.hidden = !get("moving").includes(letter);

    rows.forEach((row, i) => {
      if (!steps[i]) return;
      row.node.setAttribute("aria-selected", i === step);
      row.sizes.replaceChildren(...main(steps[i].entries).map((e) => colored(e, now)));
    });
    code.setAttribute("aria-activedescendant", rows[step].node.id);

    const [lines, there] = rowsOf(here.block, step, now), next = tensors(here.block, lines, shown), fresh = main(here.entries).map((e) => e.name);
    if (next !== shown) list.replaceChildren(shown = next);
    [...shown.tBodies[0].rows].forEach((row, i) => {
      row.classList.toggle("now", fresh.includes(lines[i][0]));
      row.classList.toggle("later", i >= there);
    });
    const narrow = below.classList.toggle("narrow", ui.width <= 600);
    flow.replaceChildren(...picture(here, now));
    flow.scrollLeft = 0;
    flow.tabIndex = narrow - 1; // there it may go on to the right

    // Every step, unseen, in the same place: the figure keeps its height.
    if (kept !== (kept = JSON.stringify([now, steps]))) {
      rest.replaceChildren(...get("code").flatMap((_, b) => (steps.some((x) => x.block === b) ? [h("div", { class: "pair" },
        h("div", { class: "all" }, ...steps.filter((x) => x.block === b).map((x) => h("div", { class: "flow" }, ...picture(x, now, true)))),
        h("div", { class: "all" }, ...[-1, Infinity].map((i) => tensors(b, rowsOf(b, i, now)[0]))))] : [])));
    }

    const all = steps.flatMap((x) => x.entries.flatMap((e) => [...e.shape, ...(e.count === null ? [] : [e.count])]));
    const notes = Object.entries(get("letters")).map(([name, value]) => `${name} = ${value}${NAMES[name] ? ` ${NAMES[name]}` : ""}`);
    const told = [notes.length ? `In ${get("model_name")}: ${notes.join(", ")}.` : ""];
    if (all.some((axis) => !Array.isArray(axis))) told.push("A size with a question mark follows no formula: it is shown as it was recorded.");
    if (all.some((axis) => evaluate(axis, now) < 0)) told.push("A size below 0: the model refuses these settings.");
    ui.note.textContent = told.join(" ");
    ui.say(`Step ${step + 1}: ${main(here.entries).map((e) => `${e.name} ${sizeText(e, now)}`).join("; ")}`);
  };
});
