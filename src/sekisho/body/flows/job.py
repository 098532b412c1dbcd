"""A study at its environment: dummy run, real run, count, check, two reviews, release.

What the study's code counted is never looked at: the trusted builder counts persons from the
study's person-level tables. What leaves are the bytes that two reviewers saw, by hash.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import orjson

from sekisho.body.context import Body
from sekisho.body.flows import uses
from sekisho.body.flows.extract import plan_of
from sekisho.body.flows.permits import Granted, granted_permit
from sekisho.body.flows.project import folder as project_folder
from sekisho.body.flows.project import require_team
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, SekishoError, StorageFull, UserError
from sekisho.common.storage import require_room
from sekisho.control.catalogue import read_catalogue, rule_sets
from sekisho.data import release
from sekisho.data.analysis.environment import Environment, stage
from sekisho.data.analysis.job import JobRecord, run_on_dummy, run_on_real
from sekisho.data.analysis.limits import Facts, Limits
from sekisho.data.analysis.selftest import ProbeReport, self_test
from sekisho.data.analysis.study import StudyPackage, package_hash, unpack
from sekisho.data.linkage import WEIGHT_TABLE
from sekisho.data.processing import released_schema
from sekisho.exchange import jws, parcel

RECEIPT = "sekisho-release"


def submit(body: Body, message: Incoming) -> Outcome:
    """Take a study for a project; it runs as soon as the project's data are there."""
    header, blobs = parcel.unpack(message.read(), needs=("application",))
    application = str(header["application"])
    project = body.store.get("project", application)
    if project is None:
        raise UserError("job.no-project", "This environment has no such project.")
    require_team(granted_permit(body, project["permit"]), message.sender)
    job = f"{application}:{message.id}"
    write_atomically(_workspace(body, job) / "package", blobs[0])
    kept = {"state": "waiting", "package": package_hash(blobs[0]), "by": message.sender}
    outcome = Outcome(put=[("job", job, kept)])
    if project["state"] == "ready":
        outcome.send.append(Outgoing(body.id, "analysis/run", orjson.dumps({"job": job})))
    return outcome


def run(body: Body, message: Incoming) -> Outcome:
    """Run a waiting study on dummy data and then on the extract; check what it declares."""
    job = orjson.loads(message.read())["job"]
    kept = body.store.get("job", job)
    if kept is None or kept["state"] != "waiting":
        return Outcome()
    application = job.partition(":")[0]
    project = body.store.get("project", application) or {}
    granted = granted_permit(body, project["permit"])
    outcome = Outcome()
    outcome.fact("job.started", job=job, application=application, package=kept["package"])
    try:
        records, verdicts, study = _both_runs(body, granted, job)
    except _Failed as failed:
        outcome.fact("job.refused", job=job, application=application, code=failed.code)
        told = {"state": "failed-on-dummy", "problem": failed.as_problem(), "words": failed.words}
        outcome.put.append(("job", job, {**kept, **told}))
        return outcome
    except StorageFull:
        raise
    except SekishoError as error:
        outcome.fact("job.refused", job=job, application=application, code=error.code)
        refused = {**kept, "state": "refused", "problem": error.as_problem()}
        outcome.put.append(("job", job, refused))
        return outcome
    real = records[-1]
    outcome.fact(
        "job.finished",
        job=job,
        application=application,
        outcome=real.status if real.passed else f"not-passed:{real.reason}",
        seconds=real.milliseconds // 1000,
        peak_mb=real.peak_bytes // 2**20,
        memory_guard=real.controls["memory"],
    )
    outcome.add(_request(body, granted, job, kept, records, verdicts, study))
    return outcome


class _Failed(UserError):
    """The study did not pass on dummy data; its own words there are no secret."""

    def __init__(self, record: JobRecord, words: str) -> None:
        super().__init__(
            "job.failed-on-dummy",
            f"The study did not pass on dummy data: {record.reason}.",
            rule="the same hash passes on dummy data before it sees an extract",
            next_step="read the study's own words from that run, mend it, send it again",
        )
        self.words = words[-4000:]


