#!/bin/sh
# Allows each Kafka user of deploy/kubernetes what its workload needs, and nothing else. `make docs` writes this file,
# from what `switchboard rights` prints for the default names of topics and groups: with a prefix or a group id of your
# own, run `switchboard rights` with your settings instead.
#   BOOTSTRAP=host:port COMMAND_CONFIG=admin.properties sh deploy/kafka/acls.sh
# COMMAND_CONFIG is the properties file of a user who may alter ACLs; KAFKA_ACLS names a tool that is not on the path.
set -eu
: "${BOOTSTRAP:?set it to the host:port of a broker}"

acls() {
  "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" \
    ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} "$@"
}

# switchboard rights router --principal User:switchboard-router
acls --add --allow-principal User:switchboard-router --operation Read --topic chat-arrival --topic chat-accepted --topic request-chat --topic chat-lifecycle --topic agent-presence --topic routing-config --topic agent-capacity --topic open-chats --topic shard-progress
acls --add --allow-principal User:switchboard-router --operation Write --topic assignment --topic push-request --topic agent-capacity --topic open-chats --topic shard-progress --topic journal --topic dead-letter
acls --add --allow-principal User:switchboard-router --operation DescribeConfigs --topic routing-config --topic assignment --topic push-request --topic agent-capacity --topic open-chats --topic shard-progress --topic journal --topic dead-letter
acls --add --allow-principal User:switchboard-router --operation Read --group switchboard-routers
acls --add --allow-principal User:switchboard-router --operation Read --group switchboard-shard- --resource-pattern-type prefixed
acls --add --allow-principal User:switchboard-router --operation Write --transactional-id switchboard-shard- --resource-pattern-type prefixed

# switchboard rights monitor --principal User:switchboard-monitor
acls --add --allow-principal User:switchboard-monitor --operation Read --topic agent-capacity --topic open-chats --topic routing-config --topic assignment
acls --add --allow-principal User:switchboard-monitor --operation Read --group switchboard-monitor- --resource-pattern-type prefixed
acls --add --allow-principal User:switchboard-monitor --operation Describe --topic chat-arrival --topic chat-accepted --topic request-chat --topic chat-lifecycle --topic agent-presence
acls --add --allow-principal User:switchboard-monitor --operation Describe --group switchboard-routers
acls --add --allow-principal User:switchboard-monitor --operation Describe --group switchboard-shard- --resource-pattern-type prefixed
acls --add --allow-principal User:switchboard-monitor --operation Write --transactional-id switchboard-monitor- --resource-pattern-type prefixed
acls --add --allow-principal User:switchboard-monitor --operation IdempotentWrite --cluster

# switchboard rights topics create --principal User:switchboard-setup
# switchboard rights config apply --principal User:switchboard-setup
acls --add --allow-principal User:switchboard-setup --operation Create --topic routing-config --topic assignment --topic push-request --topic agent-capacity --topic open-chats --topic shard-progress --topic journal --topic dead-letter
acls --add --allow-principal User:switchboard-setup --operation Describe --topic routing-config --topic assignment --topic push-request --topic agent-capacity --topic open-chats --topic shard-progress --topic journal --topic dead-letter
acls --add --allow-principal User:switchboard-setup --operation Write --topic routing-config
acls --add --allow-principal User:switchboard-setup --operation Write --transactional-id switchboard-config
