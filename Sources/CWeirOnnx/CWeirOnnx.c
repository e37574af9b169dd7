// SPDX-License-Identifier: Apache-2.0
//
// 1. A library is found by dlopen; its one symbol gives a table of functions, which only ever grows at
//    its end. The places below are those of the table's first version, which cannot change.
// 2. A session is a graph with its inputs and outputs, asked for once. It has no threads of its own: a
//    run happens on the thread that calls.
// 3. A run copies its inputs to addresses that are multiples of 64: kernels take another path, and add up
//    in another order, where their memory begins elsewhere.
#define _GNU_SOURCE
#include "CWeirOnnx.h"

#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------------------------- the library

/// Places in the table of functions.
enum {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENVIRONMENT = 3,
  CREATE_SESSION_FROM_ARRAY = 8,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_GRAPH_OPTIMIZATION_LEVEL = 23,
  SET_INTRA_OP_THREADS = 24,
  SET_INTER_OP_THREADS = 25,
  INPUT_COUNT = 30,
  OUTPUT_COUNT = 31,
  INPUT_TYPE = 33,
  OUTPUT_TYPE = 34,
  INPUT_NAME = 36,
  OUTPUT_NAME = 37,
  CREATE_TENSOR_WITH_DATA = 49,
  CAST_TYPE_TO_TENSOR = 55,
  ELEMENT_TYPE = 60,
  DIMENSION_COUNT = 61,
  DIMENSIONS = 62,
  CREATE_CPU_MEMORY_INFO = 69,
  ALLOCATOR_FREE = 76,
  DEFAULT_ALLOCATOR = 78,
  RELEASE_STATUS = 93,
  RELEASE_SESSION = 95,
  RELEASE_VALUE = 96,
  RELEASE_TYPE = 98,
  RELEASE_SESSION_OPTIONS = 100,
};

typedef void *(*any_function)(void);

/// Functions that can fail return a status, NULL for success.
#define CALL(PLACE, TYPES, ...) (((void *(*) TYPES)api[PLACE])(__VA_ARGS__))
#define RELEASE(PLACE, OBJECT) (((void (*)(void *))api[PLACE])(OBJECT))

struct api_base {
  const any_function *(*get_api)(uint32_t version);
  const char *(*version)(void);
};

enum {
  LOG_ERRORS = 4,
  OPTIMIZE_ALL = 99,
  ARENA_ALLOCATOR = 1,
  DEFAULT_MEMORY = 0,
  INPUTS_MAX = 16,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const any_function *api;
static void *environment;
static void *allocator;
static void *memory_info;
static char version[64];
static char loaded_path[4096];

/// The words of a status, which it releases. Returns whether it was an error.
static int failed(void *status, char *message, size_t capacity) {
  if (status == NULL) return 0;
  if (capacity > 0) {
    const char *text = ((const char *(*)(const void *))api[GET_ERROR_MESSAGE])(status);
    snprintf(message, capacity, "%s", text == NULL ? "it failed without a reason" : text);
  }
  RELEASE(RELEASE_STATUS, status);
  return 1;
}

static int load(const char *path, char *message, size_t capacity) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *reason = dlerror();
    snprintf(message, capacity, "%s", reason == NULL ? "it cannot be loaded" : reason);
    return -1;
  }
  const struct api_base *(*get_base)(void) = NULL;
  void *symbol = dlsym(library, "OrtGetApiBase");
  memcpy(&get_base, &symbol, sizeof symbol);
  const struct api_base *base = get_base == NULL ? NULL : get_base();
  api = base == NULL ? NULL : base->get_api(1);
  if (api == NULL) {
    snprintf(message, capacity, "%s is no ONNX Runtime", path);
    dlclose(library);
    return -1;
  }
  if (failed(
          CALL(CREATE_ENVIRONMENT, (int, const char *, void **), LOG_ERRORS, "weir", &environment),
          message, capacity)
      || failed(CALL(DEFAULT_ALLOCATOR, (void **), &allocator), message, capacity)
      || failed(
          CALL(CREATE_CPU_MEMORY_INFO, (int, int, void **), ARENA_ALLOCATOR, DEFAULT_MEMORY,
               &memory_info),
          message, capacity)) {
    // What there is of it stays: a library with threads cannot be unloaded safely.
    api = NULL;
    return -1;
  }
  snprintf(version, sizeof version, "%s", base->version());
  snprintf(loaded_path, sizeof loaded_path, "%s", path);
  return 0;
}

