// SPDX-License-Identifier: Apache-2.0
//
// 1. The first use finds libcurl by dlopen and initialises it, once in a process.
// 2. A transfer takes an idle handle of its pool, the one used last (its connection is the one that is
//    most likely still open), or makes one when fewer than the pool's most are in use, or waits.
// 3. It sets every option anew after curl_easy_reset, which keeps connections and their TLS sessions.
// 4. Around a fork all pools are locked, so that the child finds them whole. The child counts another
//    generation; a pool of an older generation forgets its handles, without closing the sockets that
//    it shares with its parent (a TLS session must not be ended by both).
#define _GNU_SOURCE
#define CURL_DISABLE_TYPECHECK 1
#define CURL_DISABLE_DEPRECATION 1

#include "CWeirCurl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define IDLE_MAX 32

// ---------------------------------------------------------------------------------- the library

static struct {
  CURLcode (*global_init)(long);
  CURL *(*easy_init)(void);
  void (*easy_cleanup)(CURL *);
  void (*easy_reset)(CURL *);
  CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
  CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
  CURLcode (*easy_perform)(CURL *);
  const char *(*easy_strerror)(CURLcode);
  struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
  void (*slist_free_all)(struct curl_slist *);
  curl_version_info_data *(*version_info)(CURLversion);
} curl;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static int is_loaded;
static char load_message[512];
static char version[64];

/// Guards every pool. Held for a few instructions, never during a transfer.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed;
static uint64_t generation;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&lock); }
static void make_condition(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&freed, &attributes);
  pthread_condattr_destroy(&attributes);
}
static void after_fork_in_child(void) {
  generation++;
  make_condition();
  pthread_mutex_unlock(&lock);
}

static int find(void *library, const char *name, void *slot) {
  void *address = dlsym(library, name);
  if (address == NULL) {
    snprintf(load_message, sizeof load_message, "the libcurl of this machine has no %s", name);
    return 0;
  }
  memcpy(slot, &address, sizeof address);
  return 1;
}

static void load(void) {
  static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
  void *library = NULL;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && library == NULL; i++) {
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  }
  if (library == NULL) {
    snprintf(
        load_message, sizeof load_message,
        "neither libcurl.so.4 nor libcurl-gnutls.so.4 is on this machine; install libcurl "
        "(on Debian: apt-get install libcurl4)");
    return;
  }
  int found = find(library, "curl_global_init", &curl.global_init)
      && find(library, "curl_easy_init", &curl.easy_init)
      && find(library, "curl_easy_cleanup", &curl.easy_cleanup)
      && find(library, "curl_easy_reset", &curl.easy_reset)
      && find(library, "curl_easy_setopt", &curl.easy_setopt)
      && find(library, "curl_easy_getinfo", &curl.easy_getinfo)
      && find(library, "curl_easy_perform", &curl.easy_perform)
      && find(library, "curl_easy_strerror", &curl.easy_strerror)
      && find(library, "curl_slist_append", &curl.slist_append)
      && find(library, "curl_slist_free_all", &curl.slist_free_all)
      && find(library, "curl_version_info", &curl.version_info);
  if (!found) return;
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    snprintf(load_message, sizeof load_message, "libcurl could not be initialised");
    return;
  }
  snprintf(version, sizeof version, "%s", curl.version_info(CURLVERSION_FIRST)->version);
  make_condition();
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  is_loaded = 1;
}

int weir_curl_load(char *message, size_t capacity) {
  pthread_once(&load_once, load);
  if (is_loaded) return 0;
  if (capacity > 0) snprintf(message, capacity, "%s", load_message);
  return -1;
}

const char *weir_curl_version(void) { return is_loaded ? version : NULL; }

// ------------------------------------------------------------------------------------- the pool

struct weir_curl_pool {
  int transfers_max;
  int in_use;
  int idle_count;
  uint64_t generation;
  CURL *idle[IDLE_MAX];
};

weir_curl_pool *weir_curl_pool_create(int transfers_max) {
  weir_curl_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->transfers_max = transfers_max;
  pthread_mutex_lock(&lock);
  pool->generation = generation;
  pthread_mutex_unlock(&lock);
  return pool;
}

/// Forgets what a parent's threads had. The caller holds the lock.
static void enter_generation(weir_curl_pool *pool) {
  if (pool->generation == generation) return;
  pool->generation = generation;
  pool->in_use = 0;
  pool->idle_count = 0;
}

void weir_curl_pool_destroy(weir_curl_pool *pool) {
  if (pool == NULL) return;
  pthread_mutex_lock(&lock);
  enter_generation(pool);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < pool->idle_count; i++) curl.easy_cleanup(pool->idle[i]);
  free(pool);
}

