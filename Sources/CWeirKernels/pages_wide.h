// SPDX-License-Identifier: Apache-2.0
// The kernels of pages.c for processors with wide registers; not part of the module.
#ifndef WEIR_PAGES_WIDE_H
#define WEIR_PAGES_WIDE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define WEIR_WIDE 1

// Whether this processor permutes bytes of 64-byte registers (AVX-512 VBMI).
static inline int weir_has_wide(void) {
  return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}

// Whether it deposits bits fast: BMI2, but for two families that do so by microcode.
static inline int weir_has_deposit(void) {
  return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx2") &&
         !__builtin_cpu_is("znver1") && !__builtin_cpu_is("znver2");
}

// As the functions without "wide", for widths 1...57 (64-bit values) or 1...32.
void weir_unpack_wide_64(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint64_t *out,
    size_t count);
void weir_unpack_wide_32(
    const uint8_t *in, size_t in_size, int width, uint64_t base, size_t start, uint32_t *out,
    size_t count);

// As weir_gather_16, for dictionaries of at most 64 values and multiples of 32 indices; returns how
// many.
size_t weir_gather_wide_16(
    const uint16_t *dictionary, size_t size, const uint32_t *indices, uint16_t *out, size_t count);

// As weir_tiered_32, for widths of at most 28.
int weir_tiered_deposit_32(
    const uint8_t *tags, const uint8_t *bits, size_t bits_size, const uint8_t *starts,
    const uint8_t *widths, uint64_t base, size_t start, uint32_t *out, size_t count);
#endif

#endif
