// SPDX-License-Identifier: Apache-2.0
// Gathers the lists of chosen rows, for loaders of training data.
//
// The lists of a row lie side by side, so that a row costs a few cache lines; each list goes to an output
// of its own. Lengths first, for offsets; then the values.
#include "weir_kernels.h"

int64_t weir_lists_measure(
    const int64_t *offsets, int64_t source_rows, int64_t width, int64_t value_count,
    const int64_t *rows, int64_t row_count, int64_t *const *ends) {
  for (int64_t list = 0; list < width; list++) {
    if (ends[list]) ends[list][0] = 0;
  }
  for (int64_t index = 0; index < row_count; index++) {
    const int64_t row = rows[index];
    if (row < 0 || row >= source_rows) return index;
    const int64_t *at = offsets + row * width;
    if (at[0] < 0 || at[width] > value_count) return index;
    for (int64_t list = 0; list < width; list++) {
      const int64_t length = at[list + 1] - at[list];
      if (length < 0) return index;
      if (ends[list]) ends[list][index + 1] = ends[list][index] + length;
    }
  }
  return -1;
}

#define WEIR_LISTS_COPY(NAME, TYPE)                                                             \
  void NAME(                                                                                    \
      const int64_t *offsets, int64_t width, const TYPE *values, const int64_t *rows,           \
      int64_t row_count, const int64_t *limits, const int64_t *const *ends, TYPE *const *outs,  \
      uint8_t *const *masks) {                                                                  \
    for (int64_t index = 0; index < row_count; index++) {                                       \
      const int64_t *at = offsets + rows[index] * width;                                        \
      if (index + 4 < row_count) {                                                              \
        const int64_t *next = offsets + rows[index + 4] * width;                                \
        __builtin_prefetch(next);                                                               \
      }                                                                                         \
      for (int64_t list = 0; list < width; list++) {                                            \
        const TYPE *from = values + at[list];                                                   \
        int64_t length = at[list + 1] - at[list];                                               \
        const int64_t limit = limits[list];                                                     \
        if (limit == 0) {                                                                       \
          TYPE *to = outs[list] + ends[list][index];                                            \
          for (int64_t i = 0; i < length; i++) to[i] = from[i];                                 \
        } else {                                                                                \
          TYPE *to = outs[list] + index * limit;                                                \
          uint8_t *mask = masks[list] + index * limit;                                          \
          if (length > limit) length = limit;                                                   \
          for (int64_t i = 0; i < length; i++) to[i] = from[i], mask[i] = 1;                    \
          for (int64_t i = length; i < limit; i++) to[i] = 0, mask[i] = 0;                      \
        }                                                                                       \
      }                                                                                         \
    }                                                                                           \
  }

WEIR_LISTS_COPY(weir_lists_copy_32, uint32_t)
WEIR_LISTS_COPY(weir_lists_copy_64, uint64_t)