/// A handle, or NULL: the pool stayed full (`*is_full`), or memory is out.
static CURL *take(weir_curl_pool *pool, int64_t timeout_ms, uint64_t *taken_in, int *is_full) {
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += timeout_ms / 1000;
  end.tv_nsec += (timeout_ms % 1000) * 1000000;
  if (end.tv_nsec >= 1000000000) {
    end.tv_sec++;
    end.tv_nsec -= 1000000000;
  }
  CURL *handle = NULL;
  *is_full = 0;
  pthread_mutex_lock(&lock);
  enter_generation(pool);
  while (pool->in_use >= pool->transfers_max) {
    if (pthread_cond_timedwait(&freed, &lock, &end) == ETIMEDOUT
        && pool->in_use >= pool->transfers_max) {
      *is_full = 1;
      pthread_mutex_unlock(&lock);
      return NULL;
    }
  }
  pool->in_use++;
  *taken_in = pool->generation;
  if (pool->idle_count > 0) handle = pool->idle[--pool->idle_count];
  pthread_mutex_unlock(&lock);
  return handle != NULL ? handle : curl.easy_init();
}

static void give_back(weir_curl_pool *pool, CURL *handle, uint64_t taken_in, int is_healthy) {
  CURL *surplus = handle;
  pthread_mutex_lock(&lock);
  enter_generation(pool);
  if (taken_in == pool->generation) {
    pool->in_use--;
    if (handle != NULL && is_healthy && pool->idle_count < IDLE_MAX) {
      pool->idle[pool->idle_count++] = handle;
      surplus = NULL;
    }
    pthread_cond_broadcast(&freed);
  }
  pthread_mutex_unlock(&lock);
  if (surplus != NULL) curl.easy_cleanup(surplus);
}

// --------------------------------------------------------------------------------- one transfer

typedef struct transfer {
  const weir_curl_request *request;
  int stopped;
  /// Whether the empty line behind the last head has come. libcurl takes a head that is cut off.
  int has_head;
  /// Where the body is read next.
  size_t piece;
  size_t offset;
} transfer;

static size_t receive_body(char *bytes, size_t size, size_t count, void *context) {
  transfer *t = context;
  if (t->request->on_body(t->request->context, bytes, size * count) != 0) {
    t->stopped = 1;
    return 0;
  }
  return size * count;
}

static size_t receive_header(char *bytes, size_t size, size_t count, void *context) {
  transfer *t = context;
  size_t all = size * count, line = all;
  while (line > 0 && (bytes[line - 1] == '\n' || bytes[line - 1] == '\r')) line--;
  if (line == 0) t->has_head = 1;
  if (line > 5 && memcmp(bytes, "HTTP/", 5) == 0) t->has_head = 0;
  if (line > 0 && t->request->on_header(t->request->context, bytes, line) != 0) {
    t->stopped = 1;
    return 0;
  }
  return all;
}

static size_t send_body(char *target, size_t size, size_t count, void *context) {
  transfer *t = context;
  size_t room = size * count, written = 0;
  while (room > 0 && t->piece < t->request->body_piece_count) {
    const weir_curl_piece *piece = &t->request->body[t->piece];
    size_t some = piece->count - t->offset;
    if (some > room) some = room;
    if (some > 0) memcpy(target + written, (const char *)piece->bytes + t->offset, some);
    written += some;
    room -= some;
    t->offset += some;
    if (t->offset == piece->count) {
      t->piece++;
      t->offset = 0;
    }
  }
  return written;
}

/// Only ever to the start: a kept connection turned out to be closed, and another one is tried.
static int rewind_body(void *context, curl_off_t offset, int origin) {
  transfer *t = context;
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  t->piece = 0;
  t->offset = 0;
  return CURL_SEEKFUNC_OK;
}

static weir_curl_outcome outcome_of(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return WEIR_CURL_DONE;
    case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_URL_MALFORMAT:
      return WEIR_CURL_BAD_URL;
    case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_CONNECT:
      return WEIR_CURL_NO_CONNECTION;
    case CURLE_SSL_CONNECT_ERROR: case CURLE_SSL_CERTPROBLEM: case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_ISSUER_ERROR:
      return WEIR_CURL_TLS;
    case CURLE_OPERATION_TIMEDOUT:
      return WEIR_CURL_TIMEOUT;
    case CURLE_GOT_NOTHING: case CURLE_SEND_ERROR: case CURLE_RECV_ERROR: case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND: case CURLE_WEIRD_SERVER_REPLY: case CURLE_BAD_CONTENT_ENCODING:
      return WEIR_CURL_BROKEN;
    default:
      return WEIR_CURL_FAILED;
  }
}

