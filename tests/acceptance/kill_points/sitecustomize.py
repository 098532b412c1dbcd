"""Ends a body at a chosen step, from outside its code (see test_kill_anywhere.py).

Python imports this at the start of every process that has this folder on its path. A process that
serves a body named in the plan counts what it does to files and connections (audit events, PEP
578); at the planned step, or a moment after it, the body's whole process tree gets SIGKILL. Each
step of a plan is used once: a body that was started again takes the next one. A step may say on
which files: only what is done to those is counted. Nothing is counted before the file ``begun``
lies beside the plan, so that all bodies come up once.
"""

import json
import os
import pathlib
import signal
import sys
import threading
import time

PLAN = "KILL_PLAN"
WRITING = os.O_WRONLY | os.O_RDWR
EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "socket.connect", "sqlite3.connect"}


def arm() -> None:
    plan = pathlib.Path(os.environ[PLAN])
    if "sekisho.web.serve" not in sys.orig_argv:
        return
    config = next((a for a in sys.orig_argv if a.endswith("body.toml")), None)
    if config is None:
        return
    body = pathlib.Path(config).parent.name
    steps = json.loads(plan.read_text()).get(body, [])
    used = plan.with_name(f"{plan.name}.{body}")
    done = len(used.read_text().split()) if used.exists() else 0
    if done >= len(steps):
        return
    step, delay, *where = steps[done]
    begun = plan.with_name("begun")
    seen = 0

    def kill() -> None:
        time.sleep(delay)
        if not plan.exists():  # the drill is over
            return
        with used.open("a") as file:
            file.write(f"{step}\n")
        os.killpg(os.getpgid(0), signal.SIGKILL)

    def watch(event: str, given: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(given[2], int) and given[2] & WRITING
        if not writes and event not in EVENTS:
            return
        if where and not any(where[0] in str(one) for one in given):
            return
        if not begun.exists():
            return
        seen += 1
        if seen != step:
            return
        if delay:
            threading.Thread(target=kill, daemon=True).start()
        else:
            kill()

    sys.addaudithook(watch)


if PLAN in os.environ:
    arm()
