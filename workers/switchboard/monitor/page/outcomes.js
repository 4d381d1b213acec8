// Labels of offers by outcome: OFFER_OUTCOMES of projections/decision_texts.py, as JSON. A test compares the two.
export const OUTCOMES = {
  "accepted": "accepted",
  "accepted-by-itself": "accepted by itself",
  "declined": "declined",
  "missed": "missed",
  "agent-unavailable": "agent became unavailable",
  "agent-absent": "agent absent",
  "agent-lost": "agent lost",
  "agent-logged-out": "agent logged out",
  "chat-abandoned": "customer left",
  "chat-transferred": "transferred"
};
