"""How patient customers are, from waits that mostly ended otherwise; and resampling."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import exp, inf, log, sqrt
from random import Random
from statistics import NormalDist
from typing import Final

from switchboard.simulation.cast import Line
from switchboard.simulation.people import Answer, Away, Behaviour, End, exponential_ms
from switchboard.whatif.recorded_day import AgentKey, AgentPast, ChatPast, Past, Stint

ENOUGH: Final = 30
"""Observations from which a queue or an agent speaks for itself; with fewer, all of them together do."""


@dataclass(slots=True, frozen=True)
class Patience:
    """An exponential's mean, in ms; inf where nobody ever gave up."""

    mean: float
    abandoned: int
    low: float
    high: float
    """Its 95 % interval."""


def fit_patience(waits: Iterable[tuple[int, bool]]) -> Patience:
    """The maximum likelihood of exponential patience, from waits and whether the customer gave up at their end.

    That is all time waited over the number who gave up: a wait that an answer ended tells that patience was longer.
    """
    total = abandoned = 0
    for wait, gave_up in waits:
        total += wait
        abandoned += gave_up
    if not abandoned:
        return Patience(inf, 0, inf, inf)
    mean = total / abandoned
    # The rate's standard error is rate / sqrt(n): 3.84 is the square of 1.96.
    spread = sqrt(3.84 / abandoned)
    return Patience(mean, abandoned, mean / (1 + spread), mean / (1 - spread) if spread < 1 else inf)