def _both_runs(
    body: Body, granted: Granted, job: str
) -> tuple[list[JobRecord], list[release.Verdict], StudyPackage]:
    home = _workspace(body, job)
    package = (home / "package").read_bytes()
    for name in ("dummy", "real", "read"):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in ("dummy", "real"):
        (home / name).mkdir(parents=True)
    study = unpack(package, home / "read")
    _require_permitted(study, granted)
    environment: Environment = stage()
    cgroup = None if body.config.cgroup is None else Path(body.config.cgroup)
    facts = Facts(declared_synthetic=body.config.declared_synthetic, cgroup=cgroup)
    probe: ProbeReport = self_test(environment, facts)
    limits = Limits()
    plan = plan_of(body, granted, body.id, granted.permit.classes)
    columns = {it.name: released_schema(it).names for it in plan.tables if it.asked}
    codes = {"condition_source_value": granted.permit.cohort.codes}
    dummy, words = run_on_dummy(
        package,
        home / "dummy",
        environment,
        limits,
        probe,
        _inspect,
        columns=columns,
        codes=codes,
    )
    if not dummy.passed:
        require_room(body.folders.base)
        raise _Failed(dummy, words or "")
    data = project_folder(body, granted.application) / "data"
    real = run_on_real(
        package, data, home / "real", environment, limits, facts, probe, _inspect, dummy
    )
    if not real.passed:  # what a full disk did to a study is not the study's fault
        require_room(body.folders.base)
    verdicts = _check(body, granted, study, home / "real" / "out", data) if real.passed else []
    return [dummy, real], verdicts, study


def _require_permitted(study: StudyPackage, granted: Granted) -> None:
    named = {asked.table for asked in granted.permit.tables}
    if granted.permit.enclave is not None:
        named.add(WEIGHT_TABLE)
    extra = set(study.inputs) - named
    if extra:
        raise Refusal(
            "job.not-permitted",
            f"The study reads {', '.join(sorted(extra))}, which the permit does not name.",
            rule="a permit names the tables that may be used; an enclave's weights come with it",
            next_step="take the table out of `inputs`, or ask for a change of the permit",
        )


def _inspect(study: StudyPackage, out: Path, data: Path) -> None:
    """See that what a run left can be counted at all."""
    release.count_outputs(study, out, data)


def _check(
    body: Body, granted: Granted, study: StudyPackage, out: Path, data: Path
) -> list[release.Verdict]:
    wanted = rule_sets(read_catalogue(body.rules / "catalogue.toml"), granted.permit.classes)
    rules = release.choose(release.read_rule_sets(body.rules / "publication"), wanted)
    # The number of persons in the project is in its receipt, so the audit takes it as known.
    earlier = [
        *_earlier(body, granted.application),
        release.everyone(release.project_persons(data)),
    ]
    verdicts = []
    for table in release.count_outputs(study, out, data):
        verdict = release.check(table, rules, earlier)
        verdicts.append(verdict)
        if verdict.kept is not None:
            earlier = [*earlier, verdict.kept]
    return verdicts


def _earlier(body: Body, application: str) -> list[release.Kept]:
    kept = project_folder(body, application) / "kept"
    return [release.Kept.from_bytes(file.read_bytes()) for file in sorted(kept.glob("*.parquet"))]


def _request(
    body: Body,
    granted: Granted,
    job: str,
    kept: Json,
    records: list[JobRecord],
    verdicts: list[release.Verdict],
    study: StudyPackage,
) -> Outcome:
    """Freeze what may be reviewed, by hash; nothing is asked for where nothing passed."""
    home = _workspace(body, job)
    purposes = {output.name: output.purpose for output in study.outputs}
    outcome = Outcome()
    files = []
    summary = []
    for verdict in verdicts:
        summary.append(
            {
                "name": verdict.name,
                "verdict": verdict.outcome.value,
                "cells": verdict.cells,
                "masked": verdict.masked_cells,
                "findings": [finding.code for finding in verdict.findings],
                "rules": list(verdict.rule_sets),
            }
        )
        outcome.fact(
            "release.checked",
            release=job,
            application=granted.application,
            output=verdict.name,
            rule_sets=[rule.partition(" ")[0] for rule in verdict.rule_sets],
            verdict=verdict.outcome.value,
            masked=verdict.masked_cells,
        )
        if verdict.content is not None and verdict.sha256 is not None:
            assert verdict.kept is not None
            write_atomically(home / "request" / verdict.name, verdict.content)
            write_atomically(home / "kept" / f"{verdict.name}.parquet", verdict.kept.to_bytes())
            masked = verdict.outcome is release.Outcome.MASKED
            files.append(
                release.File(
                    verdict.name,
                    verdict.sha256,
                    "masked" if masked else "released",
                    purposes[verdict.name],
                )
            )
    state = {
        **kept,
        "state": "checked" if files else "nothing-to-release",
        "outputs": summary,
        "runs": [record.as_entry() for record in records],
    }
    outcome.put.append(("job", job, state))
    if files:
        asked = release.submit(job, files, kept["by"], granted.permit.team, body.now())
        outcome.append.append((_stream(job), 0, [msgspec.to_builtins(asked)]))
    return outcome


