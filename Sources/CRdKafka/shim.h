// SPDX-License-Identifier: Apache-2.0
#include <librdkafka/rdkafka.h>

// Puts a message into the queue of a producer; Swift cannot call functions of variable arguments.
// The payload is copied; the headers belong to librdkafka only when 0 is returned.
static inline int crdkafka_produce(rd_kafka_t *handle, const char *topic, int32_t partition,
                                   const void *payload, size_t length, int64_t timestamp,
                                   rd_kafka_headers_t *headers, void *opaque) {
  return (int)rd_kafka_producev(
      handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
      RD_KAFKA_V_VALUE((void *)payload, length), RD_KAFKA_V_TIMESTAMP(timestamp),
      RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
      RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
}
