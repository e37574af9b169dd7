// SPDX-License-Identifier: Apache-2.0
#include "weir_kernels.h"

#include "bits.h"

#if defined(__x86_64__)
#include <emmintrin.h>

// Bit i is byte i == 0, of 64 bytes.
static inline uint64_t zero_mask(const uint8_t *p) {
  uint64_t mask = 0;
  for (int part = 0; part < 4; part++) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(p + part * 16));
    __m128i equal = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
    mask |= (uint64_t)(uint16_t)_mm_movemask_epi8(equal) << (part * 16);
  }
  return mask;
}

// Bit i is byte i >= value, of 64 bytes.
static inline uint64_t at_least_mask(const uint8_t *p, uint8_t value) {
  const __m128i least = _mm_set1_epi8((char)value);
  uint64_t mask = 0;
  for (int part = 0; part < 4; part++) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(p + part * 16));
    __m128i kept = _mm_cmpeq_epi8(_mm_max_epu8(bytes, least), bytes);
    mask |= (uint64_t)(uint16_t)_mm_movemask_epi8(kept) << (part * 16);
  }
  return mask;
}
#else

static inline uint64_t zero_mask(const uint8_t *p) {
  uint64_t mask = 0;
  for (int i = 0; i < 64; i++) mask |= (uint64_t)(p[i] == 0) << i;
  return mask;
}

static inline uint64_t at_least_mask(const uint8_t *p, uint8_t value) {
  uint64_t mask = 0;
  for (int i = 0; i < 64; i++) mask |= (uint64_t)(p[i] >= value) << i;
  return mask;
}
#endif

WEIR_CLONES
size_t weir_pack_at_least_u8(const uint8_t *in, uint8_t value, uint8_t *out, size_t count) {
  size_t ones = 0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    uint64_t mask = at_least_mask(in + i, value);
    ones += (size_t)__builtin_popcountll(mask);
    memcpy(out + i / 8, &mask, 8);
  }
  for (; i < count; i += 8) {
    uint8_t bits = 0;
    for (size_t b = 0; b < 8 && i + b < count; b++) {
      uint8_t bit = in[i + b] >= value;
      ones += bit;
      bits |= (uint8_t)(bit << b);
    }
    out[i / 8] = bits;
  }
  return ones;
}

WEIR_CLONES
size_t weir_list_starts(
    const uint8_t *repetition, const uint8_t *definition, uint8_t item_level, size_t count,
    int64_t *starts, int64_t *items) {
  size_t written = 0;
  int64_t seen = *items;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    uint64_t begins = zero_mask(repetition + i);
    uint64_t present = definition ? at_least_mask(definition + i, item_level) : ~0ULL;
    while (begins) {
      uint64_t lowest = begins & (0 - begins);
      starts[written++] = seen + __builtin_popcountll(present & (lowest - 1));
      begins ^= lowest;
    }
    seen += __builtin_popcountll(present);
  }
  for (; i < count; i++) {
    if (repetition[i] == 0) starts[written++] = seen;
    seen += !definition || definition[i] >= item_level;
  }
  *items = seen;
  return written;
}
