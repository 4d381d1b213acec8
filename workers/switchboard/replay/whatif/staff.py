"""The agents of a re-simulation: those of the log with their plans, more of them or fewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from switchboard.replay.whatif.fits import uniform
from switchboard.replay.whatif.past import AgentKey, AgentPast
from switchboard.replay.whatif.rules import RulesError, Variant
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
    for pool, number in variant.head_counts():
        scope = [key for key in agents if pool in (None, key[0])]
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
            key = (model[0], _fresh(f"added-{index + 1}", present))
            present[key] = replace(agents[model], key=key)
    ids = [agent_id for _, agent_id in present]
    posts, ways = [], {}
    for (pool, agent_id), past in present.items():
        # The same id in two pools is two agents.
        name = agent_id if ids.count(agent_id) == 1 else f"{agent_id}@{pool}"
        posts.append(_post(name, pool, past.plan, configs[pool], variant))
        ways[name] = past
    return Staff(posts, ways)


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


def _fresh(name: str, present: Mapping[AgentKey, AgentPast]) -> str:
    taken = {agent_id for _, agent_id in present}
    while name in taken:
        name += "'"
    return name


def _pools(agents: Mapping[AgentKey, AgentPast]) -> str:
    return ", ".join(sorted({pool for pool, _ in agents}))
