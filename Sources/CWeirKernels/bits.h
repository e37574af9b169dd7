// SPDX-License-Identifier: Apache-2.0
// What kernels share that read packed bits or are compiled for several
// processors; not part of the module.
#ifndef WEIR_BITS_H
#define WEIR_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#define WEIR_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define WEIR_CLONES
#endif

static inline uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

static inline uint64_t mask_of(int width) { return width == 0 ? 0 : ~0ULL >> (64 - width); }

// Value `index`, without reading past the end.
static inline uint64_t unpack_one(const uint8_t *in, size_t in_size, int width, size_t index) {
  if (width == 0) return 0;
  size_t bit = index * (size_t)width;
  size_t byte = bit >> 3;
  if (byte + 8 <= in_size && width <= 57)
    return (load64(in + byte) >> (bit & 7)) & (~0ULL >> (64 - width));
  uint8_t tail[16] = {0};
  size_t n = in_size - byte;
  if (n > 9) n = 9;
  memcpy(tail, in + byte, n);
  int shift = (int)(bit & 7);
  uint64_t value = load64(tail) >> shift;
  if (shift && width + shift > 64) value |= (uint64_t)tail[8] << (64 - shift);
  return value & mask_of(width);
}

#endif
