"""Review: from an application to a permit, as events that can be read again.

Rules it keeps:
- a lane is a table of stages: what is not in it is refused, and a refusal changes nothing;
- no decision without a valid ballot, or another body's decision that the framework lets it take
  over; quorum, composition and majority are a rule file whose numbers name their sources;
- who is recused, in conflict or of the team never votes, handles or decides; nobody takes another's
  vote away, and a cast vote stays;
- the roster of a ballot is fixed when it is called; every vote against has a written reason;
- linkage needs a yes of its own from every lane; without it no permit brings two holders' persons
  into one domain (promise 4);
- the same events give the same state, byte for byte.

It does not store, sign or send anything, does not know the time, and never holds patient data.

Use: ``events = decide(state, command, facts)``, store them, ``state = replay(events, state)``;
when all lanes have ended: ``join(...)``, then ``permit_payload(...)`` for the lanes to sign.
"""

from sekisho.control.review.actors import conflict
from sekisho.control.review.application import Application, Cohort, Period, fields_typed
from sekisho.control.review.ballot import (
    BallotRule,
    Motion,
    Tally,
    Vote,
    ballot_schema,
    read_ballot_rule,
)
from sekisho.control.review.clocks import (
    Clock,
    ClockRule,
    Running,
    clock_schema,
    due_on,
    owned_days,
    read_clock_rule,
    review_days,
    running,
)
from sekisho.control.review.commands import (
    CallBallot,
    CastVote,
    CheckCompleteness,
    CloseBallot,
    Command,
    DeclareConflict,
    Recognise,
    SealDecision,
    Submit,
    Substitute,
    Withdraw,
    read_command,
)
from sekisho.control.review.committee import Committee, Seat, committee_schema, read_committee
from sekisho.control.review.deciding import decision_of
from sekisho.control.review.decision import LaneDecision
from sekisho.control.review.events import Event, read_event, read_events
from sekisho.control.review.facts import Facts
from sekisho.control.review.forms import FormRule, form_schema, read_form_rule
from sekisho.control.review.issuing import (
    PermitRule,
    last_day,
    most_persons,
    permit_payload,
    permit_schema,
    read_permit_rule,
)
from sekisho.control.review.joining import (
    JoiningRule,
    Outcome,
    Policy,
    join,
    joining_schema,
    read_joining_rule,
)
from sekisho.control.review.lane import can, command_name, decide
from sekisho.control.review.permit import Enclave, LedgerHead, ListMinimum, Part, Permit, part_along
from sekisho.control.review.stages import (
    COMMAND_ROLES,
    STAGE_OWNERS,
    TERMINAL,
    TRANSITIONS,
    Stage,
    stage_diagram,
)
from sekisho.control.review.state import LaneState, evolve, replay
from sekisho.control.review.using import allows, is_active

__all__ = [
    "COMMAND_ROLES",
    "STAGE_OWNERS",
    "TERMINAL",
    "TRANSITIONS",
    "Application",
    "BallotRule",
    "CallBallot",
    "CastVote",
    "CheckCompleteness",
    "Clock",
    "ClockRule",
    "CloseBallot",
    "Cohort",
    "Command",
    "Committee",
    "DeclareConflict",
    "Enclave",
    "Event",
    "Facts",
    "FormRule",
    "JoiningRule",
    "LaneDecision",
    "LaneState",
    "LedgerHead",
    "ListMinimum",
    "Motion",
    "Outcome",
    "Part",
    "Period",
    "Permit",
    "PermitRule",
    "Policy",
    "Recognise",
    "Running",
    "SealDecision",
    "Seat",
    "Stage",
    "Submit",
    "Substitute",
    "Tally",
    "Vote",
    "Withdraw",
    "allows",
    "ballot_schema",
    "can",
    "clock_schema",
    "command_name",
    "committee_schema",
    "conflict",
    "decide",
    "decision_of",
    "due_on",
    "evolve",
    "fields_typed",
    "form_schema",
    "is_active",
    "join",
    "joining_schema",
    "last_day",
    "most_persons",
    "owned_days",
    "part_along",
    "permit_payload",
    "permit_schema",
    "read_ballot_rule",
    "read_clock_rule",
    "read_command",
    "read_committee",
    "read_event",
    "read_events",
    "read_form_rule",
    "read_joining_rule",
    "read_permit_rule",
    "replay",
    "review_days",
    "running",
    "stage_diagram",
]
