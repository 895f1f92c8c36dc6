/*
 * A producer that sends records at a given rate and tells how long each took to be acknowledged:
 *
 *     paced-producer <brokers> <topic> <records> <value bytes> <records/s> <acks> <file>
 *
 * rdkafka_performance has a rate too, but waits for it in a busy loop, which on two cores takes the
 * time of the server or of librdkafka's own threads. This one sleeps in rd_kafka_poll. Latencies go to
 * the file, in microseconds from the call to the callback, one a line, in the order of the
 * callbacks; the summary is worded as that of rdkafka_performance.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t *latencies;
static int64_t delivered, failed;

static int64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  (void)opaque;
  if (message->err) {
    failed++;
    return;
  }
  latencies[delivered++] = now_us() - (int64_t)(intptr_t)message->_private;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char error[256];
  if (rd_kafka_conf_set(conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK) return;
  fprintf(stderr, "%s\n", error);
  exit(1);
}

static void send_one(rd_kafka_t *rk, const char *topic, char *value, size_t bytes) {
  for (;;) {
    rd_kafka_resp_err_t error = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(value, bytes),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE((void *)(intptr_t)now_us()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      fprintf(stderr, "%s\n", rd_kafka_err2str(error));
      exit(1);
    }
    rd_kafka_poll(rk, 1);
  }
}

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  const char *topic = argv[2];
  int64_t records = atoll(argv[3]), rate = atoll(argv[5]);
  size_t bytes = (size_t)atoll(argv[4]);
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", argv[1]);
  set(conf, "acks", argv[6]);
  set(conf, "linger.ms", "0");
  set(conf, "batch.size", "65536");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  char error[256];
  rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  latencies = calloc((size_t)records, sizeof *latencies);
  char *value = malloc(bytes);
  FILE *file = fopen(argv[7], "w");
  if (rk == NULL || latencies == NULL || value == NULL || file == NULL) return 1;
  memset(value, 'x', bytes);

  int64_t start = now_us();
  for (int64_t sent = 0; sent < records;) {
    int64_t due = (now_us() - start) * rate / 1000000 + 1;
    for (; sent < due && sent < records; sent++) send_one(rk, topic, value, bytes);
    rd_kafka_poll(rk, 1);
  }
  rd_kafka_flush(rk, 60000);
  int64_t ms = (now_us() - start) / 1000;
  for (int64_t i = 0; i < delivered; i++) fprintf(file, "%" PRId64 "\n", latencies[i]);
  printf("%% %" PRId64 " messages produced (%" PRId64 " bytes), %" PRId64
         " delivered (offset 0, %" PRId64 " failed) in %" PRId64 "ms: paced\n",
         records, records * (int64_t)bytes, delivered, failed, ms);
  rd_kafka_destroy(rk);
  return fclose(file) == 0 && delivered == records ? 0 : 1;
}
