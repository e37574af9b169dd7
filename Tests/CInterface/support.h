// SPDX-License-Identifier: Apache-2.0
//
// What the test programs of the C interface share: checks, and Arrow structs made by hand, which are
// counted so that none is left over.
#ifndef WEIR_TEST_SUPPORT_H
#define WEIR_TEST_SUPPORT_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

static int checks = 0;
static weir_error *error = NULL;

#define CHECK(condition)                                                            \
  do {                                                                              \
    checks++;                                                                       \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);       \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

// Checks a status, and that the error fits it; frees the error.
static inline void check_status(int line, int32_t status, int32_t wanted, weir_error **error,
                                const char *message_part) {
  checks++;
  int fits = status == wanted && weir_error_code(*error) == wanted &&
             (wanted == WEIR_OK) == (*error == NULL) &&
             (message_part == NULL || strstr(weir_error_message(*error), message_part) != NULL);
  if (!fits) {
    fprintf(stderr, "line %d: status %d, wanted %d: %s\n", line, status, wanted,
            weir_error_message(*error));
    exit(1);
  }
  weir_error_free(*error);
  *error = NULL;
}

#define OK(call) check_status(__LINE__, (call), WEIR_OK, &error, NULL)
#define FAILS(wanted, part, call) check_status(__LINE__, (call), (wanted), &error, (part))

// ---- Arrow structs made by hand ----------------------------------------------------------------

static int live_structs = 0;

static inline void release_schema(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
    free(schema->children[i]);
  }
  free(schema->children);
  schema->release = NULL;
  live_structs--;
}

static inline void make_schema(struct ArrowSchema *schema, const char *format, const char *name,
                               int64_t child_count) {
  memset(schema, 0, sizeof *schema);
  schema->format = format;
  schema->name = name;
  schema->flags = ARROW_FLAG_NULLABLE;
  schema->n_children = child_count;
  if (child_count > 0) schema->children = calloc((size_t)child_count, sizeof *schema->children);
  for (int64_t i = 0; i < child_count; i++) schema->children[i] = calloc(1, sizeof *schema);
  schema->release = release_schema;
  live_structs++;
}

// Columns "id" (int64) and "name" (utf8).
static inline void make_row_schema(struct ArrowSchema *schema) {
  make_schema(schema, "+s", "", 2);
  make_schema(schema->children[0], "l", "id", 0);
  make_schema(schema->children[1], "u", "name", 0);
}

static inline void release_array(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    if (array->children[i]->release) array->children[i]->release(array->children[i]);
    free(array->children[i]);
  }
  free(array->children);
  for (int64_t i = 0; i < array->n_buffers; i++) free((void *)array->buffers[i]);
  free(array->buffers);
  array->release = NULL;
  live_structs--;
}

static inline void make_array(struct ArrowArray *array, int64_t length, int64_t buffer_count,
                              int64_t child_count) {
  memset(array, 0, sizeof *array);
  array->length = length;
  array->n_buffers = buffer_count;
  array->n_children = child_count;
  array->buffers = calloc((size_t)buffer_count, sizeof *array->buffers);
  if (child_count > 0) array->children = calloc((size_t)child_count, sizeof *array->children);
  for (int64_t i = 0; i < child_count; i++) array->children[i] = calloc(1, sizeof *array);
  array->release = release_array;
  live_structs++;
}

// Rows start ..< start + count: id i, name "name-i", null where i is a multiple of 10.
static inline void make_rows(struct ArrowArray *array, int64_t start, int64_t count) {
  make_array(array, count, 1, 2);
  struct ArrowArray *ids = array->children[0], *names = array->children[1];
  make_array(ids, count, 2, 0);
  int64_t *values = malloc((size_t)(count + 1) * sizeof *values);
  for (int64_t i = 0; i < count; i++) values[i] = start + i;
  ids->buffers[1] = values;
  make_array(names, count, 3, 0);
  uint8_t *validity = calloc(1, (size_t)count / 8 + 1);
  int32_t *offsets = malloc((size_t)(count + 1) * sizeof *offsets);
  char *text = malloc((size_t)count * 32 + 1);
  offsets[0] = 0;
  for (int64_t i = 0; i < count; i++) {
    int length = 0;
    if ((start + i) % 10 == 0) {
      names->null_count++;
    } else {
      validity[i / 8] |= (uint8_t)(1 << (i % 8));
      length = snprintf(text + offsets[i], 32, "name-%" PRId64, start + i);
    }
    offsets[i + 1] = offsets[i] + length;
  }
  names->buffers[0] = validity;
  names->buffers[1] = offsets;
  names->buffers[2] = text;
}

struct row_stream {
  int64_t next, end, fail_at;
};

static inline int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema) {
  (void)stream;
  make_row_schema(schema);
  return 0;
}

static inline int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *array) {
  struct row_stream *state = stream->private_data;
  if (state->next == state->fail_at) return 5;
  if (state->next == state->end) {
    memset(array, 0, sizeof *array);
  } else {
    make_rows(array, state->next, 100);
    state->next += 100;
  }
  return 0;
}

static inline const char *stream_error(struct ArrowArrayStream *stream) {
  (void)stream;
  return "the disk is on fire";
}

static inline void release_stream(struct ArrowArrayStream *stream) {
  free(stream->private_data);
  stream->release = NULL;
  live_structs--;
}

static inline void make_stream(struct ArrowArrayStream *stream, int64_t start, int64_t end,
                               int64_t fail_at) {
  struct row_stream *state = malloc(sizeof *state);
  *state = (struct row_stream){start, end, fail_at};
  *stream = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, release_stream,
                                      state};
  live_structs++;
}

#endif
