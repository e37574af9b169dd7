// SPDX-License-Identifier: Apache-2.0
// Kernels for the pages of Weir files (docs/specs/weir-file.md), but for byte strings (weir_strings.h). Every
// function reads and writes only within the sizes given. None allocates.
#ifndef WEIR_PAGES_H
#define WEIR_PAGES_H

#include <stddef.h>
#include <stdint.h>

/// Values `start ..< start + count` of `width` bits (at most those of the type), least significant first,
/// each plus `base`, from `in` of `in_size` bytes, which must hold them all.
void weir_unpack_add_8(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint8_t *out,
    size_t count);
void weir_unpack_add_16(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint16_t *out,
    size_t count);
void weir_unpack_add_32(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count);
void weir_unpack_add_64(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count);

/// The same without instructions that only some processors have.
void weir_unpack_add_32_portable(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count);
void weir_unpack_add_64_portable(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count);

/// The same with AVX2; 0, and nothing is done, where the processor has none or the width is 0 or (of 64-bit
/// values) above 57.
int weir_unpack_add_32_avx2(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count);
int weir_unpack_add_64_avx2(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count);

/// The values at `rows`, each of which must be there, of values packed as above.
void weir_pick_8(
    const uint8_t *in, size_t in_size, int width, uint64_t base, const uint32_t *rows, uint8_t *out,
    size_t count);
void weir_pick_16(
    const uint8_t *in, size_t in_size, int width, uint64_t base, const uint32_t *rows, uint16_t *out,
    size_t count);
void weir_pick_32(
    const uint8_t *in, size_t in_size, int width, uint64_t base, const uint32_t *rows, uint32_t *out,
    size_t count);
void weir_pick_64(
    const uint8_t *in, size_t in_size, int width, uint64_t base, const uint32_t *rows, uint64_t *out,
    size_t count);

/// Values `start ..< start + count` of the encoding "tiered": 2-bit tags, values of widths[tag] bits in
/// blocks of 256 whose first bytes `starts` (u32) says; `bits_size` is at least 8, the tags and starts
/// must be there for all values. Returns -1 when a block leads out of the bits.
int weir_tiered_8(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint8_t *out, size_t count);
int weir_tiered_16(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint16_t *out, size_t count);
int weir_tiered_32(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint32_t *out, size_t count);
int weir_tiered_64(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint64_t *out, size_t count);

/// The same without instructions that only some processors have.
int weir_tiered_32_portable(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint32_t *out, size_t count);

/// Packs in[i] - base with `width` bits each (none may need more); writes (count * width + 7) / 8 bytes.
void weir_pack_8(const uint8_t *in, size_t count, uint64_t base, int width, uint8_t *out);
void weir_pack_16(const uint16_t *in, size_t count, uint64_t base, int width, uint8_t *out);
void weir_pack_32(const uint32_t *in, size_t count, uint64_t base, int width, uint8_t *out);
void weir_pack_64(const uint64_t *in, size_t count, uint64_t base, int width, uint8_t *out);

/// The encoding "tiered" of in[i] - base: a value of n significant bits goes to tier
/// tier_of_length[n], which must be wide enough. `tags` has (count + 3) / 4 zero bytes, `starts` a number
/// for each 256 values, `bits` room for all values, 8 bytes for each 256 of them and 8 more. Returns the
/// bytes of `bits` in use.
size_t weir_pack_tiers_8(
    const uint8_t *in, size_t count, uint64_t base, const uint8_t *tier_of_length,
    const uint8_t *widths, uint8_t *tags, uint8_t *bits, uint32_t *starts);
size_t weir_pack_tiers_16(
    const uint16_t *in, size_t count, uint64_t base, const uint8_t *tier_of_length,
    const uint8_t *widths, uint8_t *tags, uint8_t *bits, uint32_t *starts);
size_t weir_pack_tiers_32(
    const uint32_t *in, size_t count, uint64_t base, const uint8_t *tier_of_length,
    const uint8_t *widths, uint8_t *tags, uint8_t *bits, uint32_t *starts);
size_t weir_pack_tiers_64(
    const uint64_t *in, size_t count, uint64_t base, const uint8_t *tier_of_length,
    const uint8_t *widths, uint8_t *tags, uint8_t *bits, uint32_t *starts);

/// What a choice of encodings wants to know of values, taken as signed numbers.
struct weir_survey {
  uint64_t least;
  /// The largest less the least, modulo the type.
  uint64_t range;
  /// The same of the differences of neighbours.
  uint64_t least_step;
  uint64_t step_range;
  /// Stretches of equal values.
  uint64_t runs;
};

/// Surveys `count` values, at least one.
void weir_survey_8(const uint8_t *in, size_t count, struct weir_survey *out);
void weir_survey_16(const uint16_t *in, size_t count, struct weir_survey *out);
void weir_survey_32(const uint32_t *in, size_t count, struct weir_survey *out);
void weir_survey_64(const uint64_t *in, size_t count, struct weir_survey *out);

/// Adds to histogram[n] (n = 0...64) how many of in[i] - base have n significant bits.
void weir_bit_lengths_8(const uint8_t *in, size_t count, uint64_t base, uint32_t *histogram);
void weir_bit_lengths_16(const uint16_t *in, size_t count, uint64_t base, uint32_t *histogram);
void weir_bit_lengths_32(const uint32_t *in, size_t count, uint64_t base, uint32_t *histogram);
void weir_bit_lengths_64(const uint64_t *in, size_t count, uint64_t base, uint32_t *histogram);

/// out[i] = in[i] / divisor, computed as doubles.
void weir_quotients_f32(const int32_t *in, double divisor, float *out, size_t count);
void weir_quotients_f64(const int64_t *in, double divisor, double *out, size_t count);

/// out[i] |= high[i] << shift.
void weir_join_high_32(const uint16_t *high, int shift, uint32_t *out, size_t count);
void weir_join_high_64(const uint16_t *high, int shift, uint64_t *out, size_t count);

/// out[i] = dictionary[indices[i]], of a dictionary of `size` values.
void weir_gather_8(
    const uint8_t *dictionary, const uint32_t *indices, uint8_t *out, size_t count);
void weir_gather_16(
    const uint16_t *dictionary, size_t size, const uint32_t *indices, uint16_t *out, size_t count);
void weir_gather_widen(
    const uint32_t *dictionary, const uint32_t *indices, uint64_t *out, size_t count);

/// A page of a pool: numbers packed as above, or NULL.
struct weir_pool_page {
  const uint8_t *bits;
  size_t size;
  int32_t width;
  int32_t value_width;
  uint64_t base;
};

/// Writes the values starts[i] ..< starts[i] + lengths[i] of a pool, whose pages have 2^shift values of
/// `value_width` bytes (4 or 8), one behind the other to `out`. Every window must lie within the
/// pool. Stops before a window that is not within one page that is packed; returns the windows done.
size_t weir_windows(
    const struct weir_pool_page *pages, int shift, int value_width, const uint32_t *starts,
    const uint32_t *lengths, size_t count, void *out);

uint64_t weir_sum_u32(const uint32_t *values, size_t count);

/// out[i] = first + lengths[0] + ... + lengths[i]; the sum must fit.
void weir_offsets_32(const uint32_t *lengths, int32_t first, int32_t *out, size_t count);
void weir_offsets_64(const uint32_t *lengths, int64_t first, int64_t *out, size_t count);

/// The first i with starts[i] + lengths[i] > limit, or -1.
int64_t weir_first_outside(
    const uint32_t *starts, const uint32_t *lengths, uint64_t limit, size_t count);

#endif
