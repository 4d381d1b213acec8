"""The auditor: checks a router's decisions against the routing rules, and shares no code with the engine.

`auditor` goes through the frames. The functions of `agent_rules`, `chat_rules` and `settle_rules` yield the decisions
that the rules call for; `decision_check` compares these expected decisions with the logged decisions. `audited_pool`
holds the state of a pool, and `booked_decisions` applies each decision to the state.
"""
