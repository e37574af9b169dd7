// SPDX-License-Identifier: Apache-2.0
// Comparisons of a column with one value, 64 rows a word: the compiler makes vectors of the
// comparisons, and a multiplication gathers eight outcomes into a byte.
#include "weir_kernels.h"

#include "bits.h"

static inline uint64_t pack64(const uint8_t *flags) {
  uint64_t word = 0;
  for (int group = 0; group < 8; group++) {
    uint64_t eight;
    memcpy(&eight, flags + 8 * group, 8);
    word |= (eight * 0x0102040810204080u >> 56) << (8 * group);
  }
  return word;
}

#define COMPARE_LOOP(OP)                                                              \
  for (; done + 64 <= count; done += 64) {                                            \
    for (int row = 0; row < 64; row++) flags[row] = (uint8_t)(in[done + row] OP value); \
    out[done / 64] = pack64(flags);                                                   \
  }                                                                                   \
  if (done < count) {                                                                 \
    memset(flags, 0, sizeof flags);                                                   \
    for (size_t row = 0; done + row < count; row++)                                   \
      flags[row] = (uint8_t)(in[done + row] OP value);                                \
    out[done / 64] = pack64(flags);                                                   \
  }

// Columns of other processes need not be aligned.
#define COMPARE(NAME, TYPE)                                                           \
  typedef TYPE NAME##_unaligned __attribute__((aligned(1)));                          \
  WEIR_CLONES void weir_compare_##NAME(                                               \
      const void *values, TYPE value, int op, uint64_t *out, size_t count) {          \
    const NAME##_unaligned *in = values;                                              \
    uint8_t flags[64];                                                                \
    size_t done = 0;                                                                  \
    switch (op) {                                                                     \
      case WEIR_EQUAL: COMPARE_LOOP(==) break;                                        \
      case WEIR_LESS: COMPARE_LOOP(<) break;                                          \
      case WEIR_LESS_OR_EQUAL: COMPARE_LOOP(<=) break;                                \
      case WEIR_GREATER: COMPARE_LOOP(>) break;                                       \
      default: COMPARE_LOOP(>=) break;                                                \
    }                                                                                 \
  }

COMPARE(i8, int8_t)
COMPARE(i16, int16_t)
COMPARE(i32, int32_t)
COMPARE(i64, int64_t)
COMPARE(u8, uint8_t)
COMPARE(u16, uint16_t)
COMPARE(u32, uint32_t)
COMPARE(u64, uint64_t)
COMPARE(f32, float)
COMPARE(f64, double)

#define LENGTHS(BITS)                                                                 \
  typedef int##BITS##_t offset##BITS##_unaligned __attribute__((aligned(1)));         \
  WEIR_CLONES void weir_lengths_equal_##BITS(                                         \
      const void *offsets, int##BITS##_t value, uint64_t *out, size_t count) {        \
    const offset##BITS##_unaligned *in = offsets;                                     \
    uint8_t flags[64];                                                                \
    size_t done = 0;                                                                  \
    for (; done + 64 <= count; done += 64) {                                          \
      for (int row = 0; row < 64; row++)                                              \
        flags[row] = (uint8_t)(in[done + row + 1] - in[done + row] == value);         \
      out[done / 64] = pack64(flags);                                                 \
    }                                                                                 \
    if (done < count) {                                                               \
      memset(flags, 0, sizeof flags);                                                 \
      for (size_t row = 0; done + row < count; row++)                                 \
        flags[row] = (uint8_t)(in[done + row + 1] - in[done + row] == value);         \
      out[done / 64] = pack64(flags);                                                 \
    }                                                                                 \
  }

LENGTHS(32)
LENGTHS(64)
