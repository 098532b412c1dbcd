"""One body as one process tree: the web server, and the worker that it forks before any thread."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sekisho.body.config import BodyConfig, Folders, read_config
from sekisho.body.keyring import Keyring, load_keys
from sekisho.body.service import Service
from sekisho.common.errors import StorageFull
from sekisho.common.randomness import system_random
from sekisho.common.secretfile import read_secret
from sekisho.common.storage import is_full, storage_full, wait_for_room
from sekisho.web.bell import Bell
from sekisho.web.runtime import current, hang, install

log = logging.getLogger("sekisho.web")

IDLE_SECONDS = 0.5
"""How long a worker without a message waits before it looks for work that a clock has made due."""
THREADS = 4
PR_SET_PDEATHSIG = 1


def serve(config_file: Path) -> int:
    """Run the body until it is told to stop; return an exit code."""
    config, folders = read_config(config_file)
    folders.log.mkdir(parents=True, exist_ok=True)
    configure_django(config, folders)
    install_body(config, folders)
    try:
        migrate()
        current().started()
    except Exception as error:
        if not is_full(error):
            raise
        print(storage_full(), file=sys.stderr)
        return StorageFull.exit_code
    close_connections()
    bell = Bell()
    hang(bell)
    parent = os.getpid()
    worker = os.fork()
    if worker == 0:
        die_with(parent)
        try:
            work(bell)
        finally:
            os._exit(0)
    return answer(config, worker)


def configure_django(config: BodyConfig, folders: Folders) -> None:
    """Set Django up for this body; once a process."""
    import django
    from django.conf import settings

    from sekisho.web.settings import settings_for

    secret = read_secret(folders.keys / "signing")
    settings.configure(**settings_for(config, folders, secret))
    django.setup()


def install_body(config: BodyConfig, folders: Folders) -> None:
    """Compose the body of this process: the one place where adapters meet the flows."""
    from sekisho.body.context import Body
    from sekisho.body.generations import generation
    from sekisho.body.service import Service
    from sekisho.common.clock import SystemClock
    from sekisho.control.ledger import Ledger, origin_of
    from sekisho.exchange.client import Client
    from sekisho.exchange.directory import Directory
    from sekisho.framework import load
    from sekisho.web.store.adapter import DjangoStore

    keys: Keyring = load_keys(folders.keys)
    store = DjangoStore(folders.spool)
    body = Body(
        config=config,
        folders=folders,
        framework=load(folders.base / config.framework),
        directory=Directory.read(folders.base / config.directory),
        keys=keys,
        store=store,
        ledger=Ledger(
            folders.ledger, origin_of(config.body, generation(folders)), keys.signing, store
        ),
        client=Client(config.body, keys.signing, clock=SystemClock(), random=system_random),
        random=system_random,
    )
    install(Service(body))


@contextmanager
def operating(config_file: Path) -> Iterator[Service]:
    """Give the operator of a body, on its own machine, the body to act on, up or not.

    Who cannot read its keys and its database cannot do this; nobody else can at all.
    """
    config, folders = read_config(config_file)
    configure_django(config, folders)
    install_body(config, folders)
    try:
        yield current()
        forget_freed_pages()
    finally:
        close_connections()


def forget_freed_pages() -> None:
    """Let SQLite write its file anew: what was erased lies on in pages that it has only freed."""
    from django.db import connection

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def migrate() -> None:
    """Bring the database up to date, start again what a crash cut off, and clear its rests."""
    from django.core.management import call_command

    from sekisho.web.store.adapter import DjangoStore

    call_command("migrate", verbosity=0, interactive=False)
    take_up_again()
    store = current().body.store
    assert isinstance(store, DjangoStore)
    store.sweep()


def take_up_again() -> None:
    """Put back into the queue what a worker had taken and did not end."""
    from django_tasks_db.models import DBTaskResult

    DBTaskResult.objects.filter(status="RUNNING").update(status="READY")


def close_connections() -> None:
    """A database connection must not be shared by two processes."""
    from django.db import connections

    connections.close_all()


def die_with(parent: int) -> None:
    """End this process when its parent ends, however that ends (Linux prctl)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)


def work(bell: Bell) -> None:
    """Run the worker's loop: do what is ready, then wait for the bell."""
    from django_tasks_db.management.commands.db_worker import Worker

    from sekisho.web.tasks import await_next_day, is_anything_ready

    await_next_day()
    worker = Worker(
        queue_names=["*"],
        interval=0,
        batch=True,  # until nothing is ready: how long to wait then is ours to say
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id=f"{current().body.id}-{os.getpid()}",
        excluded_queue_names=[],
    )
    worker.configure_signals()
    while True:
        try:
            while worker.running:
                worker.run()
                # The library's look locks the database for writing: a cheaper one goes before.
                while worker.running and not bell.wait(IDLE_SECONDS) and not is_anything_ready():
                    pass
            return
        except Exception as error:
            if not is_full(error):
                raise
            # The queue itself could not be written; what was taken up is taken up again.
            wait_for_room(current().body.folders.base)
            log.error("there was no room on the disk: going on")
            take_up_again()


def answer(config: BodyConfig, worker: int) -> int:
    """Answer requests; stop on SIGTERM or SIGINT, and when the worker is gone."""
    from django.core.wsgi import get_wsgi_application
    from waitress.server import create_server

    host, _, port = config.listen.rpartition(":")
    server = create_server(
        get_wsgi_application(),
        host=host,
        port=int(port),
        threads=THREADS,
        ident=None,
        max_request_body_size=2**33,
        inbuf_overflow=2**20,
    )
    ended: list[int] = []

    def stop(signum: int, frame: object) -> None:
        raise SystemExit(0)

    def watch() -> None:
        _, status = os.waitpid(worker, 0)
        ended.append(os.waitstatus_to_exitcode(status))
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=watch, daemon=True).start()
    try:
        server.run()
    except SystemExit:
        pass
    finally:
        server.close()
        stop_worker(worker)
    return 1 if ended and ended[0] not in (0, -signal.SIGTERM) else 0


def stop_worker(worker: int) -> None:
    """Ask the worker to end after its task; end it after ten seconds."""
    for signum, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 2.0)):
        try:
            os.kill(worker, signum)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                os.kill(worker, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    if len(sys.argv) > 2:  # started by `sekisho.web.launch`: never outlive it
        die_with(int(sys.argv[2]))
    sys.exit(serve(Path(sys.argv[1])))
