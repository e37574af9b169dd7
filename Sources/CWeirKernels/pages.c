// SPDX-License-Identifier: Apache-2.0
// Values of Weir files: unpacked from any index on, tiers, windows on packed values.
#include "weir_pages.h"

#include "bits.h"
#include "pages_wide.h"
#include "tiers.h"

// Eight values from a byte of their own on: with W a constant, all of it unrolls.
#define EIGHT(W, TYPE)                                                                        \
  for (; count - done >= 8 && (size_t)((done * (W)) / 8 + (W) + 8) <= size; done += 8) {      \
    const uint8_t *p = from + (done * (W)) / 8;                                               \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {                          \
      out[done + i] =                                                                         \
          (TYPE)(((load64(p + (i * (W)) / 8) >> ((i * (W)) % 8)) & (~0ULL >> (64 - (W)))) + base); \
    }                                                                                         \
  }

#define CASE(W, TYPE) case W: EIGHT(W, TYPE) break;
#define CASES_8(T) CASE(1, T) CASE(2, T) CASE(3, T) CASE(4, T) CASE(5, T) CASE(6, T) \
  CASE(7, T) CASE(8, T)
#define CASES_16(T) CASES_8(T) CASE(9, T) CASE(10, T) CASE(11, T) CASE(12, T) CASE(13, T) \
  CASE(14, T) CASE(15, T) CASE(16, T)
#define CASES_32(T) CASES_16(T) CASE(17, T) CASE(18, T) CASE(19, T) CASE(20, T) CASE(21, T) \
  CASE(22, T) CASE(23, T) CASE(24, T) CASE(25, T) CASE(26, T) CASE(27, T) CASE(28, T) CASE(29, T) \
  CASE(30, T) CASE(31, T) CASE(32, T)
#define CASES_64(T) CASES_32(T) CASE(33, T) CASE(34, T) CASE(35, T) CASE(36, T) CASE(37, T) \
  CASE(38, T) CASE(39, T) CASE(40, T) CASE(41, T) CASE(42, T) CASE(43, T) CASE(44, T) CASE(45, T) \
  CASE(46, T) CASE(47, T) CASE(48, T) CASE(49, T) CASE(50, T) CASE(51, T) CASE(52, T) CASE(53, T) \
  CASE(54, T) CASE(55, T) CASE(56, T)

#define UNPACK(NAME, TYPE, CASES)                                                              \
  WEIR_CLONES                                                                                  \
  void NAME(                                                                                   \
      const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, TYPE *out,    \
      size_t count) {                                                                          \
    if (width == 0) {                                                                          \
      for (size_t i = 0; i < count; i++) out[i] = (TYPE)base;                                  \
      return;                                                                                  \
    }                                                                                          \
    if (count < 128 && width <= 57 &&                                                          \
        ((start + count) * (size_t)width) / 8 + 8 <= in_size) {                                \
      uint64_t mask = ~0ULL >> (64 - width);                                                   \
      uint64_t bit = start * (uint64_t)width;                                                  \
      for (size_t i = 0; i < count; i++, bit += (uint64_t)width)                               \
        out[i] = (TYPE)(((load64(in + (bit >> 3)) >> (bit & 7)) & mask) + base);               \
      return;                                                                                  \
    }                                                                                          \
    while (count > 0 && (start & 7) != 0) {                                                    \
      *out++ = (TYPE)(unpack_one(in, in_size, width, start++) + base);                         \
      count--;                                                                                 \
    }                                                                                          \
    const uint8_t *from = in + start / 8 * (size_t)width;                                      \
    size_t size = in_size - start / 8 * (size_t)width;                                         \
    size_t done = 0;                                                                           \
    if (count >= 8) switch (width) {                                                           \
      CASES(TYPE)                                                                              \
      default: break;                                                                          \
    }                                                                                          \
    for (; done < count; done++)                                                               \
      out[done] = (TYPE)(unpack_one(from, size, width, done) + base);                          \
  }

