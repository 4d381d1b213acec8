"""Routes customer chats to human agents over Kafka."""
