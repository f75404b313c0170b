(() => {
  const slides = [...document.querySelectorAll(".slide")], counter = document.querySelector("nav output");
  let at = 0;
  const fit = (slide) => {  // what is too large for the room is drawn smaller, down to 60 %; below that, scroll
    const box = slide.querySelector(".fit");
    box.style.zoom = "";
    const room = slide.clientHeight - box.offsetTop - 8;
    if (box.scrollHeight > room) box.style.zoom = Math.max(0.6, room / box.scrollHeight);
  };
  const go = (to) => {
    at = Math.min(Math.max(to, 0), slides.length - 1);
    slides.forEach((slide, i) => { slide.classList.toggle("now", i === at); slide.inert = i !== at; });
    fit(slides[at]);
    counter.textContent = `${at + 1} / ${slides.length}`;
    history.replaceState(null, "", `#${at + 1}`);
  };
  const keys = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1, Home: -1e9, End: 1e9 };
  addEventListener("keydown", (event) => {
    const busy = event.target.closest?.("input, select, textarea, button, .rbh-widget, .rbh-practice");
    if (busy && !event.key.startsWith("Page")) return;
    if (event.key in keys) { event.preventDefault(); go(at + keys[event.key]); }
    if (event.key === "d") {
      const html = document.documentElement;
      html.dataset.theme = html.dataset.theme === "dark" ? "light" : "dark";
    }
  });
  document.querySelector(".back").addEventListener("click", () => go(at - 1));
  document.querySelector(".on").addEventListener("click", () => go(at + 1));
  let start = null;
  addEventListener("touchstart", (event) => {
    start = event.target.closest(".rbh-widget, .rbh-practice") ? null : event.touches[0].clientX;
  }, { passive: true });
  addEventListener("touchend", (event) => {
    const moved = start === null ? 0 : event.changedTouches[0].clientX - start;
    if (Math.abs(moved) > 60) go(at + (moved < 0 ? 1 : -1));
  });
  addEventListener("resize", () => fit(slides[at]));
  addEventListener("load", () => setTimeout(() => fit(slides[at]), 300));
  go((parseInt(location.hash.slice(1)) || 1) - 1);
})();
