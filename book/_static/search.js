// The search page: looks through search-text.js (one row per section) for all words asked for; see book/_ext/search_text.py.
"use strict";
(() => {
  const GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau upsilon phi chi psi omega".split(" ");
  const root = document.documentElement.dataset.content_root || "./";
  const box = document.getElementById("search-results"), said = document.getElementById("search-status");
  const MOST = 60, AROUND = 90;

  // Same length as the original, letter by letter, so that a place in one is a place in the other.
  const fold = (text) => Array.from(text, (c) => {
    const plain = c.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    return plain.length === c.length ? plain : c;
  }).join("");
  const letter = (c) => c !== undefined && /[\p{L}\p{N}]/u.test(c) && !/\p{Script=Han}/u.test(c);

  // A word, and what may stand for it: the letter of a Greek name, a plural's singular.
  const forms = (word) => {
    const found = [word], greek = GREEK.indexOf(word);
    if (greek >= 0) found.push(String.fromCharCode(0x3b1 + greek));
    if (/[a-z]{3,}s$/.test(word)) found.push(word.slice(0, -1));
    return found;
  };

  // The first place of a form that begins a word; inside a word only for three letters or more, or Chinese.
  function place(text, words) {
    let inside = -1;
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
        if (!letter(text[at - 1]) || !letter(word[0])) {
          if (word.length > 2 || !letter(text[at + word.length]) || !letter(word[0])) return { at, word, begins: true };
        } else if (inside < 0 && word.length > 3) inside = at;
      }
      if (inside >= 0) return { at: inside, word, begins: false };
    }
    return null;
  }

  function score(row, words) {
    let total = 0;
    for (const word of words) {
      let best = 0;
      row.folded.forEach((text, field) => {
        const found = place(text, word);
        if (!found) return;
        const whole = text.length === found.word.length || text.split(" · ").includes(found.word);
        best = Math.max(best, [3, 8, 1, 5][field] * (found.begins ? 2 : 1) + (whole ? 12 : 0));
      });
      if (!best) return 0;
      total += best;
    }
    return /\/(errata|source_map)$/.test(row.page) ? total / 4 : total; // tables of references come last
  }

  // The text in pieces, all places in <mark>.
  function marked(text, folded, words) {
    const pieces = [];
    let at = 0;
    while (at < text.length) {
      let next = null;
      for (const w of words) {
        const found = place(folded.slice(at), w);
        if (found && (!next || found.at < next.at)) next = found;
      }
      if (!next) break;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(at + next.at, at + next.at + next.word.length);
      pieces.push(text.slice(at, at + next.at), mark);
      at += next.at + next.word.length;
    }
    return [...pieces, text.slice(at)];
  }

  // Text around the first place.
  function excerpt(text, folded, words) {
    const first = Math.min(...words.map((w) => place(folded, w)?.at ?? Infinity));
    const from = Number.isFinite(first) ? Math.max(0, text.lastIndexOf(" ", Math.max(0, first - AROUND)) + 1) : 0;
    const cut = text.slice(from, from + 2 * AROUND + 60), low = folded.slice(from, from + 2 * AROUND + 60);
    const p = document.createElement("p");
    if (from) p.append("… ");
    p.append(...marked(cut, low, words));
    if (from + cut.length < text.length) p.append(" …");
    return p;
  }

  function show(query) {
    const words = fold(query).replace(/[\\$"“”]/g, " ").split(/\s+/).filter(Boolean).map(forms);
    const rows = window.searchText.map(([page, anchor, title, heading, text, keys]) => ({
      page, anchor, title, heading, text, folded: [title, heading, text, keys].map(fold),
    }));
    let found = rows.map((row, order) => ({ row, order, score: words.length ? score(row, words) : 0 }));
    found = found.filter((f) => f.score).sort((a, b) => b.score - a.score || a.order - b.order);
    said.textContent = found.length
      ? `${found.length} ${found.length === 1 ? "section" : "sections"} with “${query}”` + (found.length > MOST ? `, the first ${MOST} of them:` : ":")
      : `Nothing found for “${query}”. Try fewer words, or the beginning of one.`;
    box.replaceChildren(...found.slice(0, MOST).map(({ row }) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `${root}${row.page}.html${row.anchor ? "#" + row.anchor : ""}`;
      const heading = row.heading || row.title;
      link.append(...marked(heading, fold(heading), words));
      item.append(link);
      if (row.heading && row.heading !== row.title) {
        const where = document.createElement("span");
        where.className = "search-page";
        where.textContent = row.title;
        item.append(" ", where);
      }
      item.append(excerpt(row.text, row.folded[2], words));
      return item;
    }));
  }

  const query = (new URLSearchParams(location.search).get("q") || "").trim();
  const field = document.querySelector("main input[type=search]");
  if (field) field.value = query;
  if (!query) { field?.focus(); return; }
  said.textContent = "Searching …";
  const script = document.createElement("script");
  script.src = `${root}_static/search-text.js`;
  script.onload = () => show(query);
  script.onerror = () => { said.textContent = "The text of the book could not be loaded."; };
  document.head.append(script);
})();
