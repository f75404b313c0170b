// What scrolls sideways must be reachable by keyboard, and fades out at the side where it goes on (book.css).
const BOXES = ".formula, pre, .cell_output .output, .cell_output [style*=overflow-x], .pst-scrollable-table-container";
const fade = (box) => {
  box.classList.toggle("goes-on", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  box.classList.toggle("came-from", box.scrollLeft > 1);
};
// Measured by an observer, when the browser has laid the page out: asking at once would make it do so again and again.
const seen = new IntersectionObserver((entries) => {
  const wide = entries.map(({ target }) => target.scrollWidth > target.clientWidth + 1);
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
addEventListener("resize", reach);

// On paper nothing can be unfolded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details.hide:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => folded.forEach((one) => (one.open = false)));
