"""Tests jobs in daemon threads when the interpreter exits."""

import subprocess
import sys

START = """
import atexit, threading, time
import ash
from ash._utils import threads
atexit.register(lambda: print("ended", flush=True))
threads.atexit.unregister(threads.end_jobs)
threads.atexit.register(threads.end_jobs)  # before what the line above has registered
begun = threading.Event()
"""


def run(code: str) -> str:
    """Run a program that must end by itself, and return its output."""
    found = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (3, "")
    return found.stdout


def test_a_running_job_ends_before_the_interpreter_and_no_other_starts() -> None:
    code = """
def work():
    for job in range(3):
        with threads.at_work():
            print("begun", job, flush=True)
            begun.set()
            time.sleep(0.3)
            print("done", job, flush=True)
        ready.wait()
ready = threading.Event()
threads.start_thread(work, "job")
begun.wait()
atexit.register(ready.set)
raise SystemExit(3)
"""
    found = run(code)
    assert found.split("\n")[:3] == ["begun 0", "done 0", "ended"]
    assert "begun 1" not in found


def test_waiting_for_a_hanging_job_is_limited() -> None:
    code = """
threads.END_SECONDS = 0.5
def work():
    with threads.at_work():
        print("begun", flush=True)
        begun.set()
        threading.Event().wait()
threads.start_thread(work, "job")
begun.wait()
raise SystemExit(3)
"""
    assert run(code) == "begun\nended\n"


def test_no_thread_is_started_while_the_interpreter_exits() -> None:
    code = """
def late():
    threads.end_jobs()
    try:
        threads.start_thread(print, "late")
    except ash.ThreadRefusedError as error:
        print(error, flush=True)
    with threads.at_work():  # in the thread that ends the interpreter
        print("done", flush=True)
atexit.register(late)
print("begun", flush=True)
raise SystemExit(3)
"""
    assert run(code) == "begun\nno thread can be started: the interpreter is shutting down\ndone\nended\n"


def test_a_forked_child_does_not_wait_for_the_jobs_of_its_parent() -> None:
    code = """
import os, sys
def work():
    with threads.at_work():
        begun.set()
        threading.Event().wait()
threads.start_thread(work, "job")
begun.wait()
threads.END_SECONDS = 60.0
if os.fork() == 0:
    sys.exit(3)
print("child", os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
os._exit(3)
"""
    found = run(code)
    assert "child 3" in found
