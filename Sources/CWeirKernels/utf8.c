// SPDX-License-Identifier: Apache-2.0
// UTF-8 by table look-ups, 32 bytes at a time. Source: Keiser and Lemire, "Validating UTF-8 In Less
// Than One Instruction Per Byte", Software: Practice and Experience 51, 2021.
#include "weir_kernels.h"

#include <string.h>

static int scalar_is_utf8(const uint8_t *p, size_t count) {
  size_t i = 0;
  while (i < count) {
    uint8_t first = p[i];
    if (first < 0x80) {
      i++;
      continue;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || count - i < length) return 0;
    for (size_t k = 1; k < length; k++) {
      if ((p[i + k] & 0xc0) != 0x80) return 0;
    }
    // Overlong forms, surrogates, and beyond U+10FFFF.
    uint8_t second = p[i + 1];
    if (first == 0xe0 && second < 0xa0) return 0;
    if (first == 0xed && second > 0x9f) return 0;
    if (first == 0xf0 && second < 0x90) return 0;
    if (first == 0xf4 && second > 0x8f) return 0;
    i += length;
  }
  return 1;
}

#if defined(__x86_64__)
#include <immintrin.h>

// What two neighbouring bytes may have wrong; an error is where all three tables agree.
enum {
  TOO_SHORT = 1 << 0,
  TOO_LONG = 1 << 1,
  OVERLONG_3 = 1 << 2,
  TOO_LARGE = 1 << 3,
  SURROGATE = 1 << 4,
  OVERLONG_2 = 1 << 5,
  TOO_LARGE_1000 = 1 << 6,
  OVERLONG_4 = 1 << 6,
  TWO_CONTINUATIONS = 1 << 7,
  CARRY = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS,
};

#define LARGE (CARRY | TOO_LARGE | TOO_LARGE_1000)
#define CONTINUES (TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS)

static const uint8_t first_high[16] = {
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
    TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS,
    TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};
static const uint8_t first_low[16] = {
    CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, CARRY | OVERLONG_2, CARRY, CARRY,
    CARRY | TOO_LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE,
    LARGE | SURROGATE, LARGE, LARGE};
static const uint8_t second_high[16] = {
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    CONTINUES | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4, CONTINUES | OVERLONG_3 | TOO_LARGE,
    CONTINUES | SURROGATE | TOO_LARGE, CONTINUES | SURROGATE | TOO_LARGE,
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT};

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i table(const uint8_t *entries) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)entries));
}

// The bytes that lie `n` before those of `now`.
#define BEFORE(n) _mm256_alignr_epi8(now, _mm256_permute2x128_si256(last, now, 0x21), 16 - (n))

// The errors of one block, which follows `last`.
AVX2 static inline __m256i errors(__m256i now, __m256i last) {
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  __m256i one = BEFORE(1);
  __m256i high = _mm256_and_si256(_mm256_srli_epi16(one, 4), nibble);
  __m256i special = _mm256_and_si256(
      _mm256_and_si256(
          _mm256_shuffle_epi8(table(first_high), high),
          _mm256_shuffle_epi8(table(first_low), _mm256_and_si256(one, nibble))),
      _mm256_shuffle_epi8(
          table(second_high), _mm256_and_si256(_mm256_srli_epi16(now, 4), nibble)));
  // The third and fourth bytes must be continuations, and only they may follow one.
  __m256i third = _mm256_subs_epu8(BEFORE(2), _mm256_set1_epi8((char)(0xe0 - 0x80)));
  __m256i fourth = _mm256_subs_epu8(BEFORE(3), _mm256_set1_epi8((char)(0xf0 - 0x80)));
  __m256i must = _mm256_and_si256(
      _mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
  return _mm256_xor_si256(must, special);
}

AVX2 static int avx2_is_utf8(const uint8_t *p, size_t count) {
  __m256i bad = _mm256_setzero_si256();
  __m256i last = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i now = _mm256_loadu_si256((const __m256i *)(p + i));
    bad = _mm256_or_si256(bad, errors(now, last));
    last = now;
  }
  // The rest, filled up with zeros, of which at least one shows a character that is cut off.
  uint8_t tail[32] = {0};
  if (count > i) memcpy(tail, p + i, count - i);
  __m256i now = _mm256_loadu_si256((const __m256i *)tail);
  bad = _mm256_or_si256(bad, errors(now, last));
  return _mm256_testz_si256(bad, bad);
}
#endif

int weir_is_utf8(const uint8_t *in, size_t count) {
#if defined(__x86_64__)
  if (count >= 64 && __builtin_cpu_supports("avx2")) return avx2_is_utf8(in, count);
#endif
  return scalar_is_utf8(in, count);
}
