import { fill, styles } from "./core.js";

// Formulas inside a widget's sentences, as MathML, which browsers draw and screen readers read by themselves.
// Written as numbers, letters and signs; x_i, x^2, √(...), and {a}/{b} for a fraction. Never from data: names of films
// and fields stand beside a formula, as text.

styles.push(`
math :is(mi, mn, mo) { font-family: var(--pst-font-family-base, var(--jp-ui-font-family, system-ui, sans-serif)); }
math mi { text-transform: none; }
math .letter { font-style: italic; }
math mi + mi { padding-inline-start: 0.15em; }
math msqrt > * { padding-block-start: 2px; }
math mfrac { math-style: normal; margin-block: 2px; }`);

const mathNode = (tag, ...children) => fill(document.createElementNS("http://www.w3.org/1998/Math/MathML", tag), {}, children);

/** The MathML of a formula; a line may break before each = of a long one, as no browser breaks one by itself. */
export function formula(text) {
  const all = document.createDocumentFragment();
  (text.length > 24 ? text.split(/ (?== )/) : [text]).forEach((part, i) => all.append(i ? " " : "", unbroken(part)));
  return all;
}

function unbroken(text) {
  const tokens = text.match(/[\d.]+(?:e[−+]?\d+)?|\p{L}+′?|[^\s]/gu) || [];
  let at = 0;
  const row = (end) => {
    const parts = [];
    while (at < tokens.length && tokens[at] !== end) parts.push(whole());
    at++;
    return mathNode("mrow", ...parts);
  };
  const one = () => {
    const before = tokens[at - 1] || "=";
    let token = tokens[at++];
    if (token === "−" && "(={".includes(before) && /\d/.test(tokens[at])) token += tokens[at++]; // a number's own sign
    if (token === "{") return row("}");
    if (token === "√" && tokens[at] === "(") return at++, mathNode("msqrt", row(")"));
    if (/^−?[\d.½]/.test(token)) return mathNode("mn", token);
    if (/^[\p{L}∞]/u.test(token)) return fill(mathNode("mi", token), { class: /^.′?$/u.test(token) && "letter" }, []);
    return fill(mathNode("mo", token), { stretchy: "()".includes(token) && "false" }, []);
  };
  const whole = () => {
    let base = one(), low = null, high = null;
    while ("_^".includes(tokens[at] || " ")) if (tokens[at++] === "_") low = one(); else high = one();
    if (low || high) base = mathNode(low && high ? "msubsup" : low ? "msub" : "msup", base, low, high);
    return tokens[at] === "/" ? (at++, mathNode("mfrac", base, whole())) : base;
  };
  return mathNode("math", row(null));
}

/** The same as plain text, for where no element can stand: an announcement, a label. */
export const plain = (text) => text.replace(/[{}_^]/g, "");
