// SPDX-License-Identifier: Apache-2.0
// SIMD kernels that Swift was measured slower at, or cannot dispatch at run time. Every function
// reads and writes only within the sizes given. None allocates or fails. Those for pages of Weir files
// are in weir_pages.h.
#ifndef WEIR_KERNELS_H
#define WEIR_KERNELS_H

#include <stddef.h>
#include <stdint.h>


/// CRC-32 with the gzip polynomial, continuing from `crc` (0 to start). Folds by carry-less
/// multiplication where the processor has it. Source: Gopal et al., "Fast CRC Computation for
/// Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009.
uint32_t weir_crc32(uint32_t crc, const void *bytes, size_t count);

/// CRC-32C (Castagnoli), continuing from `crc` (0 to start), by the processor's instruction where it
/// has one. The second form is the portable one, for comparison.
uint32_t weir_crc32c(uint32_t crc, const void *bytes, size_t count);
uint32_t weir_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

/// Unpacks `count` values of `width` (0...32) bits, least significant first, from `in` of `in_size`
/// bytes, which must hold them all.
void weir_unpack_u32(const uint8_t *in, size_t in_size, int width, uint32_t *out, size_t count);

/// The same into bytes, for levels: `width` is 0...8.
void weir_unpack_u8(const uint8_t *in, size_t in_size, int width, uint8_t *out, size_t count);

/// The same into 64-bit values: `width` is 0...64.
void weir_unpack_u64(const uint8_t *in, size_t in_size, int width, uint64_t *out, size_t count);

/// The largest of `count` values; 0 for none.
uint32_t weir_max_u32(const uint32_t *values, size_t count);

/// out[i] = dictionary[indices[i]]; the indices must have been checked.
void weir_gather_32(const uint32_t *dictionary, const uint32_t *indices, uint32_t *out, size_t count);
void weir_gather_64(const uint64_t *dictionary, const uint32_t *indices, uint64_t *out, size_t count);

/// Lengths of the lists of chosen rows: list `k` of row `r` has the values from offsets[r * width + k] up
/// to the next offset. `ends[k]`, where it is not NULL, gets row_count + 1 running totals. Returns -1, or
/// the index of the first row that is not there or whose offsets are not within the values.
int64_t weir_lists_measure(
    const int64_t *offsets, int64_t source_rows, int64_t width, int64_t value_count,
    const int64_t *rows, int64_t row_count, int64_t *const *ends);

/// Copies those lists, which must have been measured. With limits[k] = 0 list `k` goes to outs[k] at
/// ends[k]; else to a matrix of limits[k] columns, cut or filled with zeros, and masks[k] says which
/// places hold values.
void weir_lists_copy_32(
    const int64_t *offsets, int64_t width, const uint32_t *values, const int64_t *rows,
    int64_t row_count, const int64_t *limits, const int64_t *const *ends, uint32_t *const *outs,
    uint8_t *const *masks);
void weir_lists_copy_64(
    const int64_t *offsets, int64_t width, const uint64_t *values, const int64_t *rows,
    int64_t row_count, const int64_t *limits, const int64_t *const *ends, uint64_t *const *outs,
    uint8_t *const *masks);

/// Undoes BYTE_STREAM_SPLIT: `width` streams of `stride` bytes each, of which values
/// `first ..< first + count` are written to `out`.
void weir_byte_stream_join(
    const uint8_t *in, size_t stride, size_t first, int width, uint8_t *out, size_t count);

/// BYTE_STREAM_SPLIT of `count` values of `width` bytes.
void weir_byte_stream_split(const uint8_t *in, int width, uint8_t *out, size_t count);

/// 1 when all bytes are below 128.
int weir_is_ascii(const uint8_t *in, size_t count);

/// 1 when the bytes are well-formed UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF.
int weir_is_utf8(const uint8_t *in, size_t count);

/// Packs bytes (0 or not) to bits at bit 0 of `out`; the last byte is filled with zeros.
void weir_pack_bools(const uint8_t *in, uint8_t *out, size_t count);

/// How many of `count` bytes equal `value`.
size_t weir_count_equal_u8(const uint8_t *in, uint8_t value, size_t count);

