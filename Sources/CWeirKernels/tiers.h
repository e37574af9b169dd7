// SPDX-License-Identifier: Apache-2.0
// Where values of tiers lie; not part of the module.
#ifndef WEIR_TIERS_H
#define WEIR_TIERS_H

#include "bits.h"

enum { BLOCK = 256 };

static inline uint32_t tag_of(const uint8_t *tags, size_t index) {
  return (tags[index >> 2] >> ((index & 3) * 2)) & 3;
}

// Bits of the values `first ..< last`, both within a block that `first` begins: how often each tag
// occurs, counted 32 tags at a time.
static inline uint64_t tag_bits(
    const uint8_t *tags, size_t first, size_t last, const uint8_t *widths) {
  const uint64_t low = 0x5555555555555555ULL;
  uint64_t ones = 0, twos = 0, threes = 0;
  size_t i = first;
  for (; i + 32 <= last; i += 32) {
    uint64_t word = load64(tags + (i >> 2));
    uint64_t a = word & low, b = (word >> 1) & low;
    threes += (uint64_t)__builtin_popcountll(a & b);
    ones += (uint64_t)__builtin_popcountll(a & ~b);
    twos += (uint64_t)__builtin_popcountll(b & ~a);
  }
  uint64_t zeros = i - first - ones - twos - threes;
  uint64_t bits = zeros * widths[0] + ones * widths[1] + twos * widths[2] + threes * widths[3];
  for (; i < last; i++) bits += widths[tag_of(tags, i)];
  return bits;
}

#endif
