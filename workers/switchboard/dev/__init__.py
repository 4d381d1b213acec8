"""The throwaway Apache Kafka brokers of the demo and of the tests."""
