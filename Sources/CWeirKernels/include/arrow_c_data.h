// SPDX-License-Identifier: Apache-2.0
//
// The Arrow C data interface and the Arrow C stream interface: three plain structs by which libraries
// in one process hand columns to each other without a copy. The layouts and the flag values are fixed
// by Apache Arrow's specification; the include guards are the ones it prescribes, so that this header
// can be included next to another library's declaration of the same structs.
#ifndef WEIR_ARROW_C_DATA_H
#define WEIR_ARROW_C_DATA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

// The type of one column, or of one level of a nested column.
//
// A struct whose `release` is null has been released or moved away: nothing else in it may be read.
// A consumer moves the struct by copying its bytes and setting `release` of the source to null.
struct ArrowSchema {
  const char *format;    // the type, in Arrow's short notation; never null
  const char *name;      // null or the field's name, UTF-8
  const char *metadata;  // null or: count, then per entry key and value, each with its length (int32)
  int64_t flags;         // ARROW_FLAG_* values, or-ed
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;  // null or the type of a dictionary's values

  // Frees everything this struct owns, its children too, and sets `release` to null.
  void (*release)(struct ArrowSchema *);
  void *private_data;  // of the producer
};

// The memory of one column. Which buffers there are follows from the type.
struct ArrowArray {
  int64_t length;
  int64_t null_count;  // -1: not counted yet
  int64_t offset;      // rows of the buffers before the first row
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;

  // As ArrowSchema's. May be called from any thread.
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif  // ARROW_C_DATA_INTERFACE

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

// Batches of one schema, one after the other. One thread at a time may use it.
struct ArrowArrayStream {
  // Both return 0, or an errno value; then `get_last_error` says more.
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  // At the end of the stream `out` is marked as released.
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);

  // Null, or a text that stays valid until the next call on this stream.
  const char *(*get_last_error)(struct ArrowArrayStream *);

  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};

#endif  // ARROW_C_STREAM_INTERFACE

#ifdef __cplusplus
}
#endif

#endif  // WEIR_ARROW_C_DATA_H
