// What every figure offers its reader: back to the start, a link to what it shows, a picture to keep.
// `core.js` hands over what is needed here, for it imports this module and not the other way around.

export const toolsLook = `
.tools { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 12px; }
.tools button { border: 0; padding: 0; background: none; color: var(--muted); min-height: 24px; font-size: 12.5px; }
.tools button:hover:not(:disabled) { background: none; color: var(--ink); text-decoration: underline; }`;

/** The state of a figure as part of an address: letters, digits, - and _ only. */
export const encode = (values) => btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(values))))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
export const decode = (text) => JSON.parse(new TextDecoder().decode(
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0))));

/** {place, values} from an address's part after #, or null. */
export function linked(hash) {
  const match = hash.match(/^#rbh-(\d+)-([\w-]+)$/);
  try {
    return match && { place: +match[1], values: { ...decode(match[2]) } };
  } catch { return null; } // cut short on its way
}

const placeOf = (root) => [...document.querySelectorAll(".rbh-widget")].indexOf(root);

/** Whenever the page's address tells what this figure should show, show it; of traits that it has. */
export function followLinks(root, state, write) {
  const follow = () => {
    const found = linked(location.hash);
    if (!found || found.place !== placeOf(root)) return;
    write(Object.fromEntries(Object.entries(found.values).filter(([name]) => Object.hasOwn(state, name))));
    // once the new state is drawn, which may change the height; what is taller than the screen shows its top
    requestAnimationFrame(() => requestAnimationFrame(() => root.scrollIntoView({ block: root.offsetHeight > innerHeight ? "start" : "center" })));
  };
  follow();
  addEventListener("hashchange", follow);
}

const save = (href, name) => Object.assign(document.createElement("a"), { href, download: name }).click();

const LOOK = ["display", "position", "left", "top", "width", "height", "max-width", "opacity", "border", "image-rendering"];

/** The page's own fonts of these families as a style sheet that holds them: a picture can fetch nothing. */
async function faces(families) {
  const rules = [...document.styleSheets].flatMap((sheet) => {
    try {
      return [...sheet.cssRules].filter((rule) => rule.type === 5).map((rule) => [rule.cssText, sheet.href || location.href]);
    } catch { return []; } // a page from the disc may not read its own style
  });
  const found = rules.map(([text, base]) => [text, text.match(/family: ?"?([^";]*)/)?.[1], text.match(/url\("?([^")]*)/)?.[1], base]);
  return (await Promise.all(found.filter(([, family, url]) => url && families.includes(family)).map(async ([text, , url, base]) => {
    const bytes = new Uint8Array(await (await fetch(new URL(url, base))).arrayBuffer());
    return text.replace(/url\([^)]*\)/, `url(data:font/woff2;base64,${btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""))})`).replace("optional", "block");
  }))).join("");
}

/** The frame as a picture: an SVG that holds it as it stands, without its buttons. */
export function drawn(host, frame, fonts = "") {
  const { width, height } = frame.getBoundingClientRect(), copy = frame.cloneNode(true), each = (what, act) => {
    const now = frame.querySelectorAll(what);
    copy.querySelectorAll(what).forEach((node, i) => act(node, now[i]));
  };
  each("canvas", (node, now) => {
    const image = document.createElement("img"), look = getComputedStyle(now); // rules for a canvas hold for no image
    image.src = now.toDataURL();
    for (const name of LOOK) image.style.setProperty(name, look.getPropertyValue(name));
    node.replaceWith(image);
  });
  each("input", (node, now) => { node.setAttribute("value", now.value); node.toggleAttribute("checked", now.checked); });
  each("option", (node, now) => node.toggleAttribute("selected", now.selected));
  for (const node of copy.querySelectorAll(".tools, .tip, .live")) node.remove();
  const style = document.createElement("style"), seen = getComputedStyle(host);
  style.textContent = fonts + [...host.shadowRoot.querySelectorAll("style")].map((one) => one.textContent).join("")
    .replace(/:host\(\[data-dark\]\)/g, ".host.dark").replace(/:host/g, ".host").replace(/@import[^;]*;/g, "") + "* { scrollbar-width: none; }";
  const box = document.createElement("div");
  box.className = `host ${host.hasAttribute("data-dark") ? "dark" : ""}`;
  const family = seen.fontFamily.replace(/"/g, "'");
  box.style.cssText = `margin: 0; font-family: ${family}; --pst-font-family-base: ${family}; --paper: ${seen.getPropertyValue("--back")}`;
  box.append(style, copy);
  const buttons = frame.querySelector(".tools"), below = buttons.offsetHeight + parseFloat(getComputedStyle(buttons).marginTop);
  const inside = new XMLSerializer().serializeToString(box), [w, t] = [Math.ceil(width), Math.ceil(height - below)];
  return { w, t, svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${t}"><foreignObject width="100%" height="100%">${inside}</foreignObject></svg>` };
}

async function keep(host, frame, name) {
  const { w, t, svg } = drawn(host, frame, await faces(getComputedStyle(host).fontFamily).catch(() => "")), url = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  try {
    const image = new Image(w, t), canvas = Object.assign(document.createElement("canvas"), { width: 2 * w, height: 2 * t });
    image.src = url;
    await image.decode();
    canvas.getContext("2d").drawImage(image, 0, 0, 2 * w, 2 * t);
    save(canvas.toDataURL("image/png"), `${name}.png`);
  } catch { save(url, `${name}.svg`); } // a browser that lets no page read such a picture
}

/** The row of buttons. `first` holds, by name, what the traits were before the reader changed them. */
export function tools({ h, host, frame, label, model, first, reset, say }) {
  const changed = () => Object.keys(first).filter((name) => JSON.stringify(first[name]) !== JSON.stringify(model.get(name)));
  const again = h("button", { type: "button", text: "Reset", onclick: reset });
  const link = model.state && h("button", { type: "button", text: "Link to this", onclick: async () => {
    const hash = `#rbh-${placeOf(host.closest(".rbh-widget"))}-${encode(Object.fromEntries(changed().map((name) => [name, model.get(name)])))}`;
    history.replaceState(null, "", hash);
    let told = "The page's address now leads here";
    try {
      await navigator.clipboard.writeText(location.href);
      told = "Link copied";
    } catch { /* not allowed: the address has it */ }
    link.textContent = told;
    say(told);
    setTimeout(() => (link.textContent = "Link to this"), 2500);
  } });
  const picture = h("button", { type: "button", text: "Save picture", onclick: () => keep(host, frame, label.toLowerCase().replace(/\W+/g, "-")) });
  return { row: h("div", { class: "tools" }, again, link || null, picture), update: () => { again.disabled = !changed().length; } };
}
