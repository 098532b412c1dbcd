"""Persons at two holders to one project, through both converters, between running bodies.

Bodies are laid out and started as `sekisho up` does. The benchmark speaks for the two holders and
for the deciding lanes, with their keys: it signs a permit, encrypts the holders' pseudonyms and
sends a batch of each to the first converter over HTTP. Time ends when the environment has both; it
then opens them with the environment's key. Counted is the CPU of the holders' encryption, of
everything that both converters' processes do (HTTP, signatures, database, disk, shuffle), and of
opening. The floor is the group operations alone: two for encrypting, six for each conversion, two
for opening, measured in the same run.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import psutil
import rbcl

from sekisho.body.flows.permits import PERMIT, decider
from sekisho.body.keyring import load_keys
from sekisho.body.setup import Deployment, set_up
from sekisho.common.clock import SystemClock, today
from sekisho.common.ids import BodyId, Domain, new_id, new_tag
from sekisho.common.randomness import system_random
from sekisho.control.review import Permit, part_along
from sekisho.control.review.permit import Part
from sekisho.exchange import jws, parcel
from sekisho.exchange.client import Client
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.transfer import REASON, Reason, encrypt_persons, key_digest
from sekisho.framework import CLASSES, Framework, environment, extract_route, holders, load
from sekisho.pseudonym import Batch, Element, domain_key, open_batch, pack, random_element, unpack
from sekisho.web.launch import Fleet, running
from sekisho.web.serve import free_port

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORK = ROOT / "frameworks" / "2-1.toml"
PROJECT = "benchmark"
PROBE = 2000
"""Persons with whom the bare operations are timed."""


def rows(persons: int) -> list[dict[str, object]]:
    """Return the rows of the result file for ``persons`` at each of two holders."""
    framework = load(FRAMEWORK, ROOT)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
        deployment = set_up(
            framework, FRAMEWORK, Path(place) / "run", rules=ROOT / "rules", ports=free_port
        )
        with running(deployment) as fleet:
            return _Measured(framework, deployment, fleet, persons).rows()


class _Measured:
    def __init__(
        self, framework: Framework, deployment: Deployment, fleet: Fleet, persons: int
    ) -> None:
        self.framework, self.deployment, self.fleet = framework, deployment, fleet
        self.persons = persons
        self.converters = [framework.with_role(role)[0] for role in ("converter", "oversight")]
        self.place = environment(framework, CLASSES)
        self.parts = [self._part(data_class) for data_class in CLASSES[:2]]
        self.keys = load_keys(self._home(self.place) / "keys")

    def rows(self) -> list[dict[str, object]]:
        permit = self._permit()
        holding, batches = _cpu(lambda: [self._batch(part, permit) for part in self.parts])
        before = self._converters_cpu()
        begun = time.monotonic()
        with self._peak() as peak:
            for part, data in zip(self.parts, batches, strict=True):
                self._send(part.holder, data)
            files = self._wait()
        wall = time.monotonic() - begun
        converting = self._converters_cpu() - before
        opening, opened = _cpu(lambda: sum(self._open(file) for file in files))
        assert opened == 2 * self.persons
        sent = 2 * self.persons
        each = _floor()
        total, floor = holding + converting + opening, sent * (sum(each.values()))
        share = sent * 2 * each["conversion"]
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        print(f"{sent} persons through two converters: {wall:.0f} s, load {load}")
        return [
            _row(
                f"{self.persons} persons at each of two holders to a project, all parties",
                sent / total,
                "persons per second per core",
                total / floor,
                max(peak),
            ),
            _row(
                f"both converters alone, {sent} persons, with HTTP, disk and shuffle",
                sent / converting,
                "persons per second per core",
                converting / share,
                max(peak),
            ),
            {
                "name": f"from the first batch sent to the last received, load {load}",
                "value": round(wall, 1),
                "unit": "s",
                "against": None,
                "ratio": None,
                "peak_mb": round(max(peak), 1),
            },
        ]

    def _home(self, body: str) -> Path:
        return self.deployment.configs[body].parent

    def _part(self, data_class: str) -> Part:
        known = next(one for one in CLASSES if one == data_class)
        holder = holders(self.framework, known)[0]
        hops = extract_route(self.framework, holder, known, self.place).hops
        lane = decider(self.framework, holder, known)
        return part_along(hops, known, lane=lane, application=PROJECT, max_rows=self.persons)

    def _permit(self) -> str:
        day = today(SystemClock())
        lanes = tuple(sorted({part.lane for part in self.parts}))
        keys = {
            body: key_digest(self.deployment.directory.find(body).seal_recipient)
            for part in self.parts
            for body in (part.hops[1:] or part.hops)
        }
        fields = {
            "id": "permit-benchmark",
            "version": 1,
            "application": PROJECT,
            "application_digest": "0" * 64,
            "applicant": "Benchmark",
            "team": ["nobody"],
            "purpose": "research",
            "tables": [{"table": "person", "columns": ["year_of_birth"]}],
            "classes": [part.data_class for part in self.parts],
            "cohort": {"codes": ["E11"]},
            "period": {},
            "form": "pseudonymised",
            "linkage": True,
            "environment": self.place,
            "parts": self.parts,
            "opt_out": [{"registry": self.parts[0].holder, "number": 1}],
            "ledger_heads": [{"body": lane, "size": 1, "root": "00"} for lane in lanes],
            "conditions": [],
            "starts": day.isoformat(),
            "expires": (day + timedelta(days=30)).isoformat(),
            "granted_by": lanes,
            "receiver_keys": [{"body": b, "digest": d} for b, d in sorted(keys.items())],
        }
        payload = Permit.from_payload(msgspec.to_builtins(fields)).payload()
        signed = [jws.sign_shared(payload, self._key(lane), lane, PERMIT) for lane in lanes]
        return jws.assemble(payload, signed)

    def _key(self, body: str) -> SigningKey:
        return SigningKey.read(self._home(body) / "keys" / "signing")

    def _batch(self, part: Part, permit: str) -> bytes:
        """What a holder does: draw a tag for each person and encrypt."""
        end = Domain(part.domains[-1])
        reason = Reason(
            id=new_id(system_random),
            kind="permit",
            from_domain=Domain(part.domains[0]),
            to_domain=end,
            receiver=self.place,
            room="analysis",
            max_rows=self.persons,
            expires=(today(SystemClock()) + timedelta(days=7)).isoformat(),
            permit=permit,
            receiver_key=key_digest(self.deployment.directory.find(self.place).seal_recipient),
        )
        token = jws.sign(reason.payload(), self._key(part.holder), part.holder, REASON)
        known = [random_element(system_random) for _ in range(min(self.persons, PROBE))]
        pseudonyms: Iterator[Element] = (known[n % len(known)] for n in range(self.persons))
        persons = [(new_tag(system_random), one) for one in pseudonyms]
        key = self.keys.first_global_key
        batch = pack(Batch(encrypt_persons(persons, key, system_random), key))
        return parcel.pack({"reasons": [token]}, [batch])

    def _send(self, holder: str, data: bytes) -> None:
        client = Client(holder, self._key(holder), clock=SystemClock(), random=system_random)
        peer = self.deployment.directory.find(self.converters[0])
        client.post(peer, "/exchange/conversion/batch", data, content_type=parcel.MEDIA_TYPE)
        client.close()

    def _wait(self) -> list[Path]:
        """Wait until the environment has kept the pseudonyms of both batches."""
        spool = self._home(self.place) / "data" / "spool" / "transfers"
        while True:
            files = sorted(spool.glob("*/pseudonyms"))
            if len(files) == len(self.parts):
                return files
            if self.fleet.dead():
                raise SystemExit(f"ended: {self.fleet.dead()}")
            time.sleep(0.2)

    def _open(self, file: Path) -> int:
        secrets = [load_keys(self._home(one) / "keys").converter() for one in self.converters]
        domain = Domain(self.parts[0].domains[-1])
        key = domain_key(one.key_share(domain, 0) for one in secrets)
        return len(open_batch(unpack(file.read_bytes()), key))

    def _converters_cpu(self) -> float:
        """CPU seconds of both converters' processes, those that ended included."""
        spent = 0.0
        for body in self.converters:
            root = psutil.Process(self.fleet.pids()[BodyId(body)])
            for process in (root, *root.children(recursive=True)):
                times = process.cpu_times()
                spent += times.user + times.system
                spent += times.children_user + times.children_system
        return spent

    @contextmanager
    def _peak(self) -> Iterator[list[float]]:
        """Watch the memory of each converter's process tree (sum of PSS, MB), its workers' too."""
        peaks, over = [0.0], threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                for body in self.converters:
                    root = psutil.Process(self.fleet.pids()[BodyId(body)])
                    total = 0
                    for process in (root, *root.children(recursive=True)):
                        try:
                            total += process.memory_full_info().pss
                        except psutil.NoSuchProcess:
                            continue
                    peaks.append(total / 2**20)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield peaks
        finally:
            over.set()
            thread.join()