UNPACK(weir_unpack_add_8, uint8_t, CASES_8)
UNPACK(weir_unpack_add_16, uint16_t, CASES_16)
UNPACK(weir_unpack_add_32_portable, uint32_t, CASES_32)
UNPACK(weir_unpack_add_64_portable, uint64_t, CASES_64)

// Fewer values are unpacked before places are worked out.
enum { NARROW_MIN = 16 };

void weir_unpack_add_32(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count) {
#ifdef WEIR_WIDE
  if (width > 0 && weir_has_wide())
    return weir_unpack_wide_32(in, in_size, width, base, start, out, count);
  if (count >= NARROW_MIN && weir_unpack_add_32_avx2(in, in_size, width, base, start, out, count))
    return;
#endif
  weir_unpack_add_32_portable(in, in_size, width, base, start, out, count);
}

void weir_unpack_add_64(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count) {
#ifdef WEIR_WIDE
  if (width > 0 && width <= 57 && weir_has_wide())
    return weir_unpack_wide_64(in, in_size, width, base, start, out, count);
  if (count >= NARROW_MIN && weir_unpack_add_64_avx2(in, in_size, width, base, start, out, count))
    return;
#endif
  weir_unpack_add_64_portable(in, in_size, width, base, start, out, count);
}

// ---- packing ----------------------------------------------------------------------------------

#define PACK(NAME, TYPE)                                                                        \
  void NAME(const TYPE *in, size_t count, uint64_t base, int width, uint8_t *out) {             \
    if (width == 0) return;                                                                     \
    uint64_t word = 0;                                                                          \
    int used = 0;                                                                               \
    for (size_t i = 0; i < count; i++) {                                                        \
      uint64_t value = (TYPE)(in[i] - (TYPE)base);                                              \
      word |= value << used;                                                                    \
      used += width;                                                                            \
      if (used >= 64) {                                                                         \
        memcpy(out, &word, 8);                                                                  \
        out += 8;                                                                               \
        used -= 64;                                                                             \
        word = used == 0 ? 0 : value >> (width - used);                                         \
      }                                                                                         \
    }                                                                                           \
    memcpy(out, &word, (size_t)(used + 7) / 8);                                                 \
  }

PACK(weir_pack_8, uint8_t)
PACK(weir_pack_16, uint16_t)
PACK(weir_pack_32, uint32_t)
PACK(weir_pack_64, uint64_t)

#define TIERS(NAME, TYPE)                                                                       \
  size_t NAME(                                                                                  \
      const TYPE *in, size_t count, uint64_t base, const uint8_t *tier_of_length,               \
      const uint8_t *widths, uint8_t *tags, uint8_t *bits, uint32_t *starts) {                  \
    uint8_t *next = bits;                                                                       \
    for (size_t first = 0; first < count; first += BLOCK) {                                     \
      starts[first / BLOCK] = (uint32_t)(next - bits);                                          \
      size_t end = first + BLOCK < count ? first + BLOCK : count;                               \
      uint64_t word = 0;                                                                        \
      int used = 0;                                                                             \
      for (size_t i = first; i < end; i++) {                                                    \
        uint64_t value = (TYPE)(in[i] - (TYPE)base);                                            \
        int length = value == 0 ? 0 : 64 - __builtin_clzll(value);                              \
        uint8_t tier = tier_of_length[length];                                                  \
        tags[i >> 2] = (uint8_t)(tags[i >> 2] | tier << ((i & 3) * 2));                         \
        int width = widths[tier];                                                               \
        if (width == 0) continue;                                                               \
        word |= value << used;                                                                  \
        used += width;                                                                          \
        if (used >= 64) {                                                                       \
          memcpy(next, &word, 8);                                                               \
          next += 8;                                                                            \
          used -= 64;                                                                           \
          word = used == 0 ? 0 : value >> (width - used);                                       \
        }                                                                                       \
      }                                                                                         \
      memcpy(next, &word, (size_t)(used + 7) / 8);                                              \
      next += (used + 7) / 8;                                                                   \
    }                                                                                           \
    memset(next, 0, 8);                                                                         \
    return (size_t)(next - bits) + 8;                                                           \
  }

