"""R6: who is to be given which chat next, of all who ask. Only what has changed is looked at."""

from collections.abc import Iterable
from heapq import heapify, heappop, heapreplace

from switchboard.audit.books import Agent, AskingKey, Chat, Place, Pool


def first_asker(pool: Pool, chat: Chat) -> AskingKey | None:
    """The first in agent order of those with an eligible request who may take the chat (R5, R7)."""
    best: AskingKey | None = None
    for queues, line in pool.asking.items():
        if chat.queue not in queues:
            continue
        for key in line:
            if best is not None and key > best:
                break
            agent = pool.agents[key[4]]
            if agent.id not in pool.doubtful_agents and agent.may_take(chat, pool.service):
                best = key
                break
    return best


class Matching:
    """One settle's matching.

    Before it nobody could be served, so whoever can be served now has just begun to ask, or is given a chat that has
    just begun to wait. While it goes on, agents only stop asking and chats only stop waiting: both heaps are lazy.
    """

    def __init__(self, pool: Pool, trying: Iterable[Agent], fresh: Iterable[Chat]) -> None:
        self._pool = pool
        self._agents = [agent.asks_as for agent in trying if agent.asks_as is not None]
        heapify(self._agents)
        self._chats: list[tuple[AskingKey, Place]] = []
        for chat in fresh:
            key = self._asker(chat.place)
            if key is not None:
                self._chats.append((key, chat.place))
        heapify(self._chats)

    def next(self) -> tuple[Agent, Chat] | None:
        """The next offer that the rules call for; None: no eligible request can be served."""
        served = min(filter(None, (self._first_agent(), self._first_for_chats())), default=None)
        if served is None:
            return None
        agent = self._pool.agents[served[4]]
        chat = self._pool.next_chat(agent)
        return (agent, chat) if chat is not None else None

    def _first_agent(self) -> AskingKey | None:
        pool = self._pool
        while self._agents:
            key = self._agents[0]
            agent = pool.agents.get(key[4])
            is_asking = agent is not None and agent.asks_as == key and agent.id not in pool.doubtful_agents
            if agent is not None and is_asking and pool.next_chat(agent) is not None:
                return key
            heappop(self._agents)
        return None

    def _first_for_chats(self) -> AskingKey | None:
        while self._chats:
            key, place = self._chats[0]
            now = self._asker(place)
            if now == key:
                return key
            if now is None:
                heappop(self._chats)
            else:
                heapreplace(self._chats, (now, place))
        return None

    def _asker(self, place: Place) -> AskingKey | None:
        chat = self._pool.chats.get(place[3])
        if chat is None or chat.stage != "waiting" or chat.id in self._pool.doubtful_chats:
            return None
        return first_asker(self._pool, chat)
