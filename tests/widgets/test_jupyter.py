"""A real Jupyter server, kernel and JupyterLab: what a reader moves reaches Python, and what Python sets is drawn."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

SOURCE = [
    "from recbyhand.widgets import ActivationCurves\nw = ActivationCurves(functions=['relu'], s=1.0)\nw"
]
QUIET = {  # nothing of JupyterLab's own comes between a reader and a cell
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
ASK = "print('s is', w.s, 'and values', len(w.values)); w.s = 4.0; w.title = '<b>from Python</b>'"


@pytest.fixture
def lab(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("jupyterlab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (*SOURCE, ASK)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "try.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.port": port,
        "ServerApp.root_dir": tmp_path,
        "IdentityProvider.token": "",
        "ServerApp.password": "",
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "LabApp.news_url": "None",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    places = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    overrides = tmp_path / "JUPYTER_CONFIG_DIR" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(QUIET))
    command = [sys.executable, "-m", "jupyterlab", *(f"--{k}={v}" for k, v in options.items())]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **places}, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2).read()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()  # takes its kernel along
        server.wait(20)


def wait_for_kernel(tab, address):
    """Until the page is connected to a kernel that is idle.

    JupyterLab calls a notebook idle before its kernel has been asked for. A cell that is run then asks for a second
    kernel of the same notebook; on a busy machine the server answers one of the two with an error, which is shown
    in a dialog that covers the cells.
    """
    for _ in range(600):
        with urllib.request.urlopen(f"{address}/api/sessions", timeout=60) as answer:
            kernels = [session["kernel"] for session in json.load(answer)]
        if any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels):
            return
        tab.wait_for_timeout(200)
    raise AssertionError(f"no kernel is idle and connected: {kernels}; {dialogs(tab)}")


def dialogs(tab) -> list[str]:
    """What JupyterLab's dialogs say; none is expected."""
    return tab.locator(".jp-Dialog").all_inner_texts()


def run(tab, cell):
    """Run a cell as a reader would; again if the page was not ready to listen."""
    for _ in range(6):
        assert not dialogs(tab)
        cell.locator(".cm-content").click()
        tab.keyboard.press("Shift+Enter")
        for _ in range(100):
            tab.wait_for_timeout(100)
            if cell.locator(".jp-InputPrompt").inner_text().strip("[]: \xa0"):  # a star or a number
                return
    raise AssertionError(f"JupyterLab did not run the cell; {dialogs(tab)}")


@pytest.mark.timeout(400)
def test_both_ways_in_jupyterlab(browser, lab):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    tab.goto(f"{lab}/lab/tree/try.ipynb?reset")
    cells = tab.locator(".jp-Notebook .jp-CodeCell")
    tab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()
    wait_for_kernel(tab, lab)
    run(tab, cells.nth(0))
    frame = cells.nth(0).locator(".frame")
    frame.wait_for()

    # The live view, once, and not the page's stand-in beside it.
    assert frame.count() == 1
    assert cells.nth(0).locator(".rbh-widget").count() == 0
    slider = frame.get_by_role("slider", name="look at s")
    slider.focus()
    for _ in range(10):  # JupyterLab's own shortcuts leave these keys alone
        slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "1.50"
    assert cells.count() >= 2

    run(tab, cells.nth(1))
    cells.nth(1).get_by_text("s is 1.5 and values 64").wait_for()  # the browser reached Python
    tab.wait_for_function("(e) => e.ariaValueText === '4.00'", arg=slider.element_handle())  # and back
    frame.get_by_text("<b>from Python</b>").wait_for()

    light = frame.evaluate("(e) => getComputedStyle(e).backgroundColor")
    tab.evaluate("document.body.dataset.jpThemeLight = 'false'")
    tab.wait_for_timeout(200)
    assert frame.evaluate("(e) => getComputedStyle(e).backgroundColor") != light
    context.close()
