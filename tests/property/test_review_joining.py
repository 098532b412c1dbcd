"""Joining lanes: no policy grants more than the lanes did, and linkage needs them all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from review_world import APPLICATION, START
from sekisho.control.review import LaneDecision, Outcome, Policy, join

CLASSES = ("additional", "basic")
POLICIES: tuple[Policy, ...] = ("each_own", "all_or_nothing", "lead", "recognise_first")


@st.composite
def decisions(draw: st.DrawFn) -> list[LaneDecision]:
    made = []
    for body in ("alpha", "beta", "national")[: draw(st.integers(1, 3))]:
        classes = tuple(sorted(draw(st.sets(st.sampled_from(CLASSES), min_size=1))))
        granted = tuple(sorted(draw(st.sets(st.sampled_from(classes)))))
        made.append(
            LaneDecision(
                body=body,
                application=APPLICATION.id,
                application_digest=APPLICATION.fingerprint(),
                outcome="grant" if granted else draw(st.sampled_from(("refuse", "withdrawn"))),
                classes=classes,
                granted=granted,
                linkage=bool(granted) and draw(st.booleans()),
                conditions=(f"condition of {body}",) if granted else (),
                reasons=() if granted else ("too wide",),
                decided_on=START,
            )
        )
    return made


def joined(policy: Policy, made: list[LaneDecision]) -> Outcome:
    lanes = [each.body for each in made]
    return join(policy, made, APPLICATION, lanes=lanes, lead=lanes[-1])


@given(decisions(), st.sampled_from(POLICIES))
def test_linkage_needs_a_yes_of_every_lane(made: list[LaneDecision], policy: Policy) -> None:
    outcome = joined(policy, made)
    if outcome.linkage:
        assert all(each.linkage for each in made)
        assert outcome.kind != "refused"
    if policy == "each_own":
        assert outcome.linkage == all(each.linkage for each in made)


@given(decisions(), st.sampled_from(POLICIES))
def test_nothing_is_granted_that_its_deciding_lane_did_not_grant(
    made: list[LaneDecision], policy: Policy
) -> None:
    outcome = joined(policy, made)
    for each in made:
        decider = made[-1] if policy == "lead" else each
        for name in CLASSES:
            if outcome.granted_for(each.body, name):
                assert name in each.classes
                assert name in decider.granted
                assert decider.body in outcome.signers


@given(decisions(), st.sampled_from(POLICIES))
def test_what_is_not_granted_is_refused_by_name(made: list[LaneDecision], policy: Policy) -> None:
    outcome = joined(policy, made)
    asked = {(each.body, name) for each in made for name in each.classes}
    granted = {(grant.body, name) for grant in outcome.grants for name in grant.classes}
    refused = {(grant.body, name) for grant in outcome.refused for name in grant.classes}
    assert granted | refused == asked
    assert not granted & refused
    assert (outcome.kind == "refused") == (not granted)
    assert (outcome.kind == "granted") == (not refused and outcome.linkage)


@given(decisions())
def test_all_or_nothing_is_one_of_both(made: list[LaneDecision]) -> None:
    assert joined("all_or_nothing", made).kind in ("granted", "refused")


@given(decisions(), st.sampled_from(POLICIES), st.randoms())
def test_the_order_of_decisions_does_not_matter(
    made: list[LaneDecision], policy: Policy, random: object
) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    lanes = [each.body for each in made]
    again = join(policy, shuffled, APPLICATION, lanes=lanes, lead=lanes[-1])
    assert again.canonical() == joined(policy, made).canonical()
