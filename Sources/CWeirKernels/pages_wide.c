// SPDX-License-Identifier: Apache-2.0
// Unpacking with AVX-512 VBMI or AVX2, and tiers with BMI2; portable forms in pages.c.
#include "weir_pages.h"

#include "pages_wide.h"

#ifdef WEIR_WIDE
#include <immintrin.h>

#include "bits.h"
#include "tiers.h"

#define WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi2")))

// A step reads 64 bytes: those past the end are not touched.
WIDE static inline __m512i load_step(const uint8_t *p, const uint8_t *end) {
  size_t left = (size_t)(end - p);
  if (left >= 64) return _mm512_loadu_si512(p);
  return _mm512_maskz_loadu_epi8(_bzhi_u64(~0ULL, (unsigned)left), p);
}

// Eight values a step: each lane takes the eight bytes that hold its value, shifted. A step is 8 * width
// bits and thus whole bytes: which bytes a lane takes, and the shifts, are the same for all steps.
WIDE static inline __attribute__((always_inline)) void unpack_eights(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, void *out,
    size_t count, int bytes_out) {
  uint64_t first = start * (uint64_t)width;
  const uint8_t *p = in + (first >> 3), *end = in + in_size;
  uint8_t *target = out;
  __m512i lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  __m512i at = _mm512_add_epi64(
      _mm512_mul_epu32(lanes, _mm512_set1_epi64(width)), _mm512_set1_epi64(first & 7));
  __m512i shifts = _mm512_and_si512(at, _mm512_set1_epi64(7));
  __m512i spread = _mm512_mullo_epi32(
      _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0),
      _mm512_set1_epi32(0x08080808));
  __m512i bytes = _mm512_add_epi8(
      _mm512_permutexvar_epi8(spread, _mm512_srli_epi64(at, 3)),
      _mm512_set1_epi64(0x0706050403020100));
  __m512i mask = _mm512_set1_epi64((long long)(~0ULL >> (64 - width)));
  __m512i bases = _mm512_set1_epi64((long long)base);
  for (; count > 0; p += width, target += 8 * bytes_out) {
    __m512i step = _mm512_permutexvar_epi8(bytes, load_step(p, end));
    step = _mm512_and_si512(_mm512_srlv_epi64(step, shifts), mask);
    step = _mm512_add_epi64(step, bases);
    if (count < 8) {
      __mmask8 some = (__mmask8)((1u << count) - 1);
      if (bytes_out == 8) _mm512_mask_storeu_epi64(target, some, step);
      else _mm256_mask_storeu_epi32(target, some, _mm512_cvtepi64_epi32(step));
      return;
    }
    if (bytes_out == 8) _mm512_storeu_si512(target, step);
    else _mm256_storeu_si256((__m256i *)target, _mm512_cvtepi64_epi32(step));
    count -= 8;
  }
}

WIDE void weir_unpack_wide_64(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count) {
  unpack_eights(in, in_size, width, base, start, out, count, 8);
}

// Sixteen values a step of 2 * width bytes, or eight where a value and its shift pass 32 bits.
WIDE void weir_unpack_wide_32(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count) {
  uint64_t first = start * (uint64_t)width;
  const uint8_t *p = in + (first >> 3), *end = in + in_size;
  if (width > 25) {
    unpack_eights(in, in_size, width, base, start, out, count, 4);
    return;
  }
  __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i at = _mm512_add_epi32(
      _mm512_mullo_epi32(lanes, _mm512_set1_epi32(width)), _mm512_set1_epi32((int)(first & 7)));
  __m512i shifts = _mm512_and_si512(at, _mm512_set1_epi32(7));
  __m512i spread = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(0x04040404));
  __m512i bytes = _mm512_add_epi8(
      _mm512_permutexvar_epi8(spread, _mm512_srli_epi32(at, 3)), _mm512_set1_epi32(0x03020100));
  __m512i mask = _mm512_set1_epi32((int)(~0U >> (32 - width)));
  __m512i bases = _mm512_set1_epi32((int)base);
  for (; count > 0; p += 2 * width) {
    __m512i step = _mm512_permutexvar_epi8(bytes, load_step(p, end));
    step = _mm512_and_si512(_mm512_srlv_epi32(step, shifts), mask);
    step = _mm512_add_epi32(step, bases);
    if (count < 16) {
      _mm512_mask_storeu_epi32(out, (__mmask16)((1u << count) - 1), step);
      return;
    }
    _mm512_storeu_si512(out, step);
    out += 16;
    count -= 16;
  }
}

