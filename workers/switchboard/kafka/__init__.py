"""Apache Kafka: topics, clients, the ledger, restore, ownership, the local broker."""
