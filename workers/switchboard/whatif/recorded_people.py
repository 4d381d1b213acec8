"""Customers and agents of a recorded day: as in the log, and drawn from the log's distributions where it is silent."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import exp, inf, log, sqrt
from random import Random
from statistics import NormalDist
from typing import Final, TypeVar

from switchboard.simulation.cast import Line
from switchboard.simulation.people import Absence, Answer, Behaviour, ConversationEnd, exponential_ms
from switchboard.whatif.recorded_day import AgentKey, Handling, RecordedAgent, RecordedChat, RecordedDay

T = TypeVar("T")

ENOUGH: Final = 30
"""Observations of a queue or an agent from which its own distribution is used; with fewer, that of all together."""

DEFAULTS: Final = Behaviour()
"""Behaviour where a log has no observation at all."""


@dataclass(slots=True, frozen=True)
class Patience:
    """An exponential distribution of patience, in ms, with the 95 % interval of its mean."""

    mean: float
    """inf if no customer gave up."""
    abandoned: int
    """Number of customers who gave up."""
    low: float
    high: float


def fit_patience(waits: Iterable[tuple[int, bool]]) -> Patience:
    """The maximum likelihood estimate of exponential patience: the sum of all waits over the number who gave up.

    Args:
        waits: (duration in ms, True if the customer gave up at the end). A wait with another end is censored: the
            customer's patience was longer.
    """
    total = abandoned = 0
    for wait, gave_up in waits:
        total += wait
        abandoned += gave_up
    if not abandoned:
        return Patience(inf, 0, inf, inf)
    mean = total / abandoned
    # The standard error of the rate is rate / sqrt(n); 3.84 is the square of 1.96.
    spread = sqrt(3.84 / abandoned)
    return Patience(mean, abandoned, mean / (1 + spread), mean / (1 - spread) if spread < 1 else inf)


def uniform(*key: object) -> float:
    """A number from 0 to 1 that depends on the key alone, not on the order of draws."""
    digest = blake2b("/".join(map(str, key)).encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7


def exponential(mean: float, drawn: float) -> int | None:
    """The quantile of an exponential distribution at a number from 0 to 1, in ms; None if the mean is inf."""
    return round(-mean * log(1 - drawn)) if mean < inf else None


def resample(observed: Sequence[int], drawn: float) -> int:
    """The observation at a number from 0 to 1."""
    return observed[int(drawn * len(observed))]


@dataclass(slots=True)
class DayStatistics:
    """Distributions of a recorded day, the same for every seed. Durations are in ms, ascending.

    `handling_times` and `wrap_ups` have the key `POOL/QUEUE` for queues with `ENOUGH` observations, and the key ``""``
    for all queues together.
    """

    chats: dict[str, RecordedChat]
    order: list[RecordedChat]
    """In order of arrival."""
    handlings: dict[str, list[Handling]]
    """Chat id → handlings; one that was cut and resumed is one handling."""
    patience: dict[str, Patience]
    """By `POOL/QUEUE`; `all_patience` for a queue where too few customers gave up."""
    all_patience: Patience
    handling_times: dict[str, list[int]]
    wrap_ups: dict[str, list[int]]
    accept_delays: list[int]
    click_delays: list[int]
    return_delays: list[int]
    declined_share: float
    """Share of all answered offers, 0 to 1."""
    lapsed_share: float
    """Share of all answered offers, 0 to 1."""
    click_median: float
    """Median delay of Request Chat in seconds, used if the log has no request."""


def statistics_of(day: RecordedDay, click_median: float = DEFAULTS.click_median) -> DayStatistics:
    """The distributions of a recorded day."""
    handlings = {chat.chat_id: _resumed(chat.handlings) for chat in day.chats}
    waits = _by_queue(day.chats, lambda chat: chat.waits)
    handling_times = _by_queue(
        day.chats, lambda chat: [each.duration for each in handlings[chat.chat_id] if each.end != "cut"]
    )
    wrap_ups = _by_queue(day.chats, lambda chat: [] if chat.wrap_up is None else [chat.wrap_up])
    all_patience = fit_patience(waits[""])
    fits = {name: fit_patience(each) for name, each in waits.items()}
    agents = day.agents.values()
    accept_delays = sorted(delay for agent in agents for delay in agent.accept_delays)
    declined, lapsed = sum(agent.declined for agent in agents), sum(agent.lapsed for agent in agents)
    offers = max(1, len(accept_delays) + declined + lapsed)
    return DayStatistics(
        chats={chat.chat_id: chat for chat in day.chats},
        order=day.chats,
        handlings=handlings,
        patience={name: fit if fit.abandoned >= ENOUGH else all_patience for name, fit in fits.items()},
        all_patience=all_patience,
        handling_times=_large_samples(handling_times),
        wrap_ups=_large_samples(wrap_ups),
        accept_delays=accept_delays,
        click_delays=sorted(delay for agent in agents for delay in agent.click_delays),
        return_delays=sorted(day.return_delays),
        declined_share=declined / offers,
        lapsed_share=lapsed / offers,
        click_median=click_median,
    )


def _by_queue(
    chats: Iterable[RecordedChat], values_of: Callable[[RecordedChat], Iterable[T]]
) -> defaultdict[str, list[T]]:
    """The chats' values by `POOL/QUEUE`, and of all chats with the key ``""``."""
    grouped: defaultdict[str, list[T]] = defaultdict(list)
    for chat in chats:
        for name in ("", _queue_of(chat)):
            grouped[name] += values_of(chat)
    return grouped


