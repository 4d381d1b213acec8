"""What a re-simulation rests on, in words: for the report and for whoever doubts it."""

from collections.abc import Iterator
from math import inf
from typing import Final

from switchboard.journal.printable_text import counted
from switchboard.replay.whatif.assumed_day import AssumedDay
from switchboard.replay.whatif.fits import ENOUGH
from switchboard.replay.whatif.recorded_people import DEFAULTS, Known
from switchboard.replay.whatif.scenario import Recorded
from switchboard.replay.whatif.words import few_runs


def assumptions(scenario: Recorded | AssumedDay, seeds: int) -> list[str]:
    """One sentence or two each."""
    told = list(_of_log(scenario) if isinstance(scenario, Recorded) else _of_day(scenario))
    doubt = few_runs(seeds)
    doubts = [] if doubt is None else [f"{doubt[0].upper()}{doubt[1:]}."]
    return [_PEOPLE.format(runs=counted(seeds, "run")), *doubts, *told, *_MODEL]


_PEOPLE: Final = (
    "How long a chat takes and how patient its customer is belong to the chat; how quickly offers are answered and "
    "Request Chat is clicked belong to the agent. Every set of rules meets the same arrivals and the same people, and "
    "is compared with the base run by run ({runs}, differing in what had to be drawn)."
)
_MODEL: Final = (
    (
        "How long a chat takes does not depend on how many others its agent has at the same time: the model does not "
        "say what more sessions an agent cost in quality or speed."
    ),
    (
        "Agents who log out finish the chats at hand first. An added agent has the hours and the ways of a colleague "
        "drawn at random; who is taken away is drawn at random."
    ),
    (
        "A ± or a bracket is a 95 % interval (Student's t over the runs). It covers the chance in what was drawn; it "
        "says nothing about other days, nor about a model that is wrong."
    ),
)


def _of_log(scenario: Recorded) -> Iterator[str]:
    known, past = scenario.known, scenario.past
    yield (
        f"Arrivals, logins, breaks and logouts are those of the log ({len(past.chats):,} chats, {len(past.agents):,} "
        "agents). Who never logs in or out, but asks for chats, counts as there from the first sign to the last, or to "
        "the close of the last chat, in the log's own figures too. Handling and wrap-up of a chat are as recorded; "
        "where it was never answered they are those of another chat of its queue."
    )
    yield patience_told(known)
    for observed, what, default in (
        (known.accepts, "accept an offer", f"log-normal, median {DEFAULTS.accept_median:g} s"),
        (known.clicks, "click Request Chat", f"log-normal, median {known.click_median:g} s"),
    ):
        if observed:
            yield (
                f"How long an agent takes to {what} is drawn from the agent's own {len(observed):,} such delays in the "
                f"log, or from everyone's where an agent has fewer than {ENOUGH} (median "
                f"{observed[len(observed) // 2] / 1000:.1f} s)."
            )
        else:
            yield f"No agent is seen to {what} in the log: the delay is assumed ({default})."
    yield (
        f"{known.declined:.1%} of offers are declined and {known.lapsed:.1%} left to lapse, as in the log, each agent "
        "as it did; a longer offer timeout does not save one that lapsed."
    )
    if not any(known.wrap_ups.values()):
        yield (
            f"The log shows no wrap-up: where rules ask for one, it is assumed (log-normal, median "
            f"{DEFAULTS.wrap_up_median:g} s)."
        )
    if past.configured_again:
        yield (
            f"The configuration of {', '.join(past.configured_again)} changed during the log; the re-simulations have "
            "the last one throughout."
        )


def patience_told(known: Known) -> str:
    """How patient customers are held to be, and how that was estimated."""
    fit = known.all_patience
    if fit.mean == inf:
        return "No customer gave up in the log, so nobody does here, however long the wait: read long waits with care."
    high = f"{fit.high / 60_000:.1f}" if fit.high < inf else "any number of"
    return (
        f"Patience is exponential, mean {fit.mean / 60_000:.1f} minutes (95 % between {fit.low / 60_000:.1f} and "
        f"{high}): all time waited over the {fit.abandoned:,} customers who gave up, for an answered wait tells only "
        f"that patience was longer. A queue with {ENOUGH} of them or more has its own mean. Who gave up in the log "
        "gives up at the same wait here; the others have what they had waited, and an exponential beyond."
    )


def _of_day(scenario: AssumedDay) -> Iterator[str]:
    people = scenario.behaviour
    yield (
        f"Only the numbers of calls are recorded: a bank's call centre on {scenario.day.name}, in bins of "
        f"{scenario.day.bin_minutes} minutes. The people are assumed: handling log-normal with median "
        f"{people.handling_median:g} s (sigma {people.handling_sigma:g}), wrap-up log-normal with median "
        f"{people.wrap_up_median:g} s, patience exponential with mean {people.patience_mean / 60:g} minutes; offers "
        f"accepted after a median of {people.accept_median:g} s, Request Chat clicked after a median of "
        f"{people.click_median:g} s; {people.decline_chance:.0%} of offers declined, {people.lapse_chance:.0%} left to "
        f"lapse, {people.transfer_chance:.0%} of chats passed on."
    )
    yield (
        f"{len(scenario.agents)} agents work in three shifts (07:00, 10:00 and 16:00, eight hours each, half an hour's "
        "break); calls at night are left out."
    )
