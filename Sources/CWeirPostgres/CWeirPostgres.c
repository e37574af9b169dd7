// SPDX-License-Identifier: Apache-2.0
#include "CWeirPostgres.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// The few functions of libpq.so.5 that are used; their signatures are part of its stable ABI.
#define FUNCTIONS(X)                                                                             \
  X(PQconnectdbParams, weir_pg_connection *, (const char *const *, const char *const *, int))     \
  X(PQfinish, void, (weir_pg_connection *))                                                      \
  X(PQstatus, int, (const weir_pg_connection *))                                                 \
  X(PQerrorMessage, char *, (const weir_pg_connection *))                                        \
  X(PQhost, char *, (const weir_pg_connection *))                                                \
  X(PQport, char *, (const weir_pg_connection *))                                                \
  X(PQdb, char *, (const weir_pg_connection *))                                                  \
  X(PQsocket, int, (const weir_pg_connection *))                                                 \
  X(PQsetnonblocking, int, (weir_pg_connection *, int))                                          \
  X(PQsetNoticeProcessor, void *,                                                                \
    (weir_pg_connection *, void (*)(void *, const char *), void *))                              \
  X(PQsendQuery, int, (weir_pg_connection *, const char *))                                      \
  X(PQsendPrepare, int,                                                                          \
    (weir_pg_connection *, const char *, const char *, int, const uint32_t *))                   \
  X(PQsendQueryPrepared, int,                                                                    \
    (weir_pg_connection *, const char *, int, const char *const *, const int *, const int *,     \
     int))                                                                                       \
  X(PQflush, int, (weir_pg_connection *))                                                        \
  X(PQconsumeInput, int, (weir_pg_connection *))                                                 \
  X(PQisBusy, int, (weir_pg_connection *))                                                       \
  X(PQgetResult, weir_pg_result *, (weir_pg_connection *))                                       \
  X(PQresultStatus, int, (const weir_pg_result *))                                               \
  X(PQresultErrorField, char *, (const weir_pg_result *, int))                                   \
  X(PQntuples, int, (const weir_pg_result *))                                                    \
  X(PQnfields, int, (const weir_pg_result *))                                                    \
  X(PQgetvalue, char *, (const weir_pg_result *, int, int))                                      \
  X(PQgetlength, int, (const weir_pg_result *, int, int))                                        \
  X(PQgetisnull, int, (const weir_pg_result *, int, int))                                        \
  X(PQcmdTuples, char *, (weir_pg_result *))                                                     \
  X(PQcmdStatus, char *, (weir_pg_result *))                                                     \
  X(PQclear, void, (weir_pg_result *))

#define DECLARE(name, result, arguments) static result(*name##_) arguments;
FUNCTIONS(DECLARE)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *load_error = NULL;
static char load_message[512];

static void load(void) {
  void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    snprintf(load_message, sizeof load_message, "%s", reason ? reason : "libpq.so.5 was not found");
    load_error = load_message;
    return;
  }
#define FIND(name, result, arguments)                                                            \
  name##_ = (result(*) arguments)dlsym(library, #name);                                          \
  if (!name##_) {                                                                                \
    load_error = "libpq.so.5 has no function " #name;                                            \
    return;                                                                                      \
  }
  FUNCTIONS(FIND)
}

const char *weir_pg_load(void) {
  pthread_once(&once, load);
  return load_error;
}

static void ignore_notice(void *context, const char *message) {
  (void)context;
  (void)message;
}

weir_pg_connection *weir_pg_connect(const char *const *keywords, const char *const *values) {
  weir_pg_connection *connection = PQconnectdbParams_(keywords, values, 1);
  if (connection && PQstatus_(connection) == 0) {
    PQsetNoticeProcessor_(connection, ignore_notice, NULL);
    PQsetnonblocking_(connection, 1);
  }
  return connection;
}

void weir_pg_finish(weir_pg_connection *connection) { PQfinish_(connection); }
int weir_pg_is_ok(weir_pg_connection *connection) { return PQstatus_(connection) == 0; }
const char *weir_pg_error(weir_pg_connection *connection) { return PQerrorMessage_(connection); }
const char *weir_pg_host(weir_pg_connection *connection) { return PQhost_(connection); }
const char *weir_pg_port(weir_pg_connection *connection) { return PQport_(connection); }
const char *weir_pg_database(weir_pg_connection *connection) { return PQdb_(connection); }

