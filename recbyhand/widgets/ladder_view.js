import { change, fmt, h, floats, isolate, s, styles, widget } from "./core.js";
import { chips, segments, select } from "./controls.js";
import { plot } from "./plots.js";

styles.push(`
.ladder th button { border: 0; padding: 2px 4px; min-height: 24px; color: inherit; background: none; text-align: inherit; }
.ladder thead button { width: 100%; }
.ladder th[aria-sort] button { color: var(--ink); font-weight: 600; }
.ladder tbody button { overflow-wrap: anywhere; }
.ladder tr[aria-selected=true] { background: var(--raised); }
.ladder tr[aria-selected=true] button { font-weight: 600; }
.ladder .edge::after { content: "◆"; }
.ladder td { white-space: nowrap; }
`);

// ---- mathematics -----------------------------------------------------------------------------------------

/** Which models no cheaper one (or one as cheap) beats: places into the two lists, cheapest first. */
export function frontier(score, cost) {
  const places = score.map((_, i) => i).filter((i) => Number.isFinite(score[i]) && Number.isFinite(cost[i]));
  places.sort((i, j) => cost[i] - cost[j] || score[j] - score[i]);
  let best = -Infinity;
  return places.filter((i) => score[i] > best && ((best = score[i]), true));
}

/** Places sorted by value, the largest first or last; what has no value comes at the end. */
export const order = (values, down) => values.map((_, i) => i).sort((i, j) => {
  const [a, b] = [values[i], values[j]], none = Number.isNaN(a) - Number.isNaN(b);
  return none || (down ? b - a : a - b) || i - j;
});

// ---- drawing ---------------------------------------------------------------------------------------------

const raise = (n) => [...String(n)].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])).join("");
/** A cost in few characters: 41,822; 3.5; 0. */
const short = (v) => (Number.isNaN(v) ? "–" : v >= 100 ? Math.round(v).toLocaleString("en") : fmt(v, v > 0 && v < 10 ? 1 : 0));