/// How many of `count` bytes are at least `value`.
size_t weir_count_at_least_u8(const uint8_t *in, uint8_t value, size_t count);

/// Bit i of `out` is in[i] >= value; whole bytes of `out` are written. Returns how many bits are 1.
size_t weir_pack_at_least_u8(const uint8_t *in, uint8_t value, uint8_t *out, size_t count);

/// For a list of the first level over a leaf without deeper lists: writes, for each entry with
/// repetition 0, how many items come before it, beginning with `items`. An entry is an item when its
/// definition is at least `item_level`, or always when `definition` is NULL. Returns the number of
/// starts written (at most `count`) and adds the items seen to `*items`.
size_t weir_list_starts(
    const uint8_t *repetition, const uint8_t *definition, uint8_t item_level, size_t count,
    int64_t *starts, int64_t *items);

/// How `weir_compare_…` compares.
enum {
  WEIR_EQUAL = 0,
  WEIR_LESS = 1,
  WEIR_LESS_OR_EQUAL = 2,
  WEIR_GREATER = 3,
  WEIR_GREATER_OR_EQUAL = 4,
};

/// Bit i of `out` (words of 64 rows, `count` rounded up; the bits behind are 0) says whether
/// values[i] compares with `value` as `op` says. NaN compares with nothing. `values` need not be
/// aligned.
void weir_compare_i8(const void *values, int8_t value, int op, uint64_t *out, size_t count);
void weir_compare_i16(const void *values, int16_t value, int op, uint64_t *out, size_t count);
void weir_compare_i32(const void *values, int32_t value, int op, uint64_t *out, size_t count);
void weir_compare_i64(const void *values, int64_t value, int op, uint64_t *out, size_t count);
void weir_compare_u8(const void *values, uint8_t value, int op, uint64_t *out, size_t count);
void weir_compare_u16(const void *values, uint16_t value, int op, uint64_t *out, size_t count);
void weir_compare_u32(const void *values, uint32_t value, int op, uint64_t *out, size_t count);
void weir_compare_u64(const void *values, uint64_t value, int op, uint64_t *out, size_t count);
void weir_compare_f32(const void *values, float value, int op, uint64_t *out, size_t count);
void weir_compare_f64(const void *values, double value, int op, uint64_t *out, size_t count);

/// Bit i of `out` says whether offsets[i + 1] - offsets[i] is `value`; there are `count` + 1 offsets.
void weir_lengths_equal_32(const void *offsets, int32_t value, uint64_t *out, size_t count);
void weir_lengths_equal_64(const void *offsets, int64_t value, uint64_t *out, size_t count);

/// The dot products of `query` with `count` of the vectors of `dimension` elements behind each other in `rows`.
/// Each sum is taken in the order of the elements, without fused operations: the same bits on every
/// processor.
void weir_dot_rows_f32(
    const float *rows, size_t dimension, const uint32_t *indices, size_t count, const float *query,
    float *scores);

/// The dot products of `query` with the vectors of `tile_count` tiles of 64; `sums` takes 64 for each. The
/// elements 2p and 2p + 1 of vector v of a tile are at p * 128 + 2v. No sum of the products' magnitudes
/// may be 2^31 or more.
void weir_dot_tiles_i8(
    const int8_t *tiles, size_t tile_count, const int16_t *query, size_t pair_count, int32_t *sums);

/// What the bounds of products with one query have in common.
typedef struct {
  float base;
  float scale;
  float error;
  float constant;
  float slack;
} weir_bounds;

/// `lower` and `upper` get base + scales[i] * scale * (sums[i] -+ (errors[i] * error + constant)) -+ slack.
void weir_dot_bounds(
    const int32_t *sums, const float *scales, const float *errors, size_t count,
    const weir_bounds *query, float *lower, float *upper);

/// Writes which of `count` values are at least `least`, in order (NaN is not); `indices` has room for
/// `count` of them. Returns how many.
size_t weir_select_at_least_f32(
    const float *values, size_t count, float least, uint32_t *indices);

#endif
