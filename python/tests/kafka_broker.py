# SPDX-License-Identifier: Apache-2.0
"""A Kafka cluster as a process of its own: librdkafka's mock broker (Sources/weir_kafka_broker)."""

from __future__ import annotations

import subprocess

from rest_server import BINARY

PROGRAM = BINARY.parent / "weir_kafka_broker"


def kafka_log(brokers: str, topic: str) -> str:
    """What a stream declares as its log."""
    # The mock broker's long polls are not cut short by messages that come.
    options = "options: {fetch.wait.max.ms: 5, reconnect.backoff.ms: 20}"
    return f"{{kafka: {{brokers: {brokers}, topic: {topic}, {options}}}}}"


class KafkaBroker:
    """Brokers on free ports, from construction to the end of the `with`."""

    def __init__(self, **topics: int) -> None:
        """`topics`: the number of partitions by name."""
        self.process = subprocess.Popen(
            [str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.brokers = self.process.stdout.readline().strip()
        for name, partitions in topics.items():
            self.tell(f"topic {name} {partitions}")

    def tell(self, command: str) -> None:
        """Has the cluster do something: `down`, `up`, `topic NAME PARTITIONS`."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "ok", answer

    def project(self, project: str, **topics: str) -> str:
        """The project with the log of each stream in a topic: `topics` by the tables' names."""
        for table, topic in topics.items():
            log = f"    log: {kafka_log(self.brokers, topic)}\n"
            head = f"  shop.{table}:\n"
            assert head in project
            project = project.replace(head, head + log)
        return project

    def __enter__(self) -> KafkaBroker:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
