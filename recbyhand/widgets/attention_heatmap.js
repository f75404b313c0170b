import { change, clamp, floats, fmt, h, isolate, softmax, widget } from "./core.js";
import { select, slider, toggle } from "./controls.js";
import { canvas2d, readable } from "./plots.js";

// ---- mathematics -----------------------------------------------------------------------------------------

/** Weights (rows of Float64Array) of scores {shape, data}: the softmax of each row over what its mask leaves,
 *  or the scores themselves, 0 where masked. A score of -infinity counts as masked. */
export function weightsOf(scores, mask, normalise, temperature) {
  const [rows, columns] = scores.shape;
  return Array.from({ length: rows }, (_, i) => {
    const row = scores.data.slice(i * columns, (i + 1) * columns);
    const real = Array.from(row, (v, j) => v !== -Infinity && (!mask || mask[i * columns + j] > 0));
    return normalise ? softmax(row, real, temperature) : Float64Array.from(row, (v, j) => (real[j] ? v : 0));
  });
}

/** The order of the columns: as given, by the weights of one row, or by their sums; largest first. */
export function columnOrder(weights, columns, sort, row) {
  const order = Array.from({ length: columns }, (_, j) => j);
  if (sort === "given") return order;
  const by = sort === "row" ? weights[row] : order.map((j) => weights.reduce((sum, w) => sum + w[j], 0));
  return order.sort((a, b) => by[b] - by[a] || a - b);
}

/** How opaque a cell is, on a scale that no setting moves. Weights by their square root: 1/64 can be told from 0,
 *  and a row that softens from one weight of 1 to eight of 1/8 is seen to pale. Scores in proportion. */
export const opacityOf = (value, reach, weight) => (weight ? Math.sqrt(value / reach) : Math.abs(value) / reach);

export const total = (row) => row.reduce((a, b) => a + b, 0);

// ---- drawing ---------------------------------------------------------------------------------------------

const LAYOUT = `
.map { position: relative; outline-offset: 4px; touch-action: pan-y; cursor: crosshair; }
.map canvas { position: relative; max-width: none; }
.map .cells { position: absolute; image-rendering: pixelated; }
.scale { display: flex; align-items: center; gap: 8px; color: var(--muted); font-size: 12px; margin-top: 8px; font-variant-numeric: tabular-nums; }
.scale i { width: 120px; height: 8px; border-radius: 2px; border: 1px solid var(--grid); }`;

const parts = (color) => color.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));