TIERS(weir_pack_tiers_8, uint8_t)
TIERS(weir_pack_tiers_16, uint16_t)
TIERS(weir_pack_tiers_32, uint32_t)
TIERS(weir_pack_tiers_64, uint64_t)

// ---- statistics of a page ---------------------------------------------------------------------

#define SURVEY(NAME, TYPE, SIGNED)                                                              \
  void NAME(const TYPE *in, size_t count, struct weir_survey *out) {                            \
    SIGNED least = (SIGNED)in[0], most = (SIGNED)in[0];                                         \
    SIGNED least_step = 0, most_step = 0;                                                       \
    size_t changes = 0;                                                                         \
    for (size_t i = 1; i < count; i++) {                                                        \
      SIGNED value = (SIGNED)in[i];                                                             \
      SIGNED step = (SIGNED)(TYPE)(in[i] - in[i - 1]);                                          \
      least = value < least ? value : least;                                                    \
      most = value > most ? value : most;                                                       \
      changes += step != 0;                                                                     \
      least_step = i == 1 || step < least_step ? step : least_step;                             \
      most_step = i == 1 || step > most_step ? step : most_step;                                \
    }                                                                                           \
    out->least = (uint64_t)(TYPE)least;                                                         \
    out->range = (uint64_t)(TYPE)((TYPE)most - (TYPE)least);                                    \
    out->least_step = (uint64_t)(TYPE)least_step;                                               \
    out->step_range = (uint64_t)(TYPE)((TYPE)most_step - (TYPE)least_step);                     \
    out->runs = changes + 1;                                                                    \
  }

WEIR_CLONES SURVEY(weir_survey_8, uint8_t, int8_t)
WEIR_CLONES SURVEY(weir_survey_16, uint16_t, int16_t)
WEIR_CLONES SURVEY(weir_survey_32, uint32_t, int32_t)
WEIR_CLONES SURVEY(weir_survey_64, uint64_t, int64_t)

#define LENGTHS(NAME, TYPE)                                                                     \
  void NAME(const TYPE *in, size_t count, uint64_t base, uint32_t *histogram) {                 \
    for (size_t i = 0; i < count; i++) {                                                        \
      uint64_t value = (TYPE)(in[i] - (TYPE)base);                                              \
      histogram[value == 0 ? 0 : 64 - __builtin_clzll(value)]++;                                \
    }                                                                                           \
  }

LENGTHS(weir_bit_lengths_8, uint8_t)
LENGTHS(weir_bit_lengths_16, uint16_t)
LENGTHS(weir_bit_lengths_32, uint32_t)
LENGTHS(weir_bit_lengths_64, uint64_t)

// ---- tiers ------------------------------------------------------------------------------------