static void set_body(CURL *handle, transfer *t) {
  const weir_curl_request *r = t->request;
  int is_head = strcmp(r->method, "HEAD") == 0;
  if (is_head) {
    curl.easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (r->body != NULL) {
    curl_off_t count = 0;
    for (size_t i = 0; i < r->body_piece_count; i++) count += (curl_off_t)r->body[i].count;
    curl.easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl.easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, count);
    curl.easy_setopt(handle, CURLOPT_READFUNCTION, send_body);
    curl.easy_setopt(handle, CURLOPT_READDATA, t);
    curl.easy_setopt(handle, CURLOPT_SEEKFUNCTION, rewind_body);
    curl.easy_setopt(handle, CURLOPT_SEEKDATA, t);
    curl.easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
  }
  if (!is_head) curl.easy_setopt(handle, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_options(CURL *handle, transfer *t, struct curl_slist *headers, char *message) {
  const weir_curl_request *r = t->request;
  curl.easy_setopt(handle, CURLOPT_URL, r->url);
  curl.easy_setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  curl.easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  // One handle has one connection, so that several requests on one bring nothing.
  curl.easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl.easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl.easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl.easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
  curl.easy_setopt(handle, CURLOPT_MAXCONNECTS, 2L);
  // No passwords from ~/.netrc.
  curl.easy_setopt(handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl.easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl.easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
  curl.easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)r->total_timeout_ms);
  curl.easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, (long)r->low_speed_bytes);
  curl.easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)r->low_speed_seconds);
  if (r->accepts_compressed) curl.easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");
  if (r->ca_file != NULL) curl.easy_setopt(handle, CURLOPT_CAINFO, r->ca_file);
  curl.easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl.easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive_body);
  curl.easy_setopt(handle, CURLOPT_WRITEDATA, t);
  curl.easy_setopt(handle, CURLOPT_HEADERFUNCTION, receive_header);
  curl.easy_setopt(handle, CURLOPT_HEADERDATA, t);
  curl.easy_setopt(handle, CURLOPT_ERRORBUFFER, message);
  set_body(handle, t);
}

/// The request's headers as libcurl wants them, or NULL when memory is out.
static struct curl_slist *header_list(const weir_curl_request *r) {
  // Without this, libcurl waits up to a second for leave to send a large body.
  struct curl_slist *list = curl.slist_append(NULL, "Expect:");
  for (size_t i = 0; i < r->header_count && list != NULL; i++) {
    struct curl_slist *longer = curl.slist_append(list, r->headers[i]);
    if (longer == NULL) curl.slist_free_all(list);
    list = longer;
  }
  return list;
}

void weir_curl_perform(
    weir_curl_pool *pool, const weir_curl_request *request, weir_curl_result *result) {
  memset(result, 0, sizeof *result);
  if (weir_curl_load(result->message, sizeof result->message) != 0) {
    result->outcome = WEIR_CURL_NO_LIBRARY;
    return;
  }
  int is_full;
  uint64_t taken_in = 0;
  CURL *handle = take(pool, request->pool_timeout_ms, &taken_in, &is_full);
  if (is_full) {
    result->outcome = WEIR_CURL_POOL_FULL;
    return;
  }
  struct curl_slist *headers = handle != NULL ? header_list(request) : NULL;
  if (headers == NULL) {
    result->outcome = WEIR_CURL_FAILED;
    snprintf(result->message, sizeof result->message, "out of memory");
    give_back(pool, handle, taken_in, 1);
    return;
  }
  char message[CURL_ERROR_SIZE] = "";
  transfer t = {.request = request};
  curl.easy_reset(handle);
  set_options(handle, &t, headers, message);
  CURLcode code = curl.easy_perform(handle);

  long status = 0, connections = 0, request_size = 0;
  curl_off_t upload_size = 0;
  curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl.easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &connections);
  curl.easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &request_size);
  curl.easy_getinfo(handle, CURLINFO_SIZE_UPLOAD_T, &upload_size);
  result->status = (int)status;
  result->reused = connections == 0;
  result->sent_count = (int64_t)request_size + (int64_t)upload_size;
  result->outcome = t.stopped ? WEIR_CURL_STOPPED : outcome_of(code);
  if (result->outcome == WEIR_CURL_DONE && !t.has_head) {
    result->outcome = WEIR_CURL_BROKEN;
    snprintf(result->message, sizeof result->message, "the answer's head was cut off");
  }
  if (code != CURLE_OK) {
    snprintf(
        result->message, sizeof result->message, "%s",
        message[0] != 0 ? message : curl.easy_strerror(code));
  }
  // What the handle points to ends here.
  curl.easy_reset(handle);
  curl.slist_free_all(headers);
  give_back(pool, handle, taken_in, result->outcome == WEIR_CURL_DONE);
}