int weir_onnx_load(const char *path, char *message, size_t capacity) {
  pthread_mutex_lock(&lock);
  int result = loaded_path[0] != 0 ? 0 : load(path, message, capacity);
  pthread_mutex_unlock(&lock);
  return result;
}

static int is_loaded(void) {
  pthread_mutex_lock(&lock);
  int result = loaded_path[0] != 0;
  pthread_mutex_unlock(&lock);
  return result;
}

const char *weir_onnx_version(void) { return is_loaded() ? version : NULL; }
const char *weir_onnx_path(void) { return is_loaded() ? loaded_path : NULL; }

int weir_onnx_find(const char *pattern, char *path, size_t capacity) {
  glob_t found;
  if (glob(pattern, 0, NULL, &found) != 0) return -1;
  const char *last = found.gl_pathc == 0 ? NULL : found.gl_pathv[found.gl_pathc - 1];
  int result = last != NULL && strlen(last) < capacity ? 0 : -1;
  if (result == 0) snprintf(path, capacity, "%s", last);
  globfree(&found);
  return result;
}

// ------------------------------------------------------------------------------------- sessions

struct weir_onnx_session {
  void *session;
  weir_onnx_tensor *inputs;
  weir_onnx_tensor *outputs;
  size_t input_count;
  size_t output_count;
};

/// Asks for one input or output. Returns whether that failed.
static int describe(
    void *session, size_t index, int name_place, int type_place, weir_onnx_tensor *tensor,
    char *message, size_t capacity) {
  char *name = NULL;
  if (failed(
          CALL(name_place, (const void *, size_t, void *, char **), session, index, allocator, &name),
          message, capacity)) {
    return 1;
  }
  tensor->name = strdup(name);
  failed(CALL(ALLOCATOR_FREE, (void *, void *), allocator, name), message, 0);
  void *type = NULL;
  if (failed(
          CALL(type_place, (const void *, size_t, void **), session, index, &type), message,
          capacity)) {
    return 1;
  }
  const void *info = NULL;
  int is_bad = failed(
      CALL(CAST_TYPE_TO_TENSOR, (const void *, const void **), type, &info), message, capacity);
  if (!is_bad && info != NULL) {
    is_bad = failed(
                 CALL(ELEMENT_TYPE, (const void *, int *), info, &tensor->element_type), message,
                 capacity)
        || failed(
                 CALL(DIMENSION_COUNT, (const void *, size_t *), info, &tensor->rank), message,
                 capacity);
    size_t rank = tensor->rank < WEIR_ONNX_RANK_MAX ? tensor->rank : WEIR_ONNX_RANK_MAX;
    is_bad = is_bad
        || failed(
                 CALL(DIMENSIONS, (const void *, int64_t *, size_t), info, tensor->dimensions, rank),
                 message, capacity);
  }
  RELEASE(RELEASE_TYPE, type);
  return is_bad || tensor->name == NULL;
}

static int describe_all(weir_onnx_session *session, char *message, size_t capacity) {
  void *raw = session->session;
  size_t inputs = 0, outputs = 0;
  if (failed(CALL(INPUT_COUNT, (const void *, size_t *), raw, &inputs), message, capacity)
      || failed(CALL(OUTPUT_COUNT, (const void *, size_t *), raw, &outputs), message, capacity)) {
    return -1;
  }
  session->inputs = calloc(inputs + 1, sizeof *session->inputs);
  session->outputs = calloc(outputs + 1, sizeof *session->outputs);
  if (session->inputs == NULL || session->outputs == NULL) return -1;
  session->input_count = inputs;
  session->output_count = outputs;
  for (size_t i = 0; i < inputs; i++) {
    if (describe(raw, i, INPUT_NAME, INPUT_TYPE, &session->inputs[i], message, capacity)) return -1;
  }
  for (size_t i = 0; i < outputs; i++) {
    if (describe(raw, i, OUTPUT_NAME, OUTPUT_TYPE, &session->outputs[i], message, capacity)) {
      return -1;
    }
  }
  return 0;
}