#define TIERED(NAME, TYPE)                                                                      \
  int NAME(                                                                                     \
      const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,        \
      const uint8_t *widths, uint64_t base, size_t start, TYPE *out, size_t count) {            \
    uint64_t masks[4];                                                                          \
    for (int t = 0; t < 4; t++) masks[t] = mask_of(widths[t]);                                  \
    size_t index = start, end = start + count;                                                  \
    while (index < end) {                                                                       \
      size_t block = index / BLOCK;                                                             \
      uint32_t byte;                                                                            \
      memcpy(&byte, starts + block * 4, 4);                                                     \
      uint64_t bit = (uint64_t)byte * 8;                                                        \
      uint64_t limit = (uint64_t)(bits_size - 8) * 8;                                           \
      bit += tag_bits(tags, block * BLOCK, index, widths);                                      \
      size_t stop = (block + 1) * BLOCK < end ? (block + 1) * BLOCK : end;                      \
      if (bit + (uint64_t)(stop - index) * 57 <= limit) {                                       \
        while (index < stop && (index & 3) != 0) {                                              \
          uint32_t t = tag_of(tags, index);                                                     \
          *out++ = (TYPE)(((load64(bits + (bit >> 3)) >> (bit & 7)) & masks[t]) + base);        \
          bit += widths[t];                                                                     \
          index++;                                                                              \
        }                                                                                       \
        for (; index + 4 <= stop; index += 4, out += 4) {                                       \
          uint32_t four = tags[index >> 2];                                                     \
          uint32_t t0 = four & 3, t1 = (four >> 2) & 3, t2 = (four >> 4) & 3, t3 = four >> 6;   \
          uint64_t b1 = bit + widths[t0], b2 = b1 + widths[t1], b3 = b2 + widths[t2];           \
          out[0] = (TYPE)(((load64(bits + (bit >> 3)) >> (bit & 7)) & masks[t0]) + base);       \
          out[1] = (TYPE)(((load64(bits + (b1 >> 3)) >> (b1 & 7)) & masks[t1]) + base);         \
          out[2] = (TYPE)(((load64(bits + (b2 >> 3)) >> (b2 & 7)) & masks[t2]) + base);         \
          out[3] = (TYPE)(((load64(bits + (b3 >> 3)) >> (b3 & 7)) & masks[t3]) + base);         \
          bit = b3 + widths[t3];                                                                \
        }                                                                                       \
      }                                                                                         \
      for (; index < stop; index++) {                                                           \
        uint32_t t = tag_of(tags, index);                                                       \
        if (bit + widths[t] > limit) return -1;                                                 \
        *out++ = (TYPE)(((load64(bits + (bit >> 3)) >> (bit & 7)) & masks[t]) + base);          \
        bit += widths[t];                                                                       \
      }                                                                                         \
    }                                                                                           \
    return 0;                                                                                   \
  }

TIERED(weir_tiered_8, uint8_t)
TIERED(weir_tiered_16, uint16_t)
TIERED(weir_tiered_32_portable, uint32_t)
TIERED(weir_tiered_64, uint64_t)

int weir_tiered_32(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint32_t *out, size_t count) {
#ifdef WEIR_WIDE
  int most = 0;
  for (int t = 0; t < 4; t++) most = widths[t] > most ? widths[t] : most;
  if (count >= (most <= 14 ? 128 : 32) && most <= 28 && weir_has_deposit())
    return weir_tiered_deposit_32(
        tags, bits, bits_size, starts, widths, base, start, out, count);
#endif
  return weir_tiered_32_portable(
      tags, bits, bits_size, starts, widths, base, start, out, count);
}

#define PICK(NAME, TYPE)                                                                        \
  void NAME(                                                                                    \
      const uint8_t *in, size_t in_size, int width, uint64_t base, const uint32_t *rows,        \
      TYPE *out, size_t count) {                                                                \
    for (size_t i = 0; i < count; i++)                                                          \
      out[i] = (TYPE)(unpack_one(in, in_size, width, rows[i]) + base);                          \
  }

PICK(weir_pick_8, uint8_t)
PICK(weir_pick_16, uint16_t)
PICK(weir_pick_32, uint32_t)
PICK(weir_pick_64, uint64_t)

// ---- floats -----------------------------------------------------------------------------------

WEIR_CLONES
void weir_quotients_f32(const int32_t *in, double divisor, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = (float)((double)in[i] / divisor);
}

void weir_quotients_f64(const int64_t *in, double divisor, double *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = (double)in[i] / divisor;
}

WEIR_CLONES
void weir_join_high_32(const uint16_t *high, int shift, uint32_t *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] |= (uint32_t)high[i] << shift;
}

WEIR_CLONES
void weir_join_high_64(const uint16_t *high, int shift, uint64_t *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] |= (uint64_t)high[i] << shift;
}

