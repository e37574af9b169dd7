// SPDX-License-Identifier: Apache-2.0
//
// ONNX Runtime, looked for when first used: graphs of float32 tensors over its C ABI.
//
// Only the part of the ABI that version 1.0 fixed is used, by its places in the table of functions,
// so that every ONNX Runtime since then serves and no header is needed; docs/decisions/0021 says why.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The element type of float32 tensors.
enum { WEIR_ONNX_FLOAT = 1 };

/// The most dimensions of a tensor that are told of.
enum { WEIR_ONNX_RANK_MAX = 8 };

/// Loads ONNX Runtime from a file, or by a library's name alone as the system finds it; does nothing
/// when one is loaded already. Returns 0, or -1 with the reason in `message` (at most `capacity` bytes
/// with the closing zero). Another call may try another file.
int weir_onnx_load(const char *path, char *message, size_t capacity);

/// The version of the loaded library, such as "1.20.0"; NULL before one is loaded. It stays valid.
const char *weir_onnx_version(void);

/// The path that it was loaded from; NULL before. It stays valid.
const char *weir_onnx_path(void);

/// The last file in order of names that `pattern` (as of glob) matches, in `path`. Returns 0, or -1 when
/// there is none or it is longer than `capacity`.
int weir_onnx_find(const char *pattern, char *path, size_t capacity);

/// A graph, ready to run. Threads may share it.
typedef struct weir_onnx_session weir_onnx_session;

/// Reads a graph, for runs on the calling thread alone. The bytes are not needed afterwards. Returns
/// NULL with the reason in `message` when no library is loaded or the graph is none.
weir_onnx_session *weir_onnx_session_create(
    const void *bytes, size_t count, char *message, size_t capacity);

/// No run may be under way.
void weir_onnx_session_destroy(weir_onnx_session *session);

/// What a graph says of an input or an output.
typedef struct weir_onnx_tensor {
  /// Valid while the session is.
  const char *name;
  /// 0 when it is no tensor.
  int element_type;
  /// More than WEIR_ONNX_RANK_MAX: `dimensions` holds the first ones.
  size_t rank;
  /// -1 where the graph leaves it open.
  int64_t dimensions[WEIR_ONNX_RANK_MAX];
} weir_onnx_tensor;

size_t weir_onnx_input_count(const weir_onnx_session *session);
size_t weir_onnx_output_count(const weir_onnx_session *session);
const weir_onnx_tensor *weir_onnx_input(const weir_onnx_session *session, size_t index);
const weir_onnx_tensor *weir_onnx_output(const weir_onnx_session *session, size_t index);

/// A tensor of float32, in C order.
typedef struct weir_onnx_value {
  const char *name;
  float *values;
  size_t count;
  const int64_t *dimensions;
  size_t rank;
} weir_onnx_value;

/// Runs the graph on `inputs` and writes its output into `output`, whose shape must be the one that
/// comes out. Returns 0, or -1 with the reason in `message`; the output is then as it was. What comes out
/// does not depend on where the values lie in memory.
int weir_onnx_run(
    const weir_onnx_session *session, const weir_onnx_value *inputs, size_t input_count,
    const weir_onnx_value *output, char *message, size_t capacity);

#ifdef __cplusplus
}
#endif
