// What scrolls sideways must be reachable by keyboard.
const reach = () => {
  for (const box of document.querySelectorAll(".formula, pre, .cell_output .output, .pst-scrollable-table-container")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
addEventListener("load", reach);
addEventListener("resize", reach);
