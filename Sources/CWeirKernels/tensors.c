// SPDX-License-Identifier: Apache-2.0
// What batches of tensors are made of: columns side by side, and the lists that differ.
#include "weir_tensors.h"

#include "bits.h"

// Rows that are copied at once: a block of the matrix stays in the nearest cache while its columns come.
enum { ROWS = 64 };

#define PASS(value) (value)
// Out of range is undefined in C.
#define CUT(value) ((value) > -0x1p63 && (value) < 0x1p63 ? (int64_t)(value) : 0)
#define IS_NAN(value) ((value) != (value))

#define FROM(CODE, SOURCE, TYPE, CONVERT)                                                       \
  case CODE: {                                                                                  \
    const SOURCE *in = (const SOURCE *)column->values + column->offset + first;                 \
    for (size_t i = 0; i < count; i++) to[i] = (TYPE)CONVERT(in[i]);                            \
    break;                                                                                      \
  }

#define FROM_FLOAT(CODE, SOURCE, TYPE, CONVERT)                                                 \
  case CODE: {                                                                                  \
    const SOURCE *in = (const SOURCE *)column->values + column->offset + first;                 \
    for (size_t i = 0; i < count; i++)                                                          \
      to[i] = IS_NAN(in[i]) ? missing : (TYPE)CONVERT(in[i]);                                   \
    break;                                                                                      \
  }

// Values `first ..< first + count` of a column as TYPE.
#define COLUMN(NAME, TYPE, CONVERT)                                                             \
  static inline void NAME(                                                                      \
      const struct weir_matrix_column *column, size_t first, size_t count, TYPE missing,        \
      TYPE *to) {                                                                               \
    size_t bit = column->offset + first;                                                        \
    switch (column->type) {                                                                     \
      FROM(WEIR_INT8, int8_t, TYPE, PASS)                                                       \
      FROM(WEIR_INT16, int16_t, TYPE, PASS)                                                     \
      FROM(WEIR_INT32, int32_t, TYPE, PASS)                                                     \
      FROM(WEIR_INT64, int64_t, TYPE, PASS)                                                     \
      FROM(WEIR_UINT8, uint8_t, TYPE, PASS)                                                     \
      FROM(WEIR_UINT16, uint16_t, TYPE, PASS)                                                   \
      FROM(WEIR_UINT32, uint32_t, TYPE, PASS)                                                   \
      FROM(WEIR_UINT64, uint64_t, TYPE, PASS)                                                   \
      FROM_FLOAT(WEIR_FLOAT32, float, TYPE, CONVERT)                                            \
      FROM_FLOAT(WEIR_FLOAT64, double, TYPE, CONVERT)                                           \
      case WEIR_BOOL: {                                                                         \
        const uint8_t *in = column->values;                                                     \
        for (size_t i = 0; i < count; i++)                                                      \
          to[i] = (TYPE)((in[(bit + i) >> 3] >> ((bit + i) & 7)) & 1);                          \
        break;                                                                                  \
      }                                                                                         \
    }                                                                                           \
    if (!column->validity) return;                                                              \
    for (size_t i = 0; i < count; i++)                                                          \
      if (!((column->validity[(bit + i) >> 3] >> ((bit + i) & 7)) & 1)) to[i] = missing;        \
  }

COLUMN(column_f32, float, PASS)
COLUMN(column_i64, int64_t, CUT)

#define MATRIX(NAME, TYPE, COLUMN)                                                              \
  WEIR_CLONES                                                                                   \
  void NAME(                                                                                    \
      const struct weir_matrix_column *columns, size_t column_count, size_t rows, TYPE missing, \
      size_t stride, TYPE *out) {                                                               \
    TYPE values[ROWS];                                                                          \
    for (size_t first = 0; first < rows; first += ROWS) {                                       \
      size_t count = rows - first < ROWS ? rows - first : ROWS;                                 \
      for (size_t j = 0; j < column_count; j++) {                                               \
        COLUMN(&columns[j], first, count, missing, values);                                     \
        TYPE *target = out + first * stride + j;                                                \
        for (size_t i = 0; i < count; i++) target[i * stride] = values[i];                      \
      }                                                                                         \
    }                                                                                           \
  }

MATRIX(weir_matrix_f32, float, column_f32)
MATRIX(weir_matrix_i64, int64_t, column_i64)

size_t weir_number_windows(
    const uint32_t *starts, const uint32_t *lengths, size_t count, uint64_t *keys,
    uint32_t *numbers, size_t mask, uint32_t next, int32_t *out, uint32_t *firsts) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t key = (uint64_t)starts[i] << 32 | lengths[i];
    uint64_t hash = starts[i] * 0x9e3779b97f4a7c15ULL ^ lengths[i] * 0xc2b2ae3d27d4eb4fULL;
    size_t place = (size_t)(hash >> 32) & mask;
    while (keys[place] != key && keys[place] != ~0ULL) place = (place + 1) & mask;
    if (keys[place] != key) {
      keys[place] = key;
      numbers[place] = next + (uint32_t)found;
      firsts[found++] = (uint32_t)i;
    }
    out[i] = (int32_t)numbers[place];
  }
  return found;
}