def _cpu(work):  # type: ignore[no-untyped-def]
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


def _floor() -> dict[str, float]:
    """CPU seconds a person of the bare operations: encrypting, one conversion, opening."""
    multiply, base = rbcl.crypto_scalarmult_ristretto255, rbcl.crypto_scalarmult_ristretto255_base
    plus, less = rbcl.crypto_core_ristretto255_add, rbcl.crypto_core_ristretto255_sub
    draw = rbcl.crypto_core_ristretto255_scalar_random
    point = base(draw())
    spent = dict.fromkeys(("encrypt", "conversion", "open"), 0.0)
    for _ in range(PROBE):
        scalar, other = draw(), draw()
        begun = time.process_time()
        base(scalar)
        plus(point, multiply(scalar, point))
        spent["encrypt"] += time.process_time() - begun
        begun = time.process_time()
        plus(multiply(other, point), base(scalar))
        plus(multiply(other, point), multiply(scalar, point))
        spent["conversion"] += time.process_time() - begun
        begun = time.process_time()
        less(point, multiply(other, point))
        spent["open"] += time.process_time() - begun
    each = {name: seconds / PROBE for name, seconds in spent.items()}
    return {**each, "second conversion": each["conversion"]}


def _row(name: str, value: float, unit: str, ratio: float, peak: float) -> dict[str, object]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": "the CPU of the bare group operations",
        "ratio": round(ratio, 3),
        "peak_mb": round(peak, 1),
    }