void weir_gather_8(
    const uint8_t *dictionary, const uint32_t *indices, uint8_t *out, size_t count) {
#pragma clang loop unroll_count(8)
  for (size_t i = 0; i < count; i++) out[i] = dictionary[indices[i]];
}

void weir_gather_16(
    const uint16_t *dictionary, size_t size, const uint32_t *indices, uint16_t *out, size_t count) {
#ifdef WEIR_WIDE
  if (size <= 64 && weir_has_wide()) {
    size_t done = weir_gather_wide_16(dictionary, size, indices, out, count);
    indices += done;
    out += done;
    count -= done;
  }
#else
  (void)size;
#endif
#pragma clang loop unroll_count(8)
  for (size_t i = 0; i < count; i++) out[i] = dictionary[indices[i]];
}

void weir_gather_widen(
    const uint32_t *dictionary, const uint32_t *indices, uint64_t *out, size_t count) {
#pragma clang loop unroll_count(8)
  for (size_t i = 0; i < count; i++) out[i] = dictionary[indices[i]];
}

// ---- lists ------------------------------------------------------------------------------------

WEIR_CLONES
uint64_t weir_sum_u32(const uint32_t *values, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += values[i];
  return sum;
}

void weir_offsets_32(const uint32_t *lengths, int32_t first, int32_t *out, size_t count) {
  int32_t next = first;
  for (size_t i = 0; i < count; i++) {
    next += (int32_t)lengths[i];
    out[i] = next;
  }
}

void weir_offsets_64(const uint32_t *lengths, int64_t first, int64_t *out, size_t count) {
  int64_t next = first;
  for (size_t i = 0; i < count; i++) {
    next += lengths[i];
    out[i] = next;
  }
}

int64_t weir_first_outside(
    const uint32_t *starts, const uint32_t *lengths, uint64_t limit, size_t count) {
  uint64_t bad = 0;
  for (size_t i = 0; i < count; i++) bad |= (uint64_t)starts[i] + lengths[i] > limit;
  if (!bad) return -1;
  for (size_t i = 0; i < count; i++) {
    if ((uint64_t)starts[i] + lengths[i] > limit) return (int64_t)i;
  }
  return -1;
}

// Windows are anywhere in the pool: those that come soon are fetched from memory meanwhile.
static inline void prefetch_window(
    const struct weir_pool_page *pages, int shift, uint32_t start, uint32_t length) {
  const struct weir_pool_page *page = &pages[start >> shift];
  if (page->bits == NULL) return;
  uint64_t first = start & ((1U << shift) - 1), width = (uint64_t)page->width;
  uint64_t byte = first * width / 8, end = (first + length) * width / 8;
  if (end > page->size) end = page->size;
  for (int lines = 0; byte < end && lines < 8; byte += 64, lines++)
    __builtin_prefetch(page->bits + byte);
}

size_t weir_windows(
    const struct weir_pool_page *pages, int shift, int value_width, const uint32_t *starts,
    const uint32_t *lengths, size_t count, void *out) {
  enum { AHEAD = 6 };
  uint8_t *target = out;
  for (size_t i = 0; i < count; i++) {
    size_t length = lengths[i];
    if (length == 0) continue;
    if (i + AHEAD < count && lengths[i + AHEAD] > 0)
      prefetch_window(pages, shift, starts[i + AHEAD], lengths[i + AHEAD]);
    const struct weir_pool_page *page = &pages[starts[i] >> shift];
    size_t first = starts[i] & ((1U << shift) - 1);
    if (page->bits == NULL || page->value_width != value_width) return i;
    if (first + length > (size_t)1 << shift) return i;
    if (value_width == 8)
      weir_unpack_add_64(
          page->bits, page->size, page->width, page->base, first, (uint64_t *)target, length);
    else
      weir_unpack_add_32(
          page->bits, page->size, page->width, page->base, first, (uint32_t *)target, length);
    target += length * (size_t)value_width;
  }
  return count;
}