// ---- AVX2 ---------------------------------------------------------------------------------------

#define NARROW __attribute__((target("avx2")))

// Sixteen bytes from each of two places.
NARROW static inline __m256i load_two(const uint8_t *low, const uint8_t *high) {
  __m256i both = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low));
  return _mm256_inserti128_si256(both, _mm_loadu_si128((const __m128i *)high), 1);
}

// Eight values are `width` whole bytes, so that each step takes the same bytes to the same lanes, shifted
// alike: two values of 64-bit lanes from each of four places, or four of 32-bit lanes from each of two.
struct places_64 {
  size_t from[4];
  __m256i bytes[2], shifts[2];
};

NARROW static inline __attribute__((always_inline)) struct places_64 places_64(
    int width, uint64_t first) {
  struct places_64 of;
  for (int pair = 0; pair < 4; pair++)
    of.from[pair] = (size_t)((first + (uint64_t)(2 * pair * width)) >> 3);
  __m256i every = _mm256_set_epi64x(
      0x0808080808080808, 0, 0x0808080808080808, 0);
  for (int half = 0; half < 2; half++) {
    __m256i lanes = _mm256_set_epi64x(4 * half + 3, 4 * half + 2, 4 * half + 1, 4 * half);
    __m256i at = _mm256_add_epi64(
        _mm256_mul_epu32(lanes, _mm256_set1_epi64x(width)), _mm256_set1_epi64x((long long)first));
    __m256i byte = _mm256_srli_epi64(at, 3);
    __m256i within = _mm256_sub_epi64(byte, _mm256_unpacklo_epi64(byte, byte));
    of.shifts[half] = _mm256_and_si256(at, _mm256_set1_epi64x(7));
    of.bytes[half] = _mm256_add_epi8(
        _mm256_shuffle_epi8(within, every), _mm256_set1_epi64x(0x0706050403020100));
  }
  return of;
}

NARROW static size_t unpack_narrow_64(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, void *out,
    size_t count, int bytes_out) {
  uint64_t bit = start * (uint64_t)width;
  const uint8_t *p = in + (bit >> 3), *end = in + in_size;
  struct places_64 of = places_64(width, bit & 7);
  __m256i mask = _mm256_set1_epi64x((long long)(~0ULL >> (64 - width)));
  __m256i bases = _mm256_set1_epi64x((long long)base);
  __m256i evens = _mm256_set_epi32(0, 0, 0, 0, 6, 4, 2, 0);
  uint8_t *target = out;
  size_t done = 0;
  for (; done + 8 <= count && (size_t)(end - p) >= of.from[3] + 16; done += 8, p += width) {
    for (int half = 0; half < 2; half++) {
      __m256i step = load_two(p + of.from[2 * half], p + of.from[2 * half + 1]);
      step = _mm256_srlv_epi64(_mm256_shuffle_epi8(step, of.bytes[half]), of.shifts[half]);
      step = _mm256_add_epi64(_mm256_and_si256(step, mask), bases);
      if (bytes_out == 8) {
        _mm256_storeu_si256((__m256i *)target, step);
      } else {
        step = _mm256_permutevar8x32_epi32(step, evens);
        _mm_storeu_si128((__m128i *)target, _mm256_castsi256_si128(step));
      }
      target += 4 * bytes_out;
    }
  }
  return done;
}

