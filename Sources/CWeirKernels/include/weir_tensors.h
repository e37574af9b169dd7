// SPDX-License-Identifier: Apache-2.0
// Kernels on the way from columns to tensors. None allocates.
#ifndef WEIR_TENSORS_H
#define WEIR_TENSORS_H

#include <stddef.h>
#include <stdint.h>

enum weir_value_type {
  WEIR_BOOL,
  WEIR_INT8,
  WEIR_INT16,
  WEIR_INT32,
  WEIR_INT64,
  WEIR_UINT8,
  WEIR_UINT16,
  WEIR_UINT32,
  WEIR_UINT64,
  WEIR_FLOAT32,
  WEIR_FLOAT64
};

/// A column of a matrix: `values` and, unless NULL, bits of validity (1 = valid), the first row's
/// being number `offset` of both.
struct weir_matrix_column {
  const void *values;
  const uint8_t *validity;
  size_t offset;
  enum weir_value_type type;
};

/// Writes `rows` rows of the columns side by side: value j of row i to out[i * stride + j]. Nulls (and
/// NaN, for floats) become `missing`; floats become integers as C converts them where they fit, else 0.
void weir_matrix_f32(
    const struct weir_matrix_column *columns, size_t column_count, size_t rows, float missing,
    size_t stride, float *out);
void weir_matrix_i64(
    const struct weir_matrix_column *columns, size_t column_count, size_t rows, int64_t missing,
    size_t stride, int64_t *out);

/// Numbers windows (start, length) by their first appearance: out[i] is that of window i, from
/// `next` on for those that are not in the table yet, whose rows go to `firsts` in their order.
/// Returns how many are new. `keys` (~0 where free, which no window may have) and `numbers` are a
/// table of mask + 1 places, a power of two, of which at most half are taken when all rows are new.
size_t weir_number_windows(
    const uint32_t *starts, const uint32_t *lengths, size_t count, uint64_t *keys,
    uint32_t *numbers, size_t mask, uint32_t next, int32_t *out, uint32_t *firsts);

#endif
