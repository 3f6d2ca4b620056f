"""Tests the live dashboard: which requests it answers, that it follows the run, and that it never harms the run."""

import copy
import gc
import http.client
import json
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import weakref
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine

import ash
from ash.dashboard import live_page
from ash.dashboard.server import HEADERS, MOST_CONNECTIONS
from browser_help import open_browser, visit
from callback_help import Stopper
from config_help import configured, split_once
from fault_help import HANG_SECONDS, command_line, small_space, wait_until
from report_help import section

X, Y = load_wine(return_X_y=True)
NAMES = ("ladder", "curves", "winner", "importance", "parameters", "parallel", "candidates", "timeline", "scaling")


@pytest.fixture
def dashboard(monkeypatch):
    monkeypatch.setattr("ash.dashboard.dashboard.LINGER_SECONDS", 0.1)
    with ash.Dashboard() as opened:
        yield opened


@pytest.fixture
def restless(monkeypatch):
    monkeypatch.setattr(live_page, "REST", 0.0)
    monkeypatch.setattr(live_page, "LEAST_REST", 0.0)


class Reader(ash.Callback):
    """A callback that requests the dashboard's updates during the run, each time after `every` jobs."""

    def __init__(self, dashboard, every=5):
        self.dashboard, self.every, self.jobs, self.seen = dashboard, every, 0, []

    def on_job(self, job, params):
        self.jobs += 1
        if self.jobs % self.every == 0:
            self.seen.append((self.jobs, updates(self.dashboard)))