// For widths of at most 25: a value and its shift are in four bytes.
NARROW static size_t unpack_narrow_32(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, void *out,
    size_t count, int bytes_out) {
  uint64_t bit = start * (uint64_t)width, first = bit & 7;
  const uint8_t *p = in + (bit >> 3), *end = in + in_size;
  size_t high = (size_t)((first + (uint64_t)(4 * width)) >> 3);
  __m256i at = _mm256_add_epi32(
      _mm256_mullo_epi32(_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), _mm256_set1_epi32(width)),
      _mm256_set1_epi32((int)first));
  __m256i byte = _mm256_srli_epi32(at, 3);
  __m256i within = _mm256_sub_epi32(
      byte, _mm256_set_epi32((int)high, (int)high, (int)high, (int)high, 0, 0, 0, 0));
  __m256i every = _mm256_set_epi32(
      0x0C0C0C0C, 0x08080808, 0x04040404, 0, 0x0C0C0C0C, 0x08080808, 0x04040404, 0);
  __m256i bytes = _mm256_add_epi8(
      _mm256_shuffle_epi8(within, every), _mm256_set1_epi32(0x03020100));
  __m256i shifts = _mm256_and_si256(at, _mm256_set1_epi32(7));
  __m256i mask = _mm256_set1_epi32((int)(~0U >> (32 - width)));
  __m256i bases = bytes_out == 8 ? _mm256_set1_epi64x((long long)base)
                                 : _mm256_set1_epi32((int)base);
  uint8_t *target = out;
  size_t done = 0;
  for (; done + 8 <= count && (size_t)(end - p) >= high + 16; done += 8, p += width) {
    __m256i step = _mm256_shuffle_epi8(load_two(p, p + high), bytes);
    step = _mm256_and_si256(_mm256_srlv_epi32(step, shifts), mask);
    if (bytes_out == 8) {
      __m256i low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(step));
      __m256i last = _mm256_cvtepu32_epi64(_mm256_extracti128_si256(step, 1));
      _mm256_storeu_si256((__m256i *)target, _mm256_add_epi64(low, bases));
      _mm256_storeu_si256((__m256i *)(target + 32), _mm256_add_epi64(last, bases));
    } else {
      _mm256_storeu_si256((__m256i *)target, _mm256_add_epi32(step, bases));
    }
    target += 8 * bytes_out;
  }
  return done;
}

NARROW int weir_unpack_add_64_avx2(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count) {
  if (width == 0 || width > 57 || !__builtin_cpu_supports("avx2")) return 0;
  size_t done = width <= 25 ? unpack_narrow_32(in, in_size, width, base, start, out, count, 8)
                            : unpack_narrow_64(in, in_size, width, base, start, out, count, 8);
  for (; done < count; done++) out[done] = unpack_one(in, in_size, width, start + done) + base;
  return 1;
}

NARROW int weir_unpack_add_32_avx2(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count) {
  if (width == 0 || !__builtin_cpu_supports("avx2")) return 0;
  size_t done = width <= 25 ? unpack_narrow_32(in, in_size, width, base, start, out, count, 4)
                            : unpack_narrow_64(in, in_size, width, base, start, out, count, 4);
  for (; done < count; done++)
    out[done] = (uint32_t)(unpack_one(in, in_size, width, start + done) + base);
  return 1;
}

// ---- gathers, tiers -----------------------------------------------------------------------------

// The dictionary lies in two registers.
WIDE size_t weir_gather_wide_16(
    const uint16_t *dictionary, size_t size, const uint32_t *indices, uint16_t *out, size_t count) {
  size_t second = size > 32 ? size - 32 : 0;
  __m512i low = _mm512_maskz_loadu_epi16(_bzhi_u32(~0U, size < 32 ? (unsigned)size : 32), dictionary);
  __m512i high = _mm512_maskz_loadu_epi16(
      _bzhi_u32(~0U, (unsigned)second), dictionary + (second ? 32 : 0));
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i first = _mm512_cvtepi32_epi16(_mm512_loadu_si512(indices + i));
    __m256i last = _mm512_cvtepi32_epi16(_mm512_loadu_si512(indices + i + 16));
    __m512i index = _mm512_inserti64x4(_mm512_castsi256_si512(first), last, 1);
    _mm512_storeu_si512(out + i, _mm512_permutex2var_epi16(low, index, high));
  }
  return i;
}

// What tags say, two at a time (16 entries) or four: the bits of their values, and which bits of a word
// they become when each goes to a lane of its own.
struct places {
  uint64_t lanes[256];
  uint8_t bits[256];
};

#define DEPOSIT __attribute__((target("bmi2,avx2")))

