// What scrolls sideways must be reachable by keyboard, and fades out at the side where it goes on (book.css).
const BOXES = ".formula, pre, .cell_output .output, .cell_output [style*=overflow-x], .pst-scrollable-table-container";
const fade = (box) => {
  box.classList.toggle("goes-on", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  box.classList.toggle("came-from", box.scrollLeft > 1);
};
// Measured by an observer, when the browser has laid the page out: asking at once would make it do so again and again.
const seen = new IntersectionObserver((all) => {
  const entries = all.filter((entry) => entry.isIntersecting); // what is folded, or waits (below), is asked for when it comes
  const wide = entries.map(({ target }) => target.scrollWidth > target.clientWidth); // by one pixel, too
  entries.forEach(({ target: box }, i) => {
    if (wide[i]) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    fade(box);
  });
}, { rootMargin: "99999px" });
const reach = () => {
  for (const box of document.querySelectorAll(BOXES)) {
    seen.unobserve(box);
    seen.observe(box);
  }
};
addEventListener("scroll", (event) => event.target.matches?.(BOXES) && fade(event.target), true);
addEventListener("toggle", reach, true); // a folded cell was opened
addEventListener("load", reach);
// Letters of another width may have come. `fonts.ready` is too early: what is laid out later (below) asks for fonts later.
document.fonts?.addEventListener("loadingdone", () => setTimeout(reach));
addEventListener("resize", reach);

// What book.css has wait is laid out when nothing else is to do, a few milliseconds at a time; or at once, when one goes
// to a place in the page.
{
  const root = document.documentElement, parts = "part" in root.dataset ? [...document.querySelectorAll(".bd-article section section > *")] : [];
  const idle = window.requestIdleCallback ?? setTimeout; // Safari has none
  const follow = () => {
    const end = performance.now() + 6;
    while (parts.length && performance.now() < end) {
      const part = parts.shift();
      part.style.contentVisibility = "visible";
      part.offsetHeight; // else all would be laid out at once after all
    }
    if (parts.length) idle(follow);
    else delete root.dataset.part;
  };
  const whole = () => {
    parts.length = 0;
    delete root.dataset.part;
  };
  let from = scrollY;
  const leap = () => { // by a key, a search, a script: what one comes to stays in its place when all above it is laid out
    const far = Math.abs(scrollY - from) > innerHeight, at = far && document.elementFromPoint(innerWidth / 2, innerHeight / 2);
    from = scrollY;
    if (!parts.length || !at) return;
    const top = at.getBoundingClientRect().top;
    root.style.overflowAnchor = "none"; // or the browser would hold it a second time
    whole();
    scrollBy({ top: at.getBoundingClientRect().top - top, behavior: "instant" });
    requestAnimationFrame(() => root.style.removeProperty("overflow-anchor"));
  };
  addEventListener("scroll", leap);
  addEventListener("click", (event) => event.target.closest?.("a[href*='#']") && whole(), true);
  for (const what of ["hashchange", "rbh-all"]) addEventListener(what, whole);
  addEventListener("load", () => idle(follow));
}

// The rest of a docstring in a listing.
addEventListener("click", ({ target: button }) => {
  if (!button.matches?.(".unfold")) return;
  const open = button.getAttribute("aria-expanded") === "false";
  for (const part of [button, button.parentElement]) {
    if (part.nextElementSibling?.matches(".folded")) part.nextElementSibling.classList.toggle("open", open);
  }
  button.setAttribute("aria-expanded", open);
  if (open) button.dataset.more = button.textContent;
  button.textContent = open ? "fewer lines" : button.dataset.more;
});

// On paper nothing can be unfolded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details.hide:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => folded.forEach((one) => (one.open = false)));

// Previous and next page by the arrow keys, where nothing else has a use for them.
addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key], at = document.activeElement;
  if (!rel || document.querySelector("dialog[open]")) return;
  if (at?.matches("input, textarea, select, button, [contenteditable], [role], .goes-on, .came-from, .rbh-widget *")) return;
  const to = document.querySelector(`link[rel="${rel}"]`);
  if (to) location.href = to.href;
});

// The drawer of contents closes when a link in it is followed, on this page or to another.
addEventListener("click", (event) => {
  if (event.target.closest?.("dialog[open] a[href]")) event.target.closest("dialog").close();
});

// The menu of a page (downloads, places to run it): opens by its button, closes by Escape or when one goes elsewhere.
for (const button of document.querySelectorAll("[data-bs-toggle=dropdown]")) {
  const whole = button.parentElement, menu = whole.querySelector(".dropdown-menu");
  const set = (open) => {
    menu.classList.toggle("show", open);
    button.setAttribute("aria-expanded", open);
  };
  button.addEventListener("click", () => set(!menu.classList.contains("show")));
  document.addEventListener("click", ({ target }) => button.contains(target) || set(false));
  whole.addEventListener("focusout", ({ relatedTarget: to }) => to && !whole.contains(to) && set(false));
  whole.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      set(false);
      button.focus();
    } else if (step) {
      event.preventDefault();
      set(true);
      const items = [...menu.querySelectorAll("a, button")], at = items.indexOf(document.activeElement);
      items[at < 0 ? (step > 0 ? 0 : items.length - 1) : (at + step + items.length) % items.length].focus();
    }
  });
}

// On a telephone a row is a card, without the table's head: where it has many cells, each says what it is.
for (const table of document.querySelectorAll(".made table")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => {
    const bare = /^[\d.,]+$/.test(cell.textContent.trim()); // a number that says nothing by itself
    if (i && heads[i] && (heads.length > 3 || bare)) cell.dataset.label = heads[i];
    if (i) cell.classList.toggle("bare", bare);
  });
}

// A long page of tables gets a field that leaves only the rows with the words typed.
{
  const rows = [...document.querySelectorAll(".made tbody tr")];
  if (rows.length > 40) {
    const field = Object.assign(document.createElement("input"), { type: "search", className: "filter", placeholder: "Filter these rows" });
    field.setAttribute("aria-label", "Filter these rows");
    document.querySelector(".made").prepend(field);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      for (const table of document.querySelectorAll(".made table")) {
        const part = table.closest(".pst-scrollable-table-container") ?? table;
        part.hidden = !table.querySelector("tbody tr:not([hidden])");
        if (part.previousElementSibling?.matches("p")) part.previousElementSibling.hidden = part.hidden;
      }
    });
  }
}