def requests(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """List what waits for this checker: files with their contents as they would leave."""
    found: list[Json] = []
    for name in body.store.streams("release/"):
        request = _fold(body, name)
        waiting = request.state in {release.State.SUBMITTED, release.State.ONE_REVIEW}
        if not waiting or any(r.actor == sender for r in request.reviews):
            continue
        home = _workspace(body, request.id)
        files = [
            {
                "name": file.name,
                "sha256": file.sha256,
                "verdict": file.verdict,
                "purpose": file.purpose,
                "content": base64.b64encode((home / "request" / file.name).read_bytes()).decode(),
            }
            for file in request.files
        ]
        found.append({"release": request.id, "files": files})
    return {"requests": found}


def review(body: Body, message: Incoming) -> Outcome:
    """Keep a checker's verdict on exactly these hashes; the second approval releases."""
    said: Json = orjson.loads(message.read())
    job = said["release"]
    application = job.partition(":")[0]
    if (body.store.get("project", application) or {}).get("state") == "revoked":
        raise Refusal("project.closed", "The project's permit was taken back; nothing leaves.")
    events = body.store.events(_stream(job))
    request = release.fold(msgspec.convert(events, list[release.Event]))
    seen = {file.name: file.sha256 for file in request.files}
    if said["digests"] != seen:
        raise Refusal("release.other-bytes", "The verdict is about other bytes than the request's.")
    verdict = release.review(
        request, message.sender, bool(said["approve"]), body.now(), reason=said.get("reason", "")
    )
    new = [verdict]
    outcome = Outcome()
    outcome.fact(
        "release.reviewed",
        release=job,
        application=application,
        reviewer=message.sender,
        verdict=verdict.kind,
        digests=seen,
    )
    after = release.fold([*msgspec.convert(events, list[release.Event]), verdict])
    kept = body.store.get("job", job) or {}
    if after.state is release.State.APPROVED:
        home = _workspace(body, job)
        content = {name: (home / "request" / name).read_bytes() for name in seen}
        event, leaving = release.release(after, content, body.id, body.now())
        new.append(event)
        outcome.add(_leave(body, job, application, leaving, [r.actor for r in after.reviews]))
        outcome.put.append(("job", job, {**kept, "state": "released"}))
    elif after.state is release.State.REFUSED:
        outcome.put.append(("job", job, {**kept, "state": "release-refused"}))
    outcome.append.append((_stream(job), len(events), [msgspec.to_builtins(e) for e in new]))
    return outcome


def _leave(
    body: Body, job: str, application: str, leaving: Mapping[str, bytes], reviewers: list[str]
) -> Outcome:
    """Write what leaves, remember what it said (for later checks), sign its hashes."""
    project = project_folder(body, application)
    number = job.rpartition(":")[2]
    for name, content in leaving.items():
        write_atomically(project / "released" / number / name, content)
        kept = (_workspace(body, job) / "kept" / f"{name}.parquet").read_bytes()
        write_atomically(project / "kept" / f"{number}.{name}.parquet", kept)
    digests = {name: digest(content) for name, content in leaving.items()}
    signed = {"release": job, "application": application, "digests": digests}
    token = jws.sign(signed, body.keys.signing, body.id, RECEIPT)
    outcome = Outcome()
    outcome.documents.append((f"receipts/release-{application}-{number}.jws", token))
    outcome.fact(
        "release.made",
        release=job,
        application=application,
        digests=digests,
        bytes=sum(len(content) for content in leaving.values()),
        reviewers=sorted(reviewers),
    )
    outcome.send.append(uses.tell_released(body, application, digests))
    return outcome


def released(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Give a member of the team what was released, and how each job stands."""
    application = params.get("application", "")
    project = body.store.get("project", application)
    if project is None:
        return {"jobs": [], "files": {}}
    require_team(granted_permit(body, project["permit"]), sender)
    jobs = [
        {
            "job": job,
            **{key: kept[key] for key in ("state", "outputs", "problem", "words") if key in kept},
        }
        for job, kept in body.store.find("job", f"{application}:")
    ]
    home = project_folder(body, application) / "released"
    files = {
        str(file.relative_to(home)): base64.b64encode(file.read_bytes()).decode()
        for file in sorted(home.rglob("*"))
        if file.is_file()
    }
    return {"jobs": jobs, "files": files}


def _workspace(body: Body, job: str) -> Path:
    application, _, number = job.partition(":")
    return project_folder(body, application) / "jobs" / number


def _stream(job: str) -> str:
    return f"release/{job}"


def _fold(body: Body, stream: str) -> release.Request:
    return release.fold(msgspec.convert(body.store.events(stream), list[release.Event]))