DEPOSIT static uint64_t deposit_fours(
    const struct places *of, const uint8_t *tags, const uint8_t *bits, uint64_t bit, __m128i bases,
    size_t count, uint32_t *out) {
  for (size_t i = 0; i < count; i++, out += 4) {
    uint64_t word = load64(bits + (bit >> 3)) >> (bit & 7);
    __m128i four = _mm_cvtsi64_si128((long long)_pdep_u64(word, of->lanes[tags[i]]));
    bit += of->bits[tags[i]];
    _mm_storeu_si128((__m128i *)out, _mm_add_epi32(_mm_cvtepu16_epi32(four), bases));
  }
  return bit;
}

DEPOSIT static uint64_t deposit_pairs(
    const struct places *of, const uint8_t *tags, const uint8_t *bits, uint64_t bit, __m128i bases,
    size_t count, uint32_t *out) {
  for (size_t i = 0; i < count; i++, out += 4) {
    uint32_t low = tags[i] & 15, high = tags[i] >> 4;
    uint64_t middle = bit + of->bits[low];
    uint64_t one = _pdep_u64(load64(bits + (bit >> 3)) >> (bit & 7), of->lanes[low]);
    uint64_t two = _pdep_u64(load64(bits + (middle >> 3)) >> (middle & 7), of->lanes[high]);
    bit = middle + of->bits[high];
    __m128i four = _mm_set_epi64x((long long)two, (long long)one);
    _mm_storeu_si128((__m128i *)out, _mm_add_epi32(four, bases));
  }
  return bit;
}

DEPOSIT static void make_places(struct places *of, const uint8_t *widths, int fours) {
  uint64_t pairs[16];
  uint8_t sums[16];
  for (int tags = 0; tags < 16; tags++) {
    int low = widths[tags & 3], high = widths[tags >> 2];
    sums[tags] = (uint8_t)(low + high);
    pairs[tags] = mask_of(low) | mask_of(high) << (fours ? 16 : 32);
  }
  for (int high = fours ? 15 : 0; high >= 0; high--) {
    for (int low = 0; low < 16; low++) {
      of->lanes[high * 16 + low] = pairs[low] | (fours ? pairs[high] << 32 : 0);
      of->bits[high * 16 + low] = (uint8_t)(sums[low] + (fours ? sums[high] : 0));
    }
  }
}

DEPOSIT int weir_tiered_deposit_32(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint32_t *out, size_t count) {
  uint64_t most = 0, limit = (uint64_t)(bits_size - 8) * 8;
  for (int t = 0; t < 4; t++) most = widths[t] > most ? widths[t] : most;
  int fours = most <= 14;  // four values have at most 56 bits, and each fits 16
  struct places places;
  make_places(&places, widths, fours);
  __m128i bases = _mm_set1_epi32((int)base);
  size_t index = start, end = start + count;
  while (index < end) {
    size_t block = index / BLOCK, stop = (block + 1) * BLOCK < end ? (block + 1) * BLOCK : end;
    uint32_t byte;
    memcpy(&byte, starts + block * 4, 4);
    uint64_t bit = (uint64_t)byte * 8 + tag_bits(tags, block * BLOCK, index, widths);
    while (index < stop) {
      if ((index & 3) == 0 && bit + (stop - index) * most <= limit) {
        size_t whole = (stop - index) / 4;
        const uint8_t *some = tags + (index >> 2);
        bit = fours ? deposit_fours(&places, some, bits, bit, bases, whole, out)
                    : deposit_pairs(&places, some, bits, bit, bases, whole, out);
        index += whole * 4;
        out += whole * 4;
        if (index == stop) break;
      }
      int width = widths[tag_of(tags, index)];
      if (bit + (uint64_t)width > limit) return -1;
      *out++ = (uint32_t)((load64(bits + (bit >> 3)) >> (bit & 7) & mask_of(width)) + base);
      bit += (uint64_t)width;
      index++;
    }
  }
  return 0;
}
#else
int weir_unpack_add_64_avx2(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count) {
  (void)in, (void)in_size, (void)width, (void)base, (void)start, (void)out, (void)count;
  return 0;
}

int weir_unpack_add_32_avx2(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count) {
  (void)in, (void)in_size, (void)width, (void)base, (void)start, (void)out, (void)count;
  return 0;
}
#endif