int weir_pg_is_alive(weir_pg_connection *connection) {
  if (PQstatus_(connection) != 0) return 0;
  struct pollfd wait = {.fd = PQsocket_(connection), .events = POLLIN};
  if (wait.fd < 0) return 0;
  // Nobody has asked anything: what can be read is a farewell, or the end. A mere notice is rare, and
  // a new connection costs little.
  return poll(&wait, 1, 0) == 0;
}

static int64_t now_milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/// Waits until the socket can be read (or written, if `writes`); 0 when the time ran out.
static int wait_for(weir_pg_connection *connection, int writes, int64_t deadline) {
  for (;;) {
    struct pollfd wait = {
        .fd = PQsocket_(connection), .events = (short)(writes ? POLLIN | POLLOUT : POLLIN)};
    int64_t left = deadline - now_milliseconds();
    if (wait.fd < 0 || left <= 0) return 0;
    int count = poll(&wait, 1, left > 3600000 ? 3600000 : (int)left);
    if (count > 0) return 1;
    if (count < 0 && errno != EINTR) return 0;
  }
}

/// Sends what is waiting and collects results; gives the last one that is not empty, or the first
/// error. NULL when the connection is lost or the time ran out.
static weir_pg_result *collect(weir_pg_connection *connection, int64_t timeout_milliseconds) {
  int64_t deadline = now_milliseconds() + timeout_milliseconds;
  for (;;) {
    int left = PQflush_(connection);
    if (left < 0) return NULL;
    if (left == 0) break;
    if (!wait_for(connection, 1, deadline) || !PQconsumeInput_(connection)) return NULL;
  }
  weir_pg_result *last = NULL;
  for (;;) {
    while (PQisBusy_(connection)) {
      if (!wait_for(connection, 0, deadline) || !PQconsumeInput_(connection)) {
        if (last) PQclear_(last);
        return NULL;
      }
    }
    weir_pg_result *result = PQgetResult_(connection);
    if (!result) return last;
    if (last && weir_pg_result_kind(last) == weir_pg_failed) {
      PQclear_(result);
      continue;
    }
    if (last) PQclear_(last);
    last = result;
    // COPY would never end by itself, and nothing here asks for it.
    int status = PQresultStatus_(result);
    if (status == 3 || status == 4 || status == 8) {
      PQclear_(last);
      return NULL;
    }
  }
}

weir_pg_result *weir_pg_query(
    weir_pg_connection *connection, const char *sql, int64_t timeout_milliseconds) {
  if (!PQsendQuery_(connection, sql)) return NULL;
  return collect(connection, timeout_milliseconds);
}

weir_pg_result *weir_pg_prepare(
    weir_pg_connection *connection, const char *name, const char *sql, int32_t count,
    const uint32_t *types, int64_t timeout_milliseconds) {
  if (!PQsendPrepare_(connection, name, sql, count, types)) return NULL;
  return collect(connection, timeout_milliseconds);
}

weir_pg_result *weir_pg_execute(
    weir_pg_connection *connection, const char *name, int32_t count, const char *const *values,
    const int32_t *lengths, const int32_t *formats, int64_t timeout_milliseconds) {
  if (!PQsendQueryPrepared_(connection, name, count, values, lengths, formats, 0)) return NULL;
  return collect(connection, timeout_milliseconds);
}

int32_t weir_pg_result_kind(const weir_pg_result *result) {
  int status = PQresultStatus_(result);
  return status == 1 || status == 2 ? status : weir_pg_failed;
}

const char *weir_pg_result_error(const weir_pg_result *result, int field) {
  return PQresultErrorField_(result, field);
}

int32_t weir_pg_row_count(const weir_pg_result *result) { return PQntuples_(result); }
int32_t weir_pg_column_count(const weir_pg_result *result) { return PQnfields_(result); }

const char *weir_pg_value(const weir_pg_result *result, int32_t row, int32_t column) {
  return PQgetisnull_(result, row, column) ? NULL : PQgetvalue_(result, row, column);
}

int32_t weir_pg_value_length(const weir_pg_result *result, int32_t row, int32_t column) {
  return PQgetlength_(result, row, column);
}

int64_t weir_pg_changed_count(weir_pg_result *result) { return atoll(PQcmdTuples_(result)); }
const char *weir_pg_command(weir_pg_result *result) { return PQcmdStatus_(result); }
void weir_pg_clear(weir_pg_result *result) { PQclear_(result); }
