// One small exercise in a page, without a kernel: order the lines, fill the shape, predict and then see.
// Buttons, lists and radio buttons only: nothing is dragged, so a thumb, a keyboard and a screen reader all do.
(root) => {
  const out = root.querySelector("output");
  const words = JSON.parse(root.dataset.words);
  const say = (right, html) => {
    out.className = right ? "right" : "";
    out.innerHTML = `<strong>${right ? "\u2713" : "\u2717"} ${right ? words.right : words.wrong}</strong> ${html}`;
  };
  const finish = () => {
    say(true, root.querySelector(".end").innerHTML);
    const detail = { name: root.dataset.name };
    root.dispatchEvent(new CustomEvent("rbh-practice", { bubbles: true, detail }));
  };

  // Order the lines: a line may come as soon as everything that it needs stands above it.
  const made = root.querySelector(".made-lines"), left = root.querySelector(".left-lines");
  const placed = new Set();
  const place = (button) => {
    const missing = button.dataset.needs.split(" ").filter((at) => at && !placed.has(at));
    if ("why" in button.dataset) return say(false, button.nextElementSibling.innerHTML);
    if (missing.length) {
      const needs = JSON.parse(button.dataset.names)[missing[0]];
      return say(false, needs ? words.early.replace("%s", `<code>${needs}</code>`) : words.rest);
    }
    placed.add(button.dataset.at);
    const item = document.createElement("li");
    item.append(button.firstElementChild.cloneNode(true));
    made.append(item);
    const next = [...left.querySelectorAll("button")].find((other) => other !== button && !other.hidden);
    button.hidden = true;
    const open = [...left.querySelectorAll("button:not([data-why])")].filter((other) => !other.hidden);
    root.querySelector(".again").hidden = false;
    if (open.length) {
      say(true, "");
      next?.focus();
    } else {
      left.hidden = true;
      finish();
      root.querySelector(".again").focus();
    }
  };
  const again = () => {
    placed.clear();
    made.replaceChildren();
    left.hidden = root.querySelector(".again").hidden = true;
    left.hidden = false;
    for (const button of left.querySelectorAll("button")) button.hidden = false;
    out.innerHTML = out.className = "";
    left.querySelector("button").focus();
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.classList.contains("again")) again();
    else if (button) place(button);
  });

  // Fill the shape: every choice is answered where it is made.
  const fill = (select) => {
    const row = select.closest("li"), right = select.value === row.dataset.right;
    row.className = select.value ? (right ? "right" : "wrong") : "";
    if (!select.value) return;
    const own = [...row.querySelectorAll("[data-for]")].find((hint) => hint.dataset.for === select.value);
    const open = [...root.querySelectorAll("li[data-right]")].filter((one) => one.className !== "right");
    if (!open.length) finish();
    else say(right, (own || row.querySelector(".why")).innerHTML);
  };

  // Predict: the first choice uncovers what there is to see.
  const predict = (input) => {
    const label = input.closest("label"), see = root.querySelector(".see");
    if (see) see.hidden = false;
    root.querySelector(".end").innerHTML = label.nextElementSibling.innerHTML;
    if (label.dataset.right === "1") finish();
    else say(false, label.nextElementSibling.innerHTML);
  };
  root.addEventListener("change", ({ target }) => (target.matches("select") ? fill(target) : predict(target)));
}
