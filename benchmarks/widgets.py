"""How long a widget takes to redraw when a slider moves: `python benchmarks/widgets.py`.

Every widget at its largest size in the book (`tests/widgets/cases/`), in Chromium at 1280 and at 390 px. For each of
its sliders (or steppers, where it has none) 120 events; a time is the work on the page's main thread: the event itself,
then script, style, layout and paint of the frame that follows. Waiting for the screen's next frame is left out. The
same 120 events are played several times and the shortest time of each is kept, as other work on the machine can only
lengthen it. Writes `benchmarks/results/widgets.csv` and fails beyond 16 ms (median) or 50 ms (99th percentile).
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULTS = ROOT / "benchmarks" / "results" / "widgets.csv"
EVENTS, ROUNDS, MEDIAN_MS, P99_MS = 120, 3, 16, 50

# Times the handlers of one event, then its frame: from the frame's first callback to the task after its paint.
MEASURE = """
async ([index, events, rounds]) => {
  const root = document.querySelector('.rbh-widget > div > div').shadowRoot;
  const shown = (e) => e.checkVisibility() && !e.disabled;
  let controls = [...root.querySelectorAll('input[type=range]')].filter(shown);
  if (!controls.length) controls = [...root.querySelectorAll('.stepper')].filter(shown);
  const control = controls[index];
  if (!control) return null;
  const after = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  const times = new Array(events).fill(Infinity);
  for (let k = 0; k < rounds * events; k++) {
    const i = k % events;
    let begun, drawn;
    const frame = new Promise((done) => { drawn = done; });
    requestAnimationFrame(() => { begun = performance.now(); });
    const start = performance.now();
    if (control.type === 'range') {
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
    times[i] = Math.min(times[i], handled + performance.now() - begun);
  }
  const name = control.labels?.[0]?.textContent || control.getAttribute('aria-label');
  return { name, times };
}
"""


def measure(browser, widget, width: int) -> list[tuple[str, np.ndarray]]:
    """Name and times (ms) of each control of a widget."""
    with tempfile.TemporaryDirectory() as folder:
        tab = browser.new_page(viewport={"width": width, "height": 900}, device_scale_factor=2)
        tab.goto(widget.to_html(Path(folder) / "one.html").as_uri())
        tab.wait_for_selector(".rbh-widget[data-ready]", state="attached")
        found = []
        while result := tab.evaluate(MEASURE, [len(found), EVENTS, ROUNDS]):
            found.append((result["name"], np.array(result["times"])))
        tab.close()
    return found


def main() -> int:
    from browsing import FLAGS, find_chromium
    from playwright.sync_api import sync_playwright
    from widgets.harness import case, widget_names

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="widgets to measure; all of them if none is named")
    names = parser.parse_args().names or widget_names()
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    rows, slow = [], False
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name in names:
            for width in (1280, 390):
                for control, times in measure(browser, case(name).make(), width):
                    median, p99 = np.median(times), np.percentile(times, 99)
                    slow |= bool(median > MEDIAN_MS or p99 > P99_MS)
                    rows.append([name, width, control, len(times), f"{median:.1f}", f"{p99:.1f}", commit])
                    print(
                        "{:<20} {:>5} px  {:<24} median {:>5} ms, p99 {:>5} ms".format(
                            *rows[-1][:3], *rows[-1][4:6]
                        )
                    )
        browser.close()
    if set(names) == set(widget_names()):
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            head = ["widget", "width_px", "control", "events", "median_ms", "p99_ms", "commit"]
            csv.writer(file).writerows([head, *rows])
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
