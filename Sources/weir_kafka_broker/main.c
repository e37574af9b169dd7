// SPDX-License-Identifier: Apache-2.0
//
// A Kafka cluster for tests: librdkafka's mock broker as a process of its own. It prints its address,
// takes one command on each line of standard input, answers each with "ok" or "error …", and ends with
// its input.
//
//   topic NAME PARTITIONS        makes a topic
//   missing NAME                 lets it look as if there were no such topic
//   down                         no broker answers any more; what they hold stays
//   up                           they answer again, at the same addresses
//   fail API CODE COUNT          the next requests of that kind get this error
//
// It keeps about 5 MB of a partition, and drops the oldest messages beyond.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rd_kafka_resp_err_t switch_all(rd_kafka_mock_cluster_t *cluster, int count, int is_up) {
  for (int broker = 1; broker <= count; broker++) {
    rd_kafka_resp_err_t code = is_up ? rd_kafka_mock_broker_set_up(cluster, broker)
                                     : rd_kafka_mock_broker_set_down(cluster, broker);
    if (code) return code;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t obey(rd_kafka_mock_cluster_t *cluster, int count, const char *line) {
  char name[250];
  int number, code, times;
  if (sscanf(line, "topic %249s %d", name, &number) == 2) {
    return rd_kafka_mock_topic_create(cluster, name, number, 1);
  }
  if (sscanf(line, "fail %d %d %d", &number, &code, &times) == 3 && times > 0 && times <= 1000) {
    while (times-- > 0) {
      rd_kafka_mock_push_request_errors(cluster, (int16_t)number, 1, (rd_kafka_resp_err_t)code);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  if (sscanf(line, "missing %249s", name) == 1) {
    rd_kafka_mock_topic_set_error(cluster, name, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  if (strncmp(line, "down", 4) == 0) return switch_all(cluster, count, 0);
  if (strncmp(line, "up", 2) == 0) return switch_all(cluster, count, 1);
  return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 1;
  char text[512];
  rd_kafka_conf_t *settings = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(settings, NULL);
  rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, settings, text, sizeof text);
  if (!handle) {
    fprintf(stderr, "%s\n", text);
    return 1;
  }
  rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, count);
  if (!cluster) {
    fprintf(stderr, "the cluster cannot be made\n");
    return 1;
  }
  printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
  fflush(stdout);
  while (fgets(text, sizeof text, stdin)) {
    rd_kafka_resp_err_t code = obey(cluster, count, text);
    if (code) {
      printf("error %s\n", rd_kafka_err2str(code));
    } else {
      printf("ok\n");
    }
    fflush(stdout);
  }
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(handle);
  return 0;
}