def uniform(*about: object) -> float:
    """A number from 0 to 1, always the same for the same thing: what it is about decides it, not when it is drawn."""
    digest = blake2b("/".join(map(str, about)).encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7


def exponential(mean: float, drawn: float) -> int | None:
    """The exponential of this mean at a number from 0 to 1, in ms; None where the mean is inf."""
    return round(-mean * log(1 - drawn)) if mean < inf else None


def resample(observed: Sequence[int], drawn: float) -> int:
    """One of what was observed."""
    return observed[int(drawn * len(observed))]


DEFAULTS: Final = Behaviour()
"""Where a log shows nothing at all of something."""


@dataclass(slots=True)
class Known:
    """What is known of everyone together: made once, whatever the seed."""

    chats: dict[str, ChatPast]
    order: list[ChatPast]
    stints: dict[str, list[Stint]]
    """Of each chat, with what was interrupted and taken up again as one."""
    patience: dict[str, Patience]
    """By queue; of all queues where one has too few who gave up."""
    all_patience: Patience
    talks: dict[str, list[int]]
    """By queue, and of all as ``""``; ascending."""
    wrap_ups: dict[str, list[int]]
    accepts: list[int]
    clicks: list[int]
    returns: list[int]
    declined: float
    lapsed: float
    click_median: float
    """Seconds, where nobody ever clicked."""


def known_of(past: Past, click_median: float = DEFAULTS.click_median) -> Known:
    """What a day shows of everyone."""
    talks: dict[str, list[int]] = defaultdict(list)
    wrap_ups: dict[str, list[int]] = defaultdict(list)
    waits: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    stints = {chat.chat_id: _joined(chat.stints) for chat in past.chats}
    for chat in past.chats:
        for name in ("", _queue_of(chat)):
            waits[name] += chat.waits
            talks[name] += [stint.lasts for stint in stints[chat.chat_id] if stint.then != "cut"]
            wrap_ups[name] += [chat.wrap_up] if chat.wrap_up is not None else []
    together = fit_patience(waits[""])
    fits = {name: fit_patience(each) for name, each in waits.items()}
    agents = past.agents.values()
    accepts = [delay for agent in agents for delay in agent.accepts]
    declined, lapsed = sum(agent.declined for agent in agents), sum(agent.lapsed for agent in agents)
    offers = max(1, len(accepts) + declined + lapsed)
    return Known(
        chats={chat.chat_id: chat for chat in past.chats},
        order=past.chats,
        stints=stints,
        patience={name: fit if fit.abandoned >= ENOUGH else together for name, fit in fits.items()},
        all_patience=together,
        talks={name: sorted(each) for name, each in talks.items() if name == "" or len(each) >= ENOUGH},
        wrap_ups={name: sorted(each) for name, each in wrap_ups.items() if name == "" or len(each) >= ENOUGH},
        accepts=sorted(accepts),
        clicks=sorted(delay for agent in agents for delay in agent.clicks),
        returns=sorted(past.returns),
        declined=declined / offers,
        lapsed=lapsed / offers,
        click_median=click_median,
    )


def _queue_of(chat: ChatPast) -> str:
    return f"{chat.pool}/{chat.queue}"


def _joined(stints: Sequence[Stint]) -> list[Stint]:
    joined: list[Stint] = []
    for stint in stints:
        if joined and joined[-1].then == "cut":
            joined[-1] = Stint(joined[-1].lasts + stint.lasts, stint.then, stint.to)
        else:
            joined.append(stint)
    return joined


@dataclass(slots=True)
class RecordedPeople:
    """One draw of all that the log does not show."""

    known: Known
    seed: str
    agents: Mapping[str, AgentPast]
    """By the id that the agent has here: one who is added has the ways of a colleague."""
    heartbeat_every: int = 0
    _shares: dict[str, tuple[float, float]] = field(default_factory=dict)
    _names: dict[AgentKey, str] = field(init=False)
    """The ids that agents have here, by those of the log."""

    def __post_init__(self) -> None:
        """Whose ways are known can be found by pool and id too."""
        self._names = {past.key: name for name, past in self.agents.items()}

    def newcomer(self, number: int) -> tuple[str, Line]:
        """As it arrived."""
        chat = self.known.order[number - 1]
        return chat.chat_id, Line(chat.queue, chat.pool)

    def patience(self, chat_id: str, waits: int) -> int | None:
        """As it was seen; beyond an answer it is exponential, which does not remember how long it has been."""
        chat = self.known.chats[chat_id]
        seen, gave_up = chat.waits[waits - 1] if waits <= len(chat.waits) else (0, False)
        if gave_up:
            return seen
        mean = self.known.patience.get(_queue_of(chat), self.known.all_patience).mean
        beyond = exponential(mean, uniform(self.seed, "patience", chat_id, waits))
        return None if beyond is None else seen + beyond

    def talk(self, chat_id: str, stint: int) -> int:
        """As long as it was; where that was not seen, as long as another of the queue."""
        chat, stints = self.known.chats[chat_id], self.known.stints[chat_id]
        seen = stints[stint - 1] if stint <= len(stints) else None
        if seen is not None and seen.then != "cut":
            return seen.lasts
        drawn = uniform(self.seed, "talk", chat_id, stint)
        others = self.known.talks.get(_queue_of(chat), self.known.talks[""])
        if seen is not None:
            longer = [each for each in others if each > seen.lasts]
            return resample(longer, drawn) if longer else seen.lasts
        return _drawn(others, drawn, DEFAULTS.handling_median, DEFAULTS.handling_sigma)

    def end(self, chat_id: str, stint: int, transfers: int) -> End:
        """As it was."""
        del transfers
        stints = self.known.stints[chat_id]
        passed_on = stint <= len(stints) and stints[stint - 1].then in ("to_queue", "to_agent")
        return "transfer" if passed_on else "customer"

    def pass_on(self, chat_id: str, stint: int, pool: str, colleagues: list[str]) -> Mapping[str, str]:
        """To where it was."""
        del colleagues
        stints = self.known.stints[chat_id]
        seen = stints[stint - 1] if stint <= len(stints) else None
        if seen is None or seen.then not in ("to_queue", "to_agent"):
            return {}
        # Who was taken away has no other name here: the router refuses it as it would anyone who is not there.
        return {seen.then: seen.to if seen.then == "to_queue" else self._names.get((pool, seen.to), seen.to)}

    def wrap_up(self, agent_id: str, chat_id: str) -> int:
        """As long as it was; where that was not seen, as long as another of the queue."""
        del agent_id
        chat = self.known.chats[chat_id]
        if chat.wrap_up is not None:
            return chat.wrap_up
        others = self.known.wrap_ups.get(_queue_of(chat), self.known.wrap_ups[""])
        drawn = uniform(self.seed, "wrap-up", chat_id)
        return _drawn(others, drawn, DEFAULTS.wrap_up_median, DEFAULTS.wrap_up_sigma)

    def answer(self, agent_id: str, chat_id: str, attempt: int) -> Answer:
        """As often as the agent did."""
        shares = self._shares.get(agent_id)
        if shares is None:
            shares = self._shares[agent_id] = self._shares_of(self.agents.get(agent_id))
        drawn = uniform(self.seed, "answer", agent_id, chat_id, attempt)
        if drawn < shares[0]:
            return "decline"
        return "lapse" if drawn < sum(shares) else "accept"

    def answer_after(self, agent_id: str, chat_id: str, attempt: int, lasts: int) -> int:
        """As one of the agent's. One that is longer than the offer stands is a miss."""
        del lasts
        past = self.agents.get(agent_id)
        own = past.accepts if past is not None and len(past.accepts) >= ENOUGH else self.known.accepts
        drawn = uniform(self.seed, "accept", agent_id, chat_id, attempt)
        return _drawn(own, drawn, DEFAULTS.accept_median, DEFAULTS.accept_sigma)

    def click_after(self, agent_id: str, clicks: int) -> int:
        """As one of the agent's."""
        past = self.agents.get(agent_id)
        own = past.clicks if past is not None and len(past.clicks) >= ENOUGH else self.known.clicks
        drawn = uniform(self.seed, "click", agent_id, clicks)
        return _drawn(own, drawn, self.known.click_median, DEFAULTS.click_sigma)

    def works(self, dice: Random) -> int | None:
        """Until the plan says so."""
        del dice
        return None

    def goes_away(self, dice: Random) -> Away:
        """Never asked: the plan says it."""
        del dice
        return "break"

    def comes_back_after(self, dice: Random) -> int:
        """Never asked: the plan says it."""
        del dice
        return 0

    def notices_after(self, dice: Random) -> int:
        """As it was once."""
        if self.known.returns:
            return resample(self.known.returns, dice.random())
        return exponential_ms(dice, DEFAULTS.return_mean)

    def _shares_of(self, past: AgentPast | None) -> tuple[float, float]:
        decided = 0 if past is None else len(past.accepts) + past.declined + past.lapsed
        if past is None or decided < ENOUGH:
            return self.known.declined, self.known.lapsed
        return past.declined / decided, past.lapsed / decided


def _drawn(observed: Sequence[int], drawn: float, median: float, sigma: float) -> int:
    """One of what was observed; of a log-normal where nothing was."""
    if observed:
        return resample(observed, drawn)
    return round(1000 * median * exp(sigma * NormalDist().inv_cdf(max(drawn, 1e-12))))
