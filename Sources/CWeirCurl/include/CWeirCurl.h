// SPDX-License-Identifier: Apache-2.0
//
// libcurl, looked for when first used: HTTP transfers over a bounded pool of connections.
//
// curl_easy_setopt and curl_easy_getinfo are variadic, which Swift cannot call, and a program that
// speaks to no server needs no libcurl. So one function here does one transfer, and finds libcurl by
// dlopen; docs/decisions/0007 says why.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Loads libcurl unless it is loaded. Returns 0, or -1 when there is none that fits; `message` then
/// holds why (at most `capacity` bytes with the closing zero).
int weir_curl_load(char *message, size_t capacity);

/// The version of the loaded libcurl, such as "7.88.1"; NULL before it is loaded.
const char *weir_curl_version(void);

/// Idle connections and the number of transfers under way. Threads may share it.
typedef struct weir_curl_pool weir_curl_pool;

/// A pool for at most `transfers_max` transfers at once, which must be positive. NULL when out of
/// memory.
weir_curl_pool *weir_curl_pool_create(int transfers_max);

/// Closes the idle connections. No transfer may be under way.
void weir_curl_pool_destroy(weir_curl_pool *pool);

/// Bytes of a request's body, in one piece.
typedef struct weir_curl_piece {
  const void *bytes;
  size_t count;
} weir_curl_piece;

/// One transfer. Pointers stay valid, and what they point to unchanged, until it ends.
typedef struct weir_curl_request {
  const char *method;
  const char *url;
  /// `header_count` lines "Name: value"; "Name:" leaves out a header that libcurl would send.
  const char *const *headers;
  size_t header_count;
  /// A NULL body sends none; a body of no pieces sends one of no bytes.
  const weir_curl_piece *body;
  size_t body_piece_count;
  int64_t connect_timeout_ms;
  int64_t total_timeout_ms;
  /// Fails when fewer bytes than this a second move for `low_speed_seconds`.
  int64_t low_speed_bytes;
  int64_t low_speed_seconds;
  /// Not 0: asks for compressed answers and decompresses them.
  int accepts_compressed;
  /// File of trusted certificates; NULL for the system's.
  const char *ca_file;
  /// Waits at most this long for one of the pool's places.
  int64_t pool_timeout_ms;

  /// Called with pieces of the body; anything but 0 ends the transfer. `context` is passed through.
  int (*on_body)(void *context, const void *bytes, size_t count);
  /// Called with every line of the answer's head, without its end of line; a line that starts with
  /// "HTTP/" begins a new head. Anything but 0 ends the transfer.
  int (*on_header)(void *context, const char *bytes, size_t count);
  void *context;
} weir_curl_request;

/// How a transfer ended, when it gave no answer.
typedef enum weir_curl_outcome {
  WEIR_CURL_DONE = 0,
  /// No libcurl; `message` says why.
  WEIR_CURL_NO_LIBRARY,
  /// The address is none, or not of http or https.
  WEIR_CURL_BAD_URL,
  /// No connection; the server has seen nothing of the request.
  WEIR_CURL_NO_CONNECTION,
  /// The certificate or the handshake is wrong; the server has seen nothing of the request.
  WEIR_CURL_TLS,
  /// The time was over.
  WEIR_CURL_TIMEOUT,
  /// The connection broke.
  WEIR_CURL_BROKEN,
  /// A callback ended it.
  WEIR_CURL_STOPPED,
  /// No place in the pool became free in time.
  WEIR_CURL_POOL_FULL,
  /// Anything else; `message` says what.
  WEIR_CURL_FAILED,
} weir_curl_outcome;

typedef struct weir_curl_result {
  weir_curl_outcome outcome;
  /// HTTP status; 0 when no answer began.
  int status;
  /// Bytes of the request that were sent; 0 means that the server has seen nothing of it.
  int64_t sent_count;
  /// Not 0 when an existing connection was used.
  int reused;
  char message[256];
} weir_curl_result;

/// Does one transfer and blocks until it ends.
///
/// A forked child starts with fresh connections: those of its parent are left alone, not closed.
void weir_curl_perform(
    weir_curl_pool *pool, const weir_curl_request *request, weir_curl_result *result);

#ifdef __cplusplus
}
#endif