def get(dashboard, path="", *, root=None, **headers):
    address = urlsplit(dashboard.address)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
    root = address.path if root is None else root
    connection.request(headers.pop("method", "GET"), f"{root}{path}", headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8")
    connection.close()
    return answer.status, answer.headers, text


def updates(dashboard, since=0):
    status, _, text = get(dashboard, f"updates?since={since}")
    assert status == 200, text
    return json.loads(text)


def tune(*callbacks, **settings):
    wanted = split_once({"candidates": 16, "n_jobs": 2, "random_state": 0, "verbose": 0, **settings})
    return ash.tune(X, Y, small_space(), callbacks=[*callbacks], **configured(wanted))


def test_the_dashboard_grows_with_the_run_and_ends_as_the_report(dashboard, restless, tmp_path):
    assert updates(dashboard)["head"] == "No score yet" and "No run has started yet." in get(dashboard)[2]
    reader = Reader(dashboard)
    result = tune(dashboard, reader)
    assert len(reader.seen) == len(result.jobs) // 5 > 3
    for jobs, seen in reader.seen:
        assert seen["running"] and f">{jobs}</dd>" in seen["sections"]["overview"]
        assert sum(map(len, seen["data"]["jobs"])) == jobs and "is computed once" in seen["sections"]["importance"]
        shown = [job for job in result.jobs[:jobs] if not job.diverged]
        assert seen["head"] == f"validation accuracy {max(job.score for job in shown):.4f}"
    report = result.report(tmp_path / "run.html").read_text(encoding="utf-8")
    assert get(dashboard)[2] == report
    end = updates(dashboard)
    assert not end["running"] and {*NAMES} <= end["sections"].keys()
    assert all(html == section(report, name) for name, html in end["sections"].items())
    assert updates(dashboard, end["version"])["sections"] == {} and updates(dashboard, end["version"])["data"] is None


def test_the_dashboard_shows_the_hyperparameters_that_are_trained(dashboard, restless):
    reader, space = Reader(dashboard), small_space(learning_rate=ash.loguniform(1e-3, 1e-2), batch_size=16)
    first = [{"hidden": (4,), "learning_rate": 0.0054321, "batch_size": 16}]
    settings = configured({"candidates": 16, "validation": 0.2, "n_jobs": 2, "random_state": 0, "verbose": 0})
    result = ash.tune(X, Y, space, first=first, callbacks=[dashboard, reader], **settings)
    assert result.params[0]["learning_rate"] == 0.0054321 != next(space.stream(0))["learning_rate"]
    seen = [seen["sections"]["candidates"] for jobs, seen in reader.seen if 0 in result.columns["candidate"][:jobs]]
    assert seen and all("0.0054321" in html for html in seen)


def test_only_changed_sections_are_sent(dashboard, restless):
    tune(dashboard)
    first = updates(dashboard)
    tune(dashboard, n_jobs=1)
    second = updates(dashboard, first["version"])
    assert second["version"] > first["version"] and second["data"] is None, "the same outcome"
    assert {"overview", "timeline", "scaling", "settings"} >= second["sections"].keys() >= {"overview", "timeline"}


def test_the_page_is_not_drawn_again_at_once(dashboard, monkeypatch):
    monkeypatch.setattr(live_page, "LEAST_REST", 1e9)
    reader = Reader(dashboard)
    tune(dashboard, reader)
    assert len({seen["version"] for _, seen in reader.seen}) == 1
    assert not updates(dashboard)["running"], "the end is shown in any case"
    second = Reader(dashboard)
    tune(dashboard, second)
    assert second.seen and all(seen["running"] for _, seen in second.seen), "and so is the next beginning"


def test_the_dashboard_does_not_change_the_outcome(dashboard, restless):
    assert tune(dashboard, Reader(dashboard)).digest == tune().digest


def test_f114_only_who_knows_the_address_gets_the_page(dashboard):
    """Any other user of this machine can connect; a page of another site can name its own host."""
    _, token, _ = urlsplit(dashboard.address).path.split("/")
    assert len(token) == 22
    for root in ("/", "//", f"/{token[:-1]}/", f"/{token}x/", f"/x/{token}/", "/%D9%A4/", "/*/"):
        for path in ("", "updates"):
            status, _, text = get(dashboard, path, root=root)
            assert status == 403 and "<" not in text and token not in text
    assert get(dashboard, root=f"/{token}")[0] == 403
    for host in ("localhost:9999", "127.0.0.1:9999", "hub.example"):  # a tunnel has another port, a proxy another host
        assert get(dashboard, Host=host)[0] == get(dashboard, "updates", Host=host)[0] == 200


def test_other_paths_and_methods_are_refused(dashboard):
    for path in ("updates/", "../etc/passwd", "page.html", "%2e%2e/"):
        assert get(dashboard, path)[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = get(dashboard, method=method)
        assert status == 501 and HEADERS.items() <= dict(headers.items()).items()
    for since in ("-1", "x", "1e3", "\u0664".encode().decode("latin1"), ""):
        assert get(dashboard, f"updates?since={urllib.request.quote(since)}")[0] == 200
    headers = get(dashboard)[1]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["Cache-Control"] == "no-store"
    assert headers["Access-Control-Allow-Origin"] is None and headers["X-Content-Type-Options"] == "nosniff"
    assert [headers.get_all(name) for name in HEADERS] == [[value] for value in HEADERS.values()]


def test_unfinished_requests_keep_neither_threads_nor_the_page(dashboard):
    address, before = urlsplit(dashboard.address), threading.active_count()
    opened = []
    try:
        for _ in range(3 * MOST_CONNECTIONS):
            opened.append(socket.create_connection(("127.0.0.1", address.port), timeout=HANG_SECONDS))
            opened[-1].sendall(b"GET / HTTP/1.1\r\n")
        assert opened[0].recv(1) == b""  # the oldest are closed
        wait_until(lambda: threading.active_count() <= before + MOST_CONNECTIONS)
        assert get(dashboard)[0] == 200
    finally:
        for each in opened:
            each.close()


def test_f114_the_dashboard_listens_only_on_this_machine(dashboard):
    port = urlsplit(dashboard.address).port
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # this succeeds, since the dashboard does not listen on all addresses
    dashboard.close()
    dashboard.close()
    assert dashboard.address is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_the_page_keeps_neither_the_result_nor_its_best_state(dashboard):
    class Model:
        pass

    def train(params, epochs, state):
        return params["x"], Model()

    given = {"candidates": 4, "n_jobs": 1, "verbose": 0, "callbacks": [dashboard]}
    of_function = ash.tune_function(train, {"x": ash.uniform(0, 1)}, **given)
    state = weakref.ref(of_function.best_state)
    del of_function
    gc.collect()
    assert state() is None and "x" in get(dashboard)[2]
    of_table = tune(dashboard)
    page, result = get(dashboard)[2], weakref.ref(of_table)
    del of_table
    gc.collect()
    assert result() is None and get(dashboard)[2] == page


def test_unavailable_ports_are_refused():
    for wrong in (-1, 65536, "80", 1.5, True, None):
        with pytest.raises(ash.SettingError, match="port must be an integer from 0 to 65535, got "):
            ash.Dashboard(wrong)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ash.SettingError, match=rf"port={port} is not available .*: give another one, or 0 for any"):
            ash.Dashboard(port)


def test_an_error_in_the_dashboard_does_not_harm_the_run(dashboard, restless, monkeypatch):
    def fails(*_):
        raise RuntimeError("<b>no</b>")

    answers = []

    class Visitor(ash.Callback):
        def on_job(self, job, params):
            answers.append(get(dashboard))

    with monkeypatch.context() as patched:
        patched.setattr(live_page, "history_so_far", fails)
        result = tune(dashboard, Visitor())
    assert {(status, headers["Content-Type"]) for status, headers, _ in answers} == {(500, "text/plain; charset=utf-8")}
    assert "RuntimeError: <b>no</b>" in answers[0][2]
    assert result.digest == tune().digest and get(dashboard)[0] == 200


def test_a_client_that_disconnects_early_causes_no_error(dashboard, capfd):
    port = urlsplit(dashboard.address).port
    for content in (b"", b"GET / HTTP/1.1\r\n", f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()):
        with socket.create_connection(("127.0.0.1", port)) as leaver:
            leaver.sendall(content)
    assert get(dashboard)[0] == 200 and tune(dashboard).ended == "finished"
    assert capfd.readouterr() == ("", "")


def test_a_run_without_a_result_is_shown(dashboard):
    with pytest.raises(ash.NothingFinishedError):
        tune(dashboard, Stopper(0))
    end = updates(dashboard)
    assert not end["running"] and end["head"] == "No result" and "NothingFinishedError: " in end["sections"]["overview"]
    wild = ash.Space(learning_rate=1e20, optimizer="sgd", activation="relu", batch_size=ash.choice(16, 32))
    with pytest.raises(ash.AllDivergedError):
        ash.tune(X, Y * 1.0, wild, task="regression", candidates=2, verbose=0, callbacks=[dashboard], validation=0.2)
    assert "AllDivergedError" in get(dashboard)[2]


def test_copies_serve_on_separate_ports(dashboard):
    for other in (copy.deepcopy(dashboard), pickle.loads(pickle.dumps(dashboard))):
        assert other.address is None
        tune(other)
        assert other.address != dashboard.address and get(other)[0] == 200
        other.close()
    model = clone(ash.ASHClassifier(small_space(), candidates=4, callbacks=[dashboard])).fit(X, Y)
    (own,) = model.callbacks
    assert "accuracy" in updates(own)["head"] and "No run" in get(dashboard)[2]
    own.close()


def test_the_command_shows_its_run(tmp_path):
    words = [*command_line("wine"), "--candidates", "all", "--time-limit", str(HANG_SECONDS), "--dashboard"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as command:
        address = re.fullmatch(r"dashboard at (http://127\.0\.0\.1:\d+/[-\w]{22}/)\n", command.stderr.readline())[1]
        opened = SimpleNamespace(address=address)
        wait_until(lambda: updates(opened)["head"] != "No score yet")
        page = get(opened)[2]
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=HANG_SECONDS)
    assert command.returncode == 130 and "Traceback" not in err and "report.html" in out
    assert page.startswith("<!DOCTYPE html>") and 'data-version="' in page and "accuracy" in page
    with pytest.raises(OSError):
        get(opened)


def test_a_quiet_command_prints_no_address(tmp_path):
    words = [sys.executable, "-m", "ash", "wine", "--candidates", "4", "--quiet", "--force", "--dashboard", "0"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    refused = subprocess.run([*words[:-1], "70000"], capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "port must be an integer from 0 to 65535, got 70000" in refused.stderr


def test_the_page_follows_a_run_and_ends_as_the_report(dashboard, tmp_path):
    stopper, results = Stopper(-1), []

    def work():
        # the space has more configurations than the run can train, so the run lasts until it is stopped
        space = small_space(learning_rate=ash.loguniform(1e-3, 1e-2, levels=10_000))
        wanted = {"candidates": None, "time_limit": 100, "min_epochs": 300, "validation": 0.2, "verbose": 0}
        results.append(ash.tune(X, Y, space, callbacks=[dashboard, stopper], **configured(wanted)))

    with open_browser() as browser, visit(browser, dashboard.address) as seen:
        page = seen.page
        assert page.inner_text("#head") == "No score yet" and page.inner_text("#state") == "running"
        thread = threading.Thread(target=work)
        thread.start()
        try:
            jobs = "Number(document.querySelectorAll('.figures dd')[2]?.innerText.replace(/,/g, '') || 0)"
            seen.wait_for(f"{jobs} > 0")
            first = seen.number(jobs)
            page.click("#candidates tbody button >> nth=0")
            chosen = page.inner_text("#selected-title").split(":")[0]
            seen.wait_for(f"{jobs} > {first}")
            assert page.locator("#selected").is_visible() and chosen.split(",")[0] in page.inner_text("#selected-title")
            page.click("#selected-close")
        finally:
            stopper.run.stop()
            thread.join()
        seen.wait_for("document.getElementById('state').innerText === 'ended'")
        sections = "all => all.map(one => one.innerText)"
        shown = page.eval_on_selector_all("main > section", sections)
        links = page.inner_text("#links")
        assert all(address.startswith(dashboard.address) for address in seen.asked)
        with visit(browser, results[0].report(tmp_path / "run.html").as_uri()) as report:
            assert report.page.eval_on_selector_all("main > section", sections) == shown
            assert report.page.inner_text("#links") == links and report.page.inner_text("#head") == page.inner_text(
                "#head"
            )
