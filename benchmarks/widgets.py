"""How long a widget takes to redraw when a slider moves: `python -m benchmarks.widgets`.

Every widget at its largest size in the book (`tests/widgets/cases/`), in Chromium at 1280 and at 390 px. For each of
its sliders (those it draws itself, too), steppers and drop-downs, and one field of a matrix of numbers, 120 events,
each drawn before the next. A time is what the page's main thread spends from one event to the next, by its own clock:
the event, script, style, layout and paint of its frame. Waiting for the screen, and other work on the machine, do not
count; `wall` counts the latter too. Writes `benchmarks/results/widgets.csv` and fails beyond 16 ms (median) or 50 ms
(99th percentile).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULTS = ROOT / "benchmarks" / "results" / "widgets.csv"
EVENTS, MEDIAN_MS, P99_MS = 120, 16, 50
TRACED = ["blink.user_timing"]

# The marks carry the thread's clock; the wall clock times the handlers of an event, then its frame: from the frame's
# first callback to the task after its paint.
MEASURE = """
async ([index, events]) => {
  const root = document.querySelector('.rbh-widget > div > div').shadowRoot;
  const shown = (e) => e.checkVisibility() && !e.disabled;
  const field = '.matrix tr:first-child > :nth-child(2) > input';
  const kinds = `input[type=range], [role=slider], .stepper, select, ${field}`;
  const control = [...root.querySelectorAll(kinds)].filter(shown)[index];
  if (!control) return null;
  const after = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  const times = [];
  for (let i = 0; i < events; i++) {
    performance.mark(`redraw ${i}`);
    let begun, drawn;
    const frame = new Promise((done) => { drawn = done; });
    requestAnimationFrame(() => { begun = performance.now(); });
    const start = performance.now();
    if (control.options) { // a drop-down
      control.selectedIndex = (i + 1) % control.options.length;
      control.dispatchEvent(new Event('change'));
    } else if (control.role === 'slider') { // drawn by the widget: moved by key
      control.dispatchEvent(new KeyboardEvent('keydown', { key: i % 8 > 3 ? 'ArrowDown' : 'ArrowUp' }));
    } else if (control.type) { // a slider or a field
      const { min, max } = control;
      control.value = +min + (0.5 + 0.5 * Math.sin(i / 3)) * (max - min);
      control.dispatchEvent(new Event('input'));
    } else {
      const [less, more] = control.querySelectorAll('button');
      (more.disabled || (i % 8 > 3 && !less.disabled) ? less : more).click();
    }
    const handled = performance.now() - start;
    requestAnimationFrame(() => { root.firstElementChild.getBoundingClientRect(); after().then(drawn); });
    await frame;
    times.push(handled + performance.now() - begun);
  }
  performance.mark(`redraw ${events}`);
  const name = control.labels?.[0]?.textContent || control.getAttribute('aria-label');
  return { name, times };
}
"""


def measure(browser, widget, width: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, thread times and wall times (ms) of each control of a widget."""
    with tempfile.TemporaryDirectory() as folder:
        tab = browser.new_page(viewport={"width": width, "height": 900}, device_scale_factor=2)
        tab.goto(widget.to_html(Path(folder) / "one.html").as_uri())
        tab.wait_for_selector(".rbh-widget[data-ready]", state="attached")
        found = []
        while True:
            browser.start_tracing(page=tab, categories=TRACED)
            result = tab.evaluate(MEASURE, [len(found), EVENTS])
            trace = json.loads(browser.stop_tracing())["traceEvents"]
            if not result:
                tab.close()
                return found
            marks = {e["name"]: e["tts"] for e in trace if e["name"].startswith("redraw ")}
            clock = np.array([marks[f"redraw {i}"] for i in range(EVENTS + 1)]) / 1000  # microseconds
            found.append((result["name"], np.diff(clock), np.array(result["times"])))


def measured_commit() -> str:
    """The last commit of the widgets, marked if their files have changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    places = ("--", "recbyhand/widgets", "tests/widgets/cases", "benchmarks/widgets.py")
    return git("log", "-1", "--format=%h", *places) + ("-dirty" if git("status", "--short", *places) else "")


def main() -> int:
    from browsing import FLAGS, find_chromium
    from playwright.sync_api import sync_playwright
    from widgets.harness import case, widget_names

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="widgets to measure; all of them if none is named")
    names = parser.parse_args().names or widget_names()
    commit = measured_commit()
    rows, slow = [], False
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name in names:
            for width in (1280, 390):
                for control, times, wall in measure(browser, case(name).make(), width):
                    median, p99 = np.median(times), np.percentile(times, 99)
                    slow |= bool(median > MEDIAN_MS or p99 > P99_MS)
                    took = [f"{ms:.1f}" for ms in (median, p99, np.median(wall), np.percentile(wall, 99))]
                    rows.append([name, width, control, len(times), *took, commit])
                    print(
                        "{:<18} {:>4} px {:<20} median {:>4}, p99 {:>4} ms (wall {}, {})".format(
                            name, width, control, *took
                        )
                    )
        browser.close()
    if set(names) == set(widget_names()):
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            head = ["widget", "width_px", "control", "events", "median_ms", "p99_ms"]
            head += ["wall_median_ms", "wall_p99_ms", "commit"]
            csv.writer(file).writerows([head, *rows])
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
