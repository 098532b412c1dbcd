"""Plays a scenario day by day: submissions, choices, applications, votes, jobs, releases."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sekisho.body.keyring import converter_files, read_converter
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.errors import SekishoError
from sekisho.common.ids import BodyId
from sekisho.common.randomness import system_random
from sekisho.control.optout import Scope, read_desk_rule
from sekisho.data.analysis.study import pack
from sekisho.data.collection import read_pull_rule
from sekisho.data.linkage import read_enclave_rule
from sekisho.exchange import parcel, seal
from sekisho.exchange.directory import Peer
from sekisho.framework import (
    DataKinds,
    Framework,
    desks,
    lanes,
    windows,
)
from sekisho.person import View as PersonView
from sekisho.person import ask, collect
from sekisho.rehearsal import cast, forms
from sekisho.rehearsal.linkage import Population, holders_of, measure
from sekisho.rehearsal.providers import Providers
from sekisho.rehearsal.pulling import Pulling, is_pulled, pull_days
from sekisho.rehearsal.scenario import (
    Application,
    Job,
    OptOut,
    Scenario,
    Submission,
    View,
)
from sekisho.rehearsal.stage import Stage

VOTE_DAYS = 20
"""Days after an application on which its lanes vote (design section 6)."""


@dataclass
class Record:
    """What the observer writes down while a scenario is played."""

    submissions: list[dict[str, Any]] = field(default_factory=list)
    choices: list[dict[str, Any]] = field(default_factory=list)
    applications: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    released: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Play:
    """One scenario in one framework on running bodies."""

    scenario: Scenario
    framework: Framework
    kinds: DataKinds
    stage: Stage
    folder: Path
    record: Record = field(default_factory=Record)
    told: set[tuple[int, date]] = field(default_factory=set)
    """Changes of made persons' numbers that insurers have told: person, day of the change."""
    pulling: Pulling = field(init=False)

    def __post_init__(self) -> None:
        self.pulling = Pulling(self.scenario.start)

    def days(self) -> list[int]:
        """Return the days on which something happens, in order."""
        found = {0}
        found |= {one.day for one in self.scenario.submission}
        found |= pull_days(self.scenario, self.framework, read_pull_rule(self.folder / "rules"))
        # Bodies cut off every day; a rehearsal passes over days, but never the one after a choice.
        found |= {choice.day + n for choice in self.scenario.opt_out for n in (0, 1)}
        found |= {change.day for change in self.scenario.number_change}
        for choice in self.scenario.opt_out:
            found |= {choice.day, max(choice.day, choice.effective_from or 0)}
        for complaint in self.scenario.complaint:
            found |= {complaint.day, complaint.answered or complaint.day}
        for asked in self.scenario.application:
            found |= {asked.day, asked.day + VOTE_DAYS}
            if asked.enclave:  # its day: everything there is destroyed
                rule = read_enclave_rule(self.folder / "rules" / "linkage")
                found.add(asked.day + VOTE_DAYS + rule.keep_days)
        found |= {job.day for job in self.scenario.job}
        found |= {view.day for view in self.scenario.view}
        found |= {one.day for one in self.scenario.rotation}
        return sorted(found)

    def run(self) -> Iterator[str]:
        """Play day after day; yield what is being done, for a progress bar."""
        for day in self.days():
            yield f"day {day}"
            self.tell_changes(day)
            self.stage.set_day(self.day_of(day))
            submissions = [one for one in self.scenario.submission if one.day == day]
            for sent in submissions:
                yield f"day {day}: submission of {sent.provider} ({sent.format})"
                self.submit(sent)
            pulled = list(self.pulling.run(self.providers, day))
            self.record.submissions += pulled
            if submissions or pulled:
                self.stage.settle()
            for _ in [one for one in self.scenario.rotation if one.day == day]:
                yield f"day {day}: new epoch"
                self.rotate()
            choices = [one for one in self.scenario.opt_out if one.day == day]
            for choice in choices:
                self.choose(choice)
            self.complaints(day)
            if choices:
                self.stage.settle()
            for asked in [one for one in self.scenario.application if one.day == day]:
                yield f"day {day}: application {asked.id}"
                self.apply(asked)
            for asked in [one for one in self.scenario.application if one.day + VOTE_DAYS == day]:
                yield f"day {day}: lanes decide on {asked.id}; extract"
                self.decide(asked)
            for job in [one for one in self.scenario.job if one.day == day]:
                yield f"day {day}: study for {job.application}"
                self.run_job(job)
            views = [one for one in self.scenario.view if one.day == day]
            if views:
                yield f"day {day}: {len(views)} persons ask where their data were used"
                self.look(views)
        yield "released files"
        self.fetch_released()

    def day_of(self, day: int) -> date:
        return self.scenario.start + timedelta(days=day)

    # Providers

    @property
    def providers(self) -> Providers:
        return Providers(self.scenario, self.framework, self.kinds, self.stage, self.folder)

    def submit(self, sent: Submission) -> None:
        """Let a provider hand its files in, or lay them where its program will pull them."""
        if is_pulled(self.framework, sent):
            self.pulling.change(sent)
            return
        self.record.submissions.append(self.providers.hand_in(sent))

    # Keys

    def rotate(self) -> None:
        """Begin a new epoch of pseudonyms, as the first converter's operator does."""
        converter = self.framework.with_role("converter")[0]
        self.stage.tell(converter, converter, "conversion/rotate", {"deadline_days": 14})
        self.stage.settle()

    # Histories

    def tell_changes(self, day: int) -> None:
        """Let insurers tell the history service of new numbers, before the day's cut-off."""
        made = dict(forms.made_changes(self.scenario, self.day_of(day)))
        new = [form for change, form in made.items() if change not in self.told]
        self.told |= made.keys()
        new += forms.named_changes(self.scenario, day)
        if not new:
            return
        history = self._history()
        sealed = [seal.seal(canonical_json(form), history.seal_recipient or "") for form in new]
        message = parcel.pack({}, sealed)
        self.stage.tell(
            cast.INSURER, history.id, "history/change", message, content_type=parcel.MEDIA_TYPE
        )
        self.stage.settle()

    def _history(self) -> Peer:
        return self.stage.deployment.directory.find(self.framework.with_role("history")[0])

    def linkage(self) -> dict[str, Any] | None:
        """Return missed and false links; None where the people are not ours to know."""
        asked, people = self.scenario.application, self.scenario.people()
        if not asked or not people:
            return None
        on = self.day_of(max(one.day for one in asked) + VOTE_DAYS)
        where = holders_of(self.framework)
        path = f"rehearsal/united?on={on.isoformat()}"
        folders = sorted((self.folder / "bodies").glob("*/keys"))
        return measure(
            Population(
                self.scenario.seed,
                people,
                tuple(one.code for one in self.scenario.provider),
                self.scenario.period(),
            ),
            [read_converter(keys) for keys in folders if converter_files(keys)],
            {body: self.stage.ask(cast.OBSERVER, body, path) for body in where},
            self.framework.open.identifier,
            on,
        )

    # Opt-out

    def choose(self, choice: OptOut) -> None:
        """State a choice at a desk; the form that names the person is sealed to the history."""
        scope = Scope.parse(choice.scope)
        if scope.kind == "operator" and scope.value not in self.framework.function_bodies:
            self.record.notes.append(f"scope {choice.scope}: no such body in this framework")
            return
        open_desks = desks(self.framework)
        desk = next((one for one in open_desks if one == choice.desk), open_desks[0])
        history = self._history()
        by = self.framework.open.identifier
        spec = self.scenario.spec_of(choice.person, choice.day, by)
        form = seal.seal(canonical_json(forms.plain(spec)), history.seal_recipient or "")
        self.stage.tell(
            cast.DESK,
            desk,
            "opt_out/choice",
            {"scope": choice.scope, "revoke": choice.revoke, "form": form.hex()}
            | forms.on_whose_behalf(self.scenario, choice, self._ages()),
        )
        self.record.choices.append({"desk": desk, "scope": choice.scope, "day": choice.day})

    def _ages(self) -> list[int]:
        rule = read_desk_rule(self.folder / "rules" / "opt-out-desk.toml")
        return [one.age for one in rule.ask_again]

    def complaints(self, day: int) -> None:
        """File the complaints of a day, and answer those whose answer comes on it."""
        desk = desks(self.framework)[0]
        for one in [it for it in self.scenario.complaint if it.day == day]:
            filed = {"category": one.category, "text": ""}
            self.stage.tell(cast.DESK, desk, "opt_out/complaint", filed)
            self.stage.settle()
        due = [it for it in self.scenario.complaint if it.answered == day]
        waiting = self.stage.ask(cast.DESK, desk, "opt_out/work")["complaints"] if due else []
        for one in due:
            same = [it for it in waiting if it["state"] == "received"]
            found = next(it for it in same if it["category"] == one.category)
            waiting.remove(found)
            for taken in ("take", "answer"):
                step = {"complaint": found["id"], "step": taken}
                self.stage.tell(cast.DESK, desk, "opt_out/complaint-step", step)
                self.stage.settle()

    # A person's view

    def look(self, views: Sequence[View]) -> None:
        """Let persons ask at a desk, all at once, and take their answers."""
        client, directory = self.stage.client(cast.DESK), self.stage.deployment.directory
        by = self.framework.open.identifier
        specs = [forms.plain(self.scenario.spec_of(one.person, one.day, by)) for one in views]
        put = [ask(client, directory, self.framework, spec, system_random) for spec in specs]
        self.stage.settle()
        for view, asked in zip(views, put, strict=True):
            seen = collect(client, directory, asked)
            self.seen(view, seen)
        self.stage.settle()

    def seen(self, view: View, shown: PersonView | None) -> None:
        """Write down how much a person was shown: how many of each, never which."""
        counts = {"answered": 0} if shown is None else {"answered": 1, **shown.counts()}
        self.record.views.append({"day": view.day, **counts})

    # Review

    def apply(self, asked: Application) -> None:
        """Hand the application in at every window that the framework opens for it."""
        account = cast.applicant_of(asked.id)
        payload = forms.application(asked, account, self.day_of(asked.day))
        classes = self.kinds.classes_of_tables(asked.tables)
        opened = windows(self.framework, classes)
        for window in opened:
            self.stage.tell(account, window.body, "review/application", payload)
        self.record.applications.append(
            {
                "application": asked.id,
                "windows": [window.body for window in opened],
                "lanes": [lane.body for lane in lanes(self.framework, classes)],
            }
        )
        self.stage.settle()
        for lane in lanes(self.framework, classes):
            complete = {"command": "check_completeness", "by": cast.handler(lane.body)}
            self._command(lane.body, asked.id, complete)
        self.stage.settle()

    def decide(self, asked: Application) -> None:
        """Call the ballot in every lane, vote as the scenario says, count and seal."""
        classes = self.kinds.classes_of_tables(asked.tables)
        for lane in lanes(self.framework, classes):
            self._ballot(asked, lane.body)
        self.stage.settle()
        if asked.enclave:
            self.match(asked)

    def match(self, asked: Application) -> None:
        """Let every provider answer the enclave, and its clerk decide on the pairs it shows."""
        body = self.framework.with_role("history")[0]
        self.providers.answer_enclave(asked, self.day_of(asked.day + VOTE_DAYS))
        self.stage.settle()
        if asked.clerk == "away":
            return
        for pair in self.stage.ask(cast.CLERK, body, "enclave/work")["pairs"]:
            if pair["application"] == asked.id:
                word = {
                    "application": asked.id,
                    "pair": pair["pair"],
                    "same": asked.clerk == "same",
                }
                self.stage.tell(cast.CLERK, body, "enclave/decision", word)
        self.stage.settle()

    def _ballot(self, asked: Application, body: str) -> None:
        boss = cast.chair(body)
        found = self.stage.ask(boss, body, "review/cases")["cases"]
        mine = [case for case in found if case["application"]["id"] == asked.id]
        if not mine or mine[0]["stage"] != "conflict_check":
            return
        paper = digest_of(mine[0]["application"])
        motion = {"classes": sorted(mine[0]["classes"])}
        self._command(
            body,
            asked.id,
            {"command": "call_ballot", "by": boss, "motion": motion, "papers": [paper]},
        )
        opinion = {"approve": "yes", "reject": "no", "abstain": "abstain"}[asked.vote_at(body)]
        for member in cast.members(body):
            vote: dict[str, Any] = {"command": "cast_vote", "by": member, "data": opinion}
            if asked.linkage:
                vote["linkage"] = opinion
            if opinion == "no":
                vote["reason"] = "The scenario says so."
            self._command(body, asked.id, vote)
        self._command(body, asked.id, {"command": "close_ballot", "by": boss})
        self.stage.settle()
        self._command(body, asked.id, {"command": "seal_decision", "by": boss})
        self.stage.settle()

    def _command(self, body: str, application: str, command: dict[str, Any]) -> None:
        """Tell a lane what to do; it does what it is told in that order, so nobody waits."""
        message = {"application": application, "command": command}
        self.stage.tell(command["by"], body, "review/command", message)

    # Analysis

    def run_job(self, job: Job) -> None:
        """Send the study to the project's environment; two checkers look at what may leave."""
        account = cast.applicant_of(job.application)
        place = self._environment(job.application)
        if place is None:
            self.record.notes.append(f"{job.application}: no environment, so the study did not run")
            return
        package = pack(job.study)
        message = parcel.pack({"application": job.application}, [package])
        self.stage.tell(account, place, "analysis/job", message, content_type=parcel.MEDIA_TYPE)
        self.stage.settle()
        for checker in cast.checkers(place):
            waiting = self.stage.ask(checker, place, "analysis/requests")["requests"]
            for request in waiting:
                seen = {file["name"]: file["sha256"] for file in request["files"]}
                verdict = {"release": request["release"], "approve": True, "digests": seen}
                self.stage.tell(checker, place, "analysis/review", verdict)
            self.stage.settle()
        self.record.jobs.append(
            {"application": job.application, "day": job.day, "environment": place}
        )

    def _environment(self, application: str) -> str | None:
        account = cast.applicant_of(application)
        for body in self.framework.function_bodies:
            try:
                told = self.stage.ask(account, body, f"analysis/project?application={application}")
            except SekishoError:
                continue
            if told["state"] == "ready":
                return body
        return None

    def fetch_released(self) -> None:
        """Take what was released, as the team does."""
        for asked in self.scenario.application:
            place = self._environment(asked.id)
            if place is None:
                continue
            account = cast.applicant_of(asked.id)
            told = self.stage.ask(account, place, f"analysis/released?application={asked.id}")
            names = []
            for name, content in told["files"].items():
                leaf = name.rpartition("/")[2]
                target = self.folder / "released" / asked.id / leaf
                write_atomically(target, base64.b64decode(content))
                names.append(leaf)
            self.record.released[asked.id] = sorted(names)
            self._copy_project(asked.id, BodyId(place))

    def _copy_project(self, application: str, place: BodyId) -> None:
        source = self.folder / "bodies" / place / "data" / "projects" / application / "data"
        for file in sorted(source.glob("*.parquet")):
            target = self.folder / "projects" / application / "data" / file.name
            write_atomically(target, file.read_bytes())
