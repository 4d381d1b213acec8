"""The agents of a re-simulation: those of the log with their plans, more of them or fewer."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from switchboard.errors import RulesError
from switchboard.replay.whatif.fits import uniform
from switchboard.replay.whatif.past import AgentKey, AgentPast
from switchboard.replay.whatif.rules import Variant
from switchboard.simulation.cast import Planned, Post


@dataclass(slots=True, frozen=True)
class Staff:
    """Who works, and whose ways each of them has."""

    posts: list[Post]
    ways: dict[str, AgentPast]


def staff_of(
    agents: Mapping[AgentKey, AgentPast], configs: Mapping[str, Mapping[str, Any]], variant: Variant, seed: str
) -> Staff:
    """The agents under a variant's rules.

    One who is added has the hours, the profile and the ways of a colleague whom the seed picks; who is taken away is
    picked by the seed too, and whoever is missing among two fewer is missing among five fewer.

    Raises:
        RulesError: there are not so many to take away, or nobody whose hours an added one could have.
    """
    present = dict(agents)
    names = names_of(agents)
    taken = {*names.values(), *(agent_id for _, agent_id in agents)}
    for pool, number in variant.head_counts():
        scope = [key for key in agents if pool in (None, key[0])]
        if not agents:
            raise RulesError(f"{variant.name}: no agent works in this log: there is nobody to add to or to take from")
        if not scope:
            raise RulesError(f"{variant.name}: there is no agent in pool {pool}: agents work in {_pools(agents)}")
        if number < 0:
            here = [key for key in scope if key in present]
            if len(here) < -number:
                raise RulesError(f"{variant.name}: there are {len(here)} agents, {-number} can't be taken away")
            for key in sorted(here, key=lambda key: uniform(seed, "taken away", *key))[:-number]:
                del present[key]
        for index in range(number):
            model = scope[int(uniform(seed, "added", pool, index) * len(scope))]
            name = _fresh(f"added-{index + 1}", taken)
            taken.add(name)
            key = (model[0], name)
            present[key] = replace(agents[model], key=key)
            names[key] = name
    posts, ways = [], {}
    for key, past in present.items():
        posts.append(_post(names[key], key[0], past.plan, configs[key[0]], variant))
        ways[names[key]] = past
    return Staff(posts, ways)


def names_of(agents: Iterable[AgentKey]) -> dict[AgentKey, str]:
    """What each agent of a day is called where a name has to tell one from all others: its id, where that does.

    The same id in two pools is two agents. Name them all before any is taken away: draws depend on the name.
    """
    keys = list(agents)
    times = Counter(agent_id for _, agent_id in keys)
    taken = set(times)
    names = {}
    for pool, agent_id in keys:
        name = agent_id if times[agent_id] == 1 else _fresh(f"{agent_id}@{pool}", taken)
        names[pool, agent_id] = name
        taken.add(name)
    return names


def _post(name: str, pool: str, plan: Sequence[Planned], config: Mapping[str, Any], variant: Variant) -> Post:
    profiles = {row["name"]: row for row in config["profiles"]}
    default = profiles.get(config.get("default_profile"), config["profiles"][0])
    profile = default
    planned = []
    for each in plan:
        data = dict(each.data)
        if each.type == "agent-logged-in":
            profile = profiles.get(data.get("profile"), default)
        if each.type in ("agent-logged-in", "agent-capacity-changed"):
            for what in ("mode", "max_sessions"):
                if variant.takes_over(profile["name"], what):
                    data.pop(what, None)
        if each.type == "agent-logged-in":
            # Said in full, for the agent must know whether to click.
            data.setdefault("mode", profile.get("mode", "push"))
        elif each.type == "agent-capacity-changed" and not data:
            continue
        planned.append(Planned(each.after, each.type, data))
    return Post(name, profile.get("mode", "push"), pool, plan=tuple(planned))


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _pools(agents: Mapping[AgentKey, AgentPast]) -> str:
    return ", ".join(sorted({pool for pool, _ in agents}))
