// What you have read and answered, remembered by this browser alone: localStorage, no request, no cookie.
// Lessons: a box to tick at the end, quizzes and practices by themselves. Shown beside every link to a lesson in the
// course plan and in the chapters' lists.
(() => {
  const root = document.documentElement.dataset.content_root || "./";
  const base = new URL(root, location.href).pathname;
  const lessonOf = (path) => (path.startsWith(base) ? path.slice(base.length) : path).match(/chapters\/\w+\/\w+(?=\.html$)/)?.[0];
  const KEY = "recbyhand:";
  const load = (lesson) => {
    try {
      const found = JSON.parse(localStorage.getItem(KEY + lesson));
      return found && typeof found === "object" && !Array.isArray(found) ? found : {};
    } catch {
      return {}; // nothing yet, not ours, or a browser that keeps nothing
    }
  };
  const save = (lesson, state) => {
    try {
      localStorage.setItem(KEY + lesson, JSON.stringify(state));
    } catch {
      // a private window, or no room: the page works as before
    }
  };
  const forget = () => {
    for (const key of Object.keys(localStorage)) if (key.startsWith(KEY)) localStorage.removeItem(key);
    location.reload();
  };

  // A lesson: quizzes are filled in as they were, and every answer is kept.
  const lesson = lessonOf(location.pathname);
  const quizzes = [...document.querySelectorAll(".rbh-quiz fieldset")];
  if (lesson && quizzes.length) {
    const state = load(lesson);
    const texts = quizzes.map((box) => box.querySelector("legend").textContent);
    state.quiz ??= {};
    for (const text of Object.keys(state.quiz)) if (!texts.includes(text)) delete state.quiz[text]; // asked no more
    quizzes.forEach((box, at) => {
      const kept = state.quiz[texts[at]]?.chosen;
      const option = [...box.querySelectorAll("label")].find((label) => label.textContent === kept);
      if (option) {
        option.querySelector("input").checked = true;
        option.querySelector("input").dispatchEvent(new Event("change", { bubbles: true }));
      }
      box.addEventListener("change", (event) => {
        const label = event.target.closest("label");
        state.quiz[texts[at]] = { chosen: label.textContent, right: label.dataset.right === "1" };
        save(lesson, state);
      });
    });
    state.asked = quizzes.length;
    document.addEventListener("rbh-practice", () => {
      state.practice = true;
      save(lesson, state);
    });

    const line = document.createElement("p");
    line.className = "read-mark";
    line.innerHTML = `<label><input type="checkbox"> I have read this lesson</label>
      <span class="progress-note">kept in this browser only</span>`;
    const box = line.querySelector("input");
    box.checked = Boolean(state.read);
    box.addEventListener("change", () => {
      state.read = box.checked;
      save(lesson, state);
    });
    document.querySelector("article")?.append(line);
  }

  // A list of lessons: what is known of each stands behind its link.
  const said = (state) => {
    const right = Object.values(state.quiz ?? {}).filter((one) => one.right).length;
    return [
      state.read && "read \u2713",
      right && `quiz ${right}/${state.asked}`,
      state.practice && "practice \u2713",
    ].filter(Boolean).join(" \u00b7 ");
  };
  const links = document.querySelectorAll("article :is(.made td, .cards li, .toctree-wrapper li, .tableofcontents-wrapper li) a[href]");
  let any = false;
  for (const link of links) {
    const target = lessonOf(new URL(link.href, location.href).pathname);
    const text = target && said(load(target));
    if (!text) continue;
    any = true;
    const note = document.createElement("span");
    note.className = "progress-note";
    note.textContent = text;
    const card = link.closest(".cards li");
    card ? card.append(note) : link.after(note);
  }
  if (any) {
    const line = document.createElement("p");
    line.className = "progress-sum";
    line.innerHTML = '<span class="progress-note">Your marks are kept in this browser only.</span> <button type="button">Forget them</button>';
    line.querySelector("button").addEventListener("click", forget);
    links[0].closest("table, ul, ol, .tableofcontents-wrapper, .toctree-wrapper").after(line);
  }
})();