weir_onnx_session *weir_onnx_session_create(
    const void *bytes, size_t count, char *message, size_t capacity) {
  if (!is_loaded()) {
    snprintf(message, capacity, "ONNX Runtime is not loaded");
    return NULL;
  }
  weir_onnx_session *result = calloc(1, sizeof *result);
  if (result == NULL) return NULL;
  void *options = NULL;
  int is_bad =
      failed(CALL(CREATE_SESSION_OPTIONS, (void **), &options), message, capacity)
      || failed(CALL(SET_INTRA_OP_THREADS, (void *, int), options, 1), message, capacity)
      || failed(CALL(SET_INTER_OP_THREADS, (void *, int), options, 1), message, capacity)
      || failed(
          CALL(SET_GRAPH_OPTIMIZATION_LEVEL, (void *, int), options, OPTIMIZE_ALL), message,
          capacity)
      || failed(
          CALL(CREATE_SESSION_FROM_ARRAY, (const void *, const void *, size_t, const void *, void **),
               environment, bytes, count, options, &result->session),
          message, capacity);
  if (options != NULL) RELEASE(RELEASE_SESSION_OPTIONS, options);
  if (is_bad || describe_all(result, message, capacity) != 0) {
    weir_onnx_session_destroy(result);
    return NULL;
  }
  return result;
}

void weir_onnx_session_destroy(weir_onnx_session *session) {
  if (session == NULL) return;
  if (session->session != NULL) RELEASE(RELEASE_SESSION, session->session);
  for (size_t i = 0; i < session->input_count; i++) free((void *)session->inputs[i].name);
  for (size_t i = 0; i < session->output_count; i++) free((void *)session->outputs[i].name);
  free(session->inputs);
  free(session->outputs);
  free(session);
}

size_t weir_onnx_input_count(const weir_onnx_session *session) { return session->input_count; }
size_t weir_onnx_output_count(const weir_onnx_session *session) { return session->output_count; }
const weir_onnx_tensor *weir_onnx_input(const weir_onnx_session *session, size_t index) {
  return &session->inputs[index];
}
const weir_onnx_tensor *weir_onnx_output(const weir_onnx_session *session, size_t index) {
  return &session->outputs[index];
}

// ----------------------------------------------------------------------------------------- runs

static size_t aligned(size_t count) { return (count * sizeof(float) + 63) / 64 * 64; }

/// A tensor over `memory`, which it does not own.
static int wrap(
    const weir_onnx_value *value, char *memory, void **out, char *message, size_t capacity) {
  return failed(
      CALL(CREATE_TENSOR_WITH_DATA,
           (const void *, void *, size_t, const int64_t *, size_t, int, void **), memory_info,
           memory, value->count * sizeof(float), value->dimensions, value->rank, WEIR_ONNX_FLOAT,
           out),
      message, capacity);
}

int weir_onnx_run(
    const weir_onnx_session *session, const weir_onnx_value *inputs, size_t input_count,
    const weir_onnx_value *output, char *message, size_t capacity) {
  void *values[INPUTS_MAX] = {NULL};
  const char *names[INPUTS_MAX];
  void *result = NULL, *memory = NULL;
  if (input_count > INPUTS_MAX) {
    snprintf(message, capacity, "a graph of more than %d inputs", INPUTS_MAX);
    return -1;
  }
  size_t size = aligned(output->count);
  for (size_t i = 0; i < input_count; i++) size += aligned(inputs[i].count);
  if (posix_memalign(&memory, 64, size + 64) != 0) {
    snprintf(message, capacity, "out of memory: %zu bytes for a run", size);
    return -1;
  }
  char *place = memory;
  int is_bad = wrap(output, place, &result, message, capacity);
  place += aligned(output->count);
  for (size_t i = 0; i < input_count && !is_bad; i++) {
    names[i] = inputs[i].name;
    if (inputs[i].count > 0) memcpy(place, inputs[i].values, inputs[i].count * sizeof(float));
    is_bad = wrap(&inputs[i], place, &values[i], message, capacity);
    place += aligned(inputs[i].count);
  }
  is_bad = is_bad
      || failed(
               CALL(RUN,
                    (void *, const void *, const char *const *, void *const *, size_t,
                     const char *const *, size_t, void **),
                    session->session, NULL, names, values, input_count, &output->name, 1, &result),
               message, capacity);
  if (!is_bad && output->count > 0) {
    memcpy(output->values, memory, output->count * sizeof(float));
  }
  for (size_t i = 0; i < input_count; i++) {
    if (values[i] != NULL) RELEASE(RELEASE_VALUE, values[i]);
  }
  if (result != NULL) RELEASE(RELEASE_VALUE, result);
  free(memory);
  return is_bad ? -1 : 0;
}