/** Diagonal lines that join from tile to tile. */
function hatch(ctx, color) {
  const tile = document.createElement("canvas"), ratio = window.devicePixelRatio || 1, n = Math.round(8 * ratio);
  [tile.width, tile.height] = [n, n];
  const pen = tile.getContext("2d");
  pen.strokeStyle = color;
  pen.lineWidth = ratio * 0.8;
  for (const shift of [-n, 0, n]) { pen.moveTo(shift, n); pen.lineTo(shift + n, 0); }
  pen.stroke();
  const pattern = ctx.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

const FONT = (size, bold) => `${bold ? "600 " : ""}${size}px system-ui, sans-serif`;

export default widget("Attention heatmap", (ui, model) => {
  const get = (name) => model.get(name);
  // The cells are one pixel each, enlarged by the browser, as quick for 64 by 64 as for one; titles, mask and
  // frame lie over them on a canvas of full size, drawn again only when one of them changes.
  const cells = h("canvas", { "aria-hidden": "true", class: "cells" }), canvas = h("canvas", { "aria-hidden": "true" });
  const map = h("div", { class: "map", tabindex: "0", role: "application", "aria-roledescription": "heatmap" }, cells, canvas);
  const low = h("span"), high = h("span"), bar = h("i");
  ui.stage.append(h("style", { text: LAYOUT }), map, h("div", { class: "scale" }, low, bar, high));

  const masked = toggle(ui, "use_mask", { label: "mask applied" }), hatched = toggle(ui, "show_mask", { label: "mask drawn" });
  const heat = slider(ui, "temperature", { label: "temperature", min: 0.1, max: 10, step: 0.02, scale: "log", show: (x) => fmt(x, 2) });
  const settings = h("div", { class: "row wide" }, toggle(ui, "softmax", { label: "softmax" }), masked, hatched);
  settings.style.marginBottom = 0;
  ui.controls.append(settings, heat,
    select(ui, "sort", { label: "columns", options: [["given", "as given"], ["row", "by the chosen row"], ["total", "by their sums"]] }));

  const fitted = new Map(); // titles cut to their room: measuring text is what would cost time
  let drawn = "";
  let view = null; // what was drawn last: geometry and order, for the pointer and the keys
  const cellAt = (e) => {
    if (!view) return null;
    const box = canvas.getBoundingClientRect();
    const c = Math.floor((e.clientX - box.left - view.left) / view.w), r = Math.floor((e.clientY - box.top - view.top) / view.hgt);
    return c >= 0 && r >= 0 && c < view.order.length && r < view.weights.length ? [r, view.order[c]] : null;
  };
  const name = (axis, i) => get(axis === "row" ? "rows" : "columns")[i] || `${get(`${axis}_name`)} ${i + 1}`;
  ui.listen(map, "pointermove", (e) => {
    const cell = cellAt(e);
    if (!cell) return ui.tip();
    const box = canvas.getBoundingClientRect();
    ui.tip(e.clientX - box.left, e.clientY - box.top, [name("row", cell[0]), `→ ${name("column", cell[1])}`, fmt(view.weights[cell[0]][cell[1]], 4)]);
  });
  ui.listen(map, "pointerleave", () => ui.tip());
  ui.listen(map, "pointerdown", (e) => {
    const cell = cellAt(e);
    if (cell) change(ui, { row: cell[0], column: cell[1] });
  });
  ui.listen(map, "keydown", (e) => {
    if (!view) return;
    const at = view.order.indexOf(view.column), last = view.order.length - 1, end = view.weights.length - 1;
    const to = {
      ArrowLeft: [view.row, at - 1], ArrowRight: [view.row, at + 1], ArrowUp: [view.row - 1, at], ArrowDown: [view.row + 1, at],
      Home: [view.row, 0], End: [view.row, last], PageUp: [0, at], PageDown: [end, at],
    }[e.key];
    if (!to) return;
    e.preventDefault();
    change(ui, { row: clamp(to[0], 0, end), column: view.order[clamp(to[1], 0, last)] });
  });

  return () => {
    view = null;
    const scores = floats(get("scores")), [rows, columns] = scores.shape;
    const given = floats(get("mask")).data, hasMask = given.length > 0, mask = hasMask && get("use_mask") ? given : null;
    masked.hidden = hatched.hidden = !hasMask;
    heat.hidden = !get("softmax");
    if (!rows || !columns) return ui.message("There are no scores: give at least one row and one column.");
    if (scores.data.some((v) => Number.isNaN(v) || v === Infinity)) return ui.message("The scores hold NaN or infinity: no weights can be drawn.");
    const weights = weightsOf(scores, mask, get("softmax"), get("temperature"));
    if (scores.data.every((v, i) => v === -Infinity || (mask && !mask[i]))) {
      return ui.message(`Every ${get("column_name")} is masked: there is nothing to attend to, and all weights are 0.`);
    }
    const row = clamp(get("row"), 0, rows - 1), column = clamp(get("column"), 0, columns - 1);
    const order = columnOrder(weights, columns, get("sort"), row);
    const color = Object.fromEntries(["ink", "muted", "line", "grid", "back", "c1", "c2"].map((n) => [n, ui.color(n)]));

    // Room for labels, then cells as large as fit.
    const pen = canvas.getContext("2d");
    pen.font = FONT(12, true); // a chosen title is bold
    const longest = (axis, n) => Math.max(...Array.from({ length: n }, (_, i) => pen.measureText(name(axis, i)).width));
    const left = Math.ceil(Math.min(longest("row", rows), ui.width * 0.3, 260)) + 10;
    const sums = Math.max(50, 14 + Math.max(...weights.map((line) => pen.measureText(fmt(total(line), 2)).width)) * 1.1), w = clamp((ui.width - left - sums) / columns, 1, 46);
    const hgt = clamp(w, rows > 30 ? 12 : 18, 34), top = Math.ceil(Math.min(longest("column", columns) + 4, ui.width < 500 ? 120 : 160)) + 12;
    const height = top + rows * hgt + 6;
    // One scale, whatever the settings: weights from 0 to 1, scores to their largest, masked or not.
    const finite = Array.from(scores.data).filter(Number.isFinite), least = get("softmax") ? 0 : Math.min(0, ...finite);
    const reach = get("softmax") ? 1 : Math.max(...finite, -least) || 1;
    const ink = (v) => opacityOf(v, reach, get("softmax"));
    const gap = w > 8 ? 1 : 0;
    const image = new ImageData(columns, rows), paint = { pos: parts(color.c1), neg: parts(color.c2) };
    for (let i = 0, at = 0; i < rows; i++) {
      for (let c = 0; c < columns; c++, at += 4) {
        const v = weights[i][order[c]], tint = v < 0 ? paint.neg : paint.pos;
        image.data[at] = tint[0]; image.data[at + 1] = tint[1]; image.data[at + 2] = tint[2];
        image.data[at + 3] = Math.round(255 * ink(v));
      }
    }
    [cells.width, cells.height] = [columns, rows];
    cells.getContext("2d").putImageData(image, 0, 0);
    Object.assign(cells.style, { left: `${left}px`, top: `${top}px`, width: `${columns * w}px`, height: `${rows * hgt}px` });

    const draw = () => {
      const ctx = canvas2d(canvas, ui.width, height);
      if (gap) {
        ctx.fillStyle = color.back;
        for (let c = 1; c <= columns; c++) ctx.fillRect(left + c * w - 1, top, 1, rows * hgt);
        for (let i = 1; i <= rows; i++) ctx.fillRect(left, top + i * hgt - 1, columns * w, 1);
      }
      ctx.strokeStyle = color.grid;
      ctx.lineWidth = 1;
      ctx.strokeRect(left - 0.5, top - 0.5, columns * w, rows * hgt);
      if (hasMask && get("show_mask")) {
        ctx.beginPath();
        for (let i = 0; i < rows; i++) {
          for (let c = 0, from = 0; c <= columns; c++) { // neighbours as one area
            if (c < columns && !given[i * columns + order[c]]) continue;
            if (c > from) ctx.rect(left + from * w, top + i * hgt, (c - from) * w - gap, hgt - gap);
            from = c + 1;
          }
        }
        ctx.fillStyle = hatch(ctx, color.line);
        ctx.fill();
      }
      if (w >= 38) { // room for the value itself
        ctx.font = FONT(11);
        ctx.textAlign = "center";
        ctx.textBaseline = "middle";
        for (let i = 0; i < rows; i++) {
          for (let c = 0; c < columns; c++) {
            const v = weights[i][order[c]];
            if (hasMask && !given[i * columns + order[c]] && (mask || get("show_mask"))) continue;
            ctx.fillStyle = readable(v < 0 ? color.c2 : color.c1, color.back, ink(v), color.ink, color.back);
            ctx.fillText(v && Math.abs(v) < 0.005 ? "~0" : fmt(v, 2), left + c * w + w / 2, top + i * hgt + hgt / 2 + 0.5);
          }
        }
      }
      const fit = (text, room) => {
        const key = `${ctx.font} ${Math.round(room)} ${text}`;
        if (!fitted.has(key)) fitted.set(key, cut(text, room));
        return fitted.get(key);
      };
      const cut = (text, room) => {
        if (ctx.measureText(text).width <= room) return text;
        const letters = [...text];
        let lo = 0, hi = letters.length;
        while (lo < hi) {
          const mid = (lo + hi + 1) >> 1;
          ctx.measureText(letters.slice(0, mid).join("") + "…").width <= room ? (lo = mid) : (hi = mid - 1);
        }
        return letters.slice(0, lo).join("").trimEnd() + "…";
      };

      // Labels: as many as stay legible, and always those of the chosen cell.
      ctx.textBaseline = "middle";
      const size = hgt < 15 ? 10.5 : 12, everyRow = Math.ceil((size + 1) / hgt), everyColumn = Math.ceil(12 / w);
      for (let i = 0; i < rows; i++) {
        const chosen = i === row;
        if (i % everyRow && !chosen) continue;
        ctx.font = FONT(size, chosen);
        ctx.fillStyle = chosen ? color.ink : color.muted;
        ctx.textAlign = "right";
        ctx.fillText(fit(name("row", i), left - 8), left - 7, top + i * hgt + hgt / 2);
        ctx.textAlign = "left";
        ctx.fillText(fmt(total(weights[i]), 2), left + columns * w + 7, top + i * hgt + hgt / 2);
      }
      ctx.font = FONT(11);
      ctx.fillStyle = color.muted;
      ctx.fillText("sum", left + columns * w + 7, top - 9);
      for (let c = 0; c < columns; c++) {
        const chosen = order[c] === column, near = Math.abs(c - order.indexOf(column)) * w < 12;
        if (!chosen && (c % everyColumn || near)) continue;
        ctx.save();
        ctx.translate(left + (c + 0.5) * w, top - 7);
        ctx.rotate(-Math.PI / 2);
        ctx.font = FONT(w < 15 ? 10.5 : 12, chosen);
        ctx.fillStyle = chosen ? color.ink : color.muted;
        ctx.textAlign = "left";
        ctx.fillText(fit(name("column", order[c]), top - 10), 0, 0);
        ctx.restore();
      }
      ctx.strokeStyle = color.ink;
      ctx.lineWidth = 2;
      ctx.strokeRect(left + order.indexOf(column) * w - 1, top + row * hgt - 1, w + 2 - gap, hgt + 2 - gap);
    };

    const written = JSON.stringify([ui.width, height, left, top, w, row, column, order, color, weights.map((r) => fmt(total(r), 2)),
      get("rows"), get("columns"), get("row_name"), get("column_name"), window.devicePixelRatio,
      hasMask && get("show_mask"), Boolean(mask), w >= 38 && weights.map((r) => Array.from(r))]);
    if (drawn !== (drawn = written)) draw();

    const at = [0, 0.02, 0.08, 0.2, 0.4, 0.7, 1], mix = (t) => `color-mix(in srgb, var(--c1) ${100 * ink(t * reach)}%, var(--back))`;
    bar.style.background = least < 0 ? "linear-gradient(to right, var(--c2), var(--back), var(--c1))"
      : `linear-gradient(to right, ${at.map((t) => `${mix(t)} ${100 * t}%`)})`;
    low.textContent = least < 0 ? fmt(-reach, 2) : "0";
    high.textContent = fmt(reach, 2);
    view = { left, top, w, hgt, order, weights, row, column };

    const index = row * columns + column, raw = scores.data[index], weight = weights[row][column], sum = total(weights[row]);
    const out = raw === -Infinity || (mask && !mask[index]), all = weights[row].every((v) => v === 0) && get("softmax");
    const words = `${isolate(name("row", row))} → ${isolate(name("column", column))}: `
      + (get("softmax") ? `weight ${fmt(weight, 4)} (score ${fmt(raw, 3)})` : `score ${fmt(raw, 4)}`) + (out ? ", masked" : "")
      + `. Sum of the row: ${fmt(sum, 4)}.` + (all ? ` Every ${get("column_name")} of this row is masked: its weights are 0, not NaN.` : "");
    ui.note.textContent = words;
    map.setAttribute("aria-label", `${get("row_name")} by ${get("column_name")}, ${rows} by ${columns}; arrow keys move. ${words}`);
    ui.say(words);
  };
});