export default widget("Ladder of models", (ui, model) => {
  const get = (name) => model.get(name), names = get("models"), worlds = get("worlds"), kinds = [...new Set(get("kinds"))];
  const metrics = get("metrics"), costs = get("costs"), tint = (i) => `c${1 + kinds.indexOf(get("kinds")[i])}`;
  const slice = (name, k) => { // the N numbers of this data set and this metric or cost
    const { shape: [, K, N], data } = floats(get(name)), from = (get("data") * K + k) * N;
    return Array.from(data.slice(from, from + N));
  };
  const chart = plot("Score against cost"), body = h("tbody"), heads = new Map();
  const head = (key, text) => {
    const cell = h("th", { scope: "col" }, h("button", { type: "button", text, onclick: () => change(ui, { sort: key }) }));
    heads.set(key, cell);
    return cell;
  };
  const score = head("score", "");
  const table = h("table", { class: "ladder" }, h("thead", {}, h("tr", {}, head("model", "model"), score,
    ...costs.map((text, k) => head(`cost${k}`, text)))), body);
  ui.stage.append(chart.svg, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table of models" }, table));
  ui.row.append(worlds.length > 1 ? select(ui, "data", { label: "data", options: worlds.map((text, i) => [i, text]) }) : "",
    segments(ui, "metric", { label: "score", options: metrics.map((text, i) => [i, text]) }),
    segments(ui, "against", { label: "cost", options: costs.map((text, i) => [i, text]) }),
    chips(ui, "shown", { label: "Kinds of models", options: kinds.map((text, i) => [text, text, `c${i + 1}`]) }));
  const rows = names.map((name, i) => h("tr", {}, h("th", { scope: "row" },
    h("button", { type: "button", text: name, onclick: () => change(ui, { pick: get("pick") === i ? -1 : i }) })),
    ...[0, ...costs].map(() => h("td"))));

  return () => {
    const all = slice("score", get("metric")), error = slice("error", get("metric")), cost = slice("cost", get("against"));
    const seen = names.map((_, i) => i).filter((i) => get("shown").includes(get("kinds")[i]) && Number.isFinite(all[i]));
    if (!seen.length) return ui.message(names.length ? "No model of these kinds was measured here: switch a kind on." : "There are no models: give at least one row.");
    const mine = (list) => names.map((_, i) => (seen.includes(i) ? list[i] : NaN));
    const edge = frontier(mine(all), cost), pick = seen.includes(get("pick")) ? get("pick") : -1;

    // the plot: score against the logarithm of the cost; what costs nothing stands at the left edge
    const paid = cost.filter((v) => v > 0), low = paid.length ? Math.floor(Math.log10(Math.min(...paid))) : 0;
    const high = Math.max(low + 1, paid.length ? Math.ceil(Math.log10(Math.max(...paid))) : 1), at = (i) => (cost[i] > 0 ? Math.log10(cost[i]) : low);
    const ends = seen.flatMap((i) => [all[i] - (error[i] || 0), all[i] + (error[i] || 0)]), room = 0.06 * (Math.max(...ends) - Math.min(...ends)) || 0.01;
    const axes = chart.frame({ width: ui.width, height: ui.width < 500 ? 260 : 320, x: [low - 0.05, high], y: [Math.min(...ends) - room, Math.max(...ends) + room],
      left: 44, origin: false, title: metrics[get("metric")], xlabel: costs[get("against")] });
    for (const text of chart.svg.querySelectorAll("g:first-child text[text-anchor=middle]")) { // the axis holds powers of ten
      if (/^−?\d+$/.test(text.textContent)) text.textContent = `10${raise(text.textContent.replace("−", "-"))}`;
      else if (/^−?\d+\./.test(text.textContent)) text.remove();
    }
    axes.inside(axes.line(edge.map((i) => [at(i), all[i]]), { stroke: "var(--line)", "stroke-dasharray": "3 3", "stroke-width": 1.5 }));
    for (const i of seen) {
      const x = axes.X(at(i)), [a, b] = [axes.Y(all[i] - (error[i] || 0)), axes.Y(all[i] + (error[i] || 0))], color = `var(--${tint(i)})`;
      axes.add(s("line", { x1: x, x2: x, y1: a, y2: b, stroke: color, "stroke-width": 1.5 }),
        s("circle", { cx: x, cy: axes.Y(all[i]), r: i === pick ? 7 : 4.5, fill: color, stroke: i === pick ? "var(--ink)" : "var(--back)", style: "cursor:pointer",
          onclick: () => change(ui, { pick: i }), onpointermove: () => ui.tip(x, axes.Y(all[i]), [names[i], `${metrics[get("metric")]} ${fmt(all[i])}`, `${costs[get("against")]}: ${short(cost[i])}`]), onpointerleave: () => ui.tip() }));
    }
    const named = pick >= 0 ? [pick] : [...new Set([edge.at(-1), edge[0]])];
    for (const i of named) {
      const right = axes.X(at(i)) < ui.width / 2;
      axes.add(s("text", { class: "strong", x: axes.X(at(i)) + (right ? 9 : -9), y: axes.Y(all[i]) - 8, "text-anchor": right ? "start" : "end", text: names[i], style: "paint-order:stroke;stroke:var(--back);stroke-width:4px" }));
    }

    // the table
    score.firstChild.textContent = metrics[get("metric")];
    const key = get("sort"), column = key === "score" ? all : key.startsWith("cost") ? slice("cost", +key.slice(4)) : names.map((_, i) => i);
    const prices = costs.map((_, k) => slice("cost", k)), down = key === "score", narrow = ui.width < 520;
    costs.forEach((_, k) => (heads.get(`cost${k}`).hidden = narrow && k !== get("against")));
    heads.forEach((cell, name) => { name === key ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"); });
    const focus = body.getRootNode().activeElement;
    body.replaceChildren(...order(column, down).filter((i) => seen.includes(i)).map((i) => {
      const [, ...cells] = rows[i].children;
      rows[i].setAttribute("aria-selected", i === pick);
      rows[i].firstChild.className = edge.includes(i) ? "edge" : "";
      cells[0].textContent = fmt(all[i]) + (error[i] > 0 ? ` ± ${error[i].toFixed(3)}` : "");
      costs.forEach((_, k) => {
        cells[k + 1].textContent = short(prices[k][i]);
        cells[k + 1].hidden = narrow && k !== get("against"); // a telephone has room for one price
      });
      return rows[i];
    }));
    focus?.focus?.({ preventScroll: true }); // moving a row takes the focus from its button

    const best = edge.at(-1), words = pick >= 0
      ? `${isolate(names[pick])}: ${metrics[get("metric")]} ${fmt(all[pick])}, place ${1 + seen.filter((i) => all[i] > all[pick]).length} of ${seen.length}; ${costs[get("against")]}: ${short(cost[pick])}.`
      : `Best on ${isolate(worlds[get("data")])}: ${isolate(names[best])}, ${metrics[get("metric")]} ${fmt(all[best])}. ◆ marks what nothing cheaper beats.`;
    ui.note.textContent = words;
    chart.svg.setAttribute("aria-label", `${metrics[get("metric")]} against ${costs[get("against")]} of ${seen.length} models. ${words}`);
    ui.say(words);
  };
});