def _large_samples(samples: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """The samples of `ENOUGH` values, sorted, and the sample of all."""
    return {name: sorted(values) for name, values in samples.items() if name == "" or len(values) >= ENOUGH}


def _queue_of(chat: RecordedChat) -> str:
    return f"{chat.pool}/{chat.queue}"


def _resumed(handlings: Sequence[Handling]) -> list[Handling]:
    """Join each handling that was cut with the next one."""
    joined: list[Handling] = []
    for handling in handlings:
        if joined and joined[-1].end == "cut":
            joined[-1] = Handling(joined[-1].duration + handling.duration, handling.end, handling.target)
        else:
            joined.append(handling)
    return joined


@dataclass(slots=True)
class RecordedPeople:
    """The customers and agents of a recorded day. The seed decides all draws for what the log does not show."""

    statistics: DayStatistics
    seed: str
    agents: Mapping[str, RecordedAgent]
    """Agent id in the simulation → recorded agent. An added agent has the record of a colleague."""
    heartbeat_every: int = 0
    _shares: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Agent id → (share of declined offers, share of lapsed offers)."""
    _ids: dict[AgentKey, str] = field(init=False)
    """Agent in the log → agent id in the simulation."""

    def __post_init__(self) -> None:
        """Invert `agents`."""
        self._ids = {recorded.key: agent_id for agent_id, recorded in self.agents.items()}

    def new_chat(self, number: int) -> tuple[str, Line]:
        """The `number`-th chat of the log."""
        chat = self.statistics.order[number - 1]
        return chat.chat_id, Line(chat.queue, chat.pool)

    def patience(self, chat_id: str, waits: int) -> int | None:
        """The recorded wait if the customer gave up; otherwise the recorded wait and an exponential time more.

        An exponential distribution has no memory, so the rest does not depend on the recorded wait.
        """
        chat = self.statistics.chats[chat_id]
        recorded, gave_up = chat.waits[waits - 1] if waits <= len(chat.waits) else (0, False)
        if gave_up:
            return recorded
        mean = self.statistics.patience.get(_queue_of(chat), self.statistics.all_patience).mean
        rest = exponential(mean, uniform(self.seed, "patience", chat_id, waits))
        return None if rest is None else recorded + rest

    def handling_time(self, chat_id: str, handling: int) -> int:
        """The recorded duration; without one, that of another chat of the queue."""
        chat, recorded = self.statistics.chats[chat_id], self._handling(chat_id, handling)
        if recorded is not None and recorded.end != "cut":
            return recorded.duration
        drawn = uniform(self.seed, "talk", chat_id, handling)
        others = self.statistics.handling_times.get(_queue_of(chat), self.statistics.handling_times[""])
        # A cut handling took longer than its recorded duration.
        if recorded is not None:
            longer = [duration for duration in others if duration > recorded.duration]
            return resample(longer, drawn) if longer else recorded.duration
        return _draw(others, drawn, DEFAULTS.handling_median, DEFAULTS.handling_sigma)

    def conversation_end(self, chat_id: str, handling: int, transfers: int) -> ConversationEnd:
        """The recorded end: a transfer, or an end by the customer."""
        del transfers
        recorded = self._handling(chat_id, handling)
        return "transfer" if recorded is not None and recorded.end in ("to_queue", "to_agent") else "customer"

    def transfer_target(self, chat_id: str, handling: int, pool: str, colleagues: list[str]) -> Mapping[str, str]:
        """The recorded target."""
        del colleagues
        recorded = self._handling(chat_id, handling)
        if recorded is None or recorded.end not in ("to_queue", "to_agent"):
            return {}
        # An agent removed by the variant keeps the recorded id; the router rejects the transfer.
        to_queue = recorded.end == "to_queue"
        return {recorded.end: recorded.target if to_queue else self._ids.get((pool, recorded.target), recorded.target)}

    def wrap_up_time(self, agent_id: str, chat_id: str) -> int:
        """The recorded duration; without one, that of another chat of the queue."""
        del agent_id
        chat = self.statistics.chats[chat_id]
        if chat.wrap_up is not None:
            return chat.wrap_up
        others = self.statistics.wrap_ups.get(_queue_of(chat), self.statistics.wrap_ups[""])
        drawn = uniform(self.seed, "wrap-up", chat_id)
        return _draw(others, drawn, DEFAULTS.wrap_up_median, DEFAULTS.wrap_up_sigma)

    def answer(self, agent_id: str, chat_id: str, attempt: int) -> Answer:
        """Drawn by the agent's recorded shares."""
        shares = self._shares.get(agent_id)
        if shares is None:
            shares = self._shares[agent_id] = self._shares_of(self.agents.get(agent_id))
        drawn = uniform(self.seed, "answer", agent_id, chat_id, attempt)
        if drawn < shares[0]:
            return "decline"
        return "lapse" if drawn < sum(shares) else "accept"

    def answer_delay(self, agent_id: str, chat_id: str, attempt: int, offer_time: int) -> int:
        """Drawn from the agent's recorded delays. A delay beyond the offer's expiry is a miss."""
        del offer_time
        recorded = self.agents.get(agent_id)
        own = [] if recorded is None else recorded.accept_delays
        drawn = uniform(self.seed, "accept", agent_id, chat_id, attempt)
        delays = own if len(own) >= ENOUGH else self.statistics.accept_delays
        return _draw(delays, drawn, DEFAULTS.accept_median, DEFAULTS.accept_sigma)

    def click_delay(self, agent_id: str, clicks: int) -> int:
        """Drawn from the agent's recorded delays."""
        recorded = self.agents.get(agent_id)
        own = [] if recorded is None else recorded.click_delays
        drawn = uniform(self.seed, "click", agent_id, clicks)
        delays = own if len(own) >= ENOUGH else self.statistics.click_delays
        return _draw(delays, drawn, self.statistics.click_median, DEFAULTS.click_sigma)

    def work_time(self, rng: Random) -> int | None:
        """None: the agents' plans have the absences."""
        del rng
        return None

    def absence(self, rng: Random) -> Absence:
        """Not called, because the agents' plans have the absences."""
        del rng
        return "break"

    def absence_time(self, rng: Random) -> int:
        """Not called, because the agents' plans have the absences."""
        del rng
        return 0

    def return_delay(self, rng: Random) -> int:
        """Drawn from the recorded times of all agents."""
        if self.statistics.return_delays:
            return resample(self.statistics.return_delays, rng.random())
        return exponential_ms(rng, DEFAULTS.return_mean)

    def _handling(self, chat_id: str, number: int) -> Handling | None:
        """The `number`-th recorded handling of a chat, from 1."""
        handlings = self.statistics.handlings[chat_id]
        return handlings[number - 1] if number <= len(handlings) else None

    def _shares_of(self, recorded: RecordedAgent | None) -> tuple[float, float]:
        answered = 0 if recorded is None else len(recorded.accept_delays) + recorded.declined + recorded.lapsed
        if recorded is None or answered < ENOUGH:
            return self.statistics.declined_share, self.statistics.lapsed_share
        return recorded.declined / answered, recorded.lapsed / answered


def _draw(observed: Sequence[int], drawn: float, median: float, sigma: float) -> int:
    """One of the observations; without any, the quantile of a log-normal distribution, in ms.

    Args:
        observed: durations in ms.
        drawn: a number from 0 to 1.
        median: of the log-normal distribution, s.
        sigma: of the log-normal distribution.
    """
    if observed:
        return resample(observed, drawn)
    return round(1000 * median * exp(sigma * NormalDist().inv_cdf(max(drawn, 1e-12))))
