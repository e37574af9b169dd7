// SPDX-License-Identifier: Apache-2.0
#include "weir_kernels.h"

#include <string.h>

// Portable form: eight tables, eight bytes a step ("slicing by 8").
static uint32_t tables[8][256];

__attribute__((constructor)) static void make_tables(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
    tables[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; i++) {
    for (int t = 1; t < 8; t++) {
      tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    }
  }
}

static uint32_t crc32c_portable(uint32_t c, const uint8_t *p, size_t n) {
  while (n >= 8) {
    uint32_t a, b;
    memcpy(&a, p, 4);
    memcpy(&b, p + 4, 4);
    a ^= c;
    c = tables[7][a & 0xff] ^ tables[6][(a >> 8) & 0xff] ^ tables[5][(a >> 16) & 0xff] ^
        tables[4][a >> 24] ^ tables[3][b & 0xff] ^ tables[2][(b >> 8) & 0xff] ^
        tables[1][(b >> 16) & 0xff] ^ tables[0][b >> 24];
    p += 8;
    n -= 8;
  }
  while (n--) c = (c >> 8) ^ tables[0][(c ^ *p++) & 0xff];
  return c;
}

#if defined(__x86_64__)
#include <immintrin.h>

// x^power modulo the polynomial, bit-reflected and a place higher, as multiplication without carry of
// reflected numbers wants it.
static uint64_t reflected_power(int power) {
  uint32_t value = 1;
  for (; power > 0; power--) value = value << 1 ^ (value >> 31 ? 0x1edc6f41u : 0);
  uint64_t reflected = 0;
  for (int i = 0; i < 32; i++) reflected |= (uint64_t)(value >> i & 1) << (31 - i);
  return reflected << 1;
}

// Multipliers that move 16 bytes ahead by 16, 64 and 256 bytes, for their first and last 8.
static uint64_t ahead[3][2];

__attribute__((constructor)) static void make_multipliers(void) {
  const int bytes[3] = {16, 64, 256};
  for (int i = 0; i < 3; i++) {
    ahead[i][0] = reflected_power(bytes[i] * 8 + 32);
    ahead[i][1] = reflected_power(bytes[i] * 8 - 32);
  }
}

// The processor's own instruction: eight bytes in three cycles.
__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(
    uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t c = crc;
  while (n >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
    p += 8;
    n -= 8;
  }
  uint32_t r = (uint32_t)c;
  while (n--) r = _mm_crc32_u8(r, *p++);
  return r;
}

#define FOLDING __attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2")))

FOLDING static inline __m512i folded(__m512i x, __m512i by, __m512i next) {
  return _mm512_ternarylogic_epi64(
      _mm512_clmulepi64_epi128(x, by, 0x00), _mm512_clmulepi64_epi128(x, by, 0x11), next, 0x96);
}

// Folds 256 bytes a step (Gopal and others: Fast CRC computation using PCLMULQDQ, 2009); `n` is at least
// 256. The instruction reduces the last 16 bytes.
FOLDING static uint32_t crc32c_folding(uint32_t crc, const uint8_t *p, size_t n) {
  __m512i by[2], x[4];
  for (int i = 0; i < 2; i++)
    by[i] = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)ahead[i + 1]));
  for (int i = 0; i < 4; i++) x[i] = _mm512_loadu_si512(p + i * 64);
  x[0] = _mm512_xor_si512(x[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
  for (p += 256, n -= 256; n >= 256; p += 256, n -= 256) {
    for (int i = 0; i < 4; i++) x[i] = folded(x[i], by[1], _mm512_loadu_si512(p + i * 64));
  }
  for (int i = 1; i < 4; i++) x[0] = folded(x[0], by[0], x[i]);
  for (; n >= 64; p += 64, n -= 64) x[0] = folded(x[0], by[0], _mm512_loadu_si512(p));
  __m128i parts[4], one = _mm_loadu_si128((const __m128i *)ahead[0]);
  _mm512_storeu_si512(parts, x[0]);
  for (int i = 1; i < 4; i++) {
    __m128i low = _mm_clmulepi64_si128(parts[i - 1], one, 0x00);
    __m128i high = _mm_clmulepi64_si128(parts[i - 1], one, 0x11);
    parts[i] = _mm_xor_si128(parts[i], _mm_xor_si128(low, high));
  }
  return crc32c_instruction(crc32c_instruction(0, (const uint8_t *)&parts[3], 16), p, n);
}
#endif

uint32_t weir_crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
  return ~crc32c_portable(~crc, bytes, count);
}

uint32_t weir_crc32c(uint32_t crc, const void *bytes, size_t count) {
#if defined(__x86_64__)
  if (count >= 512 && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512vl"))
    return ~crc32c_folding(~crc, bytes, count);
  if (__builtin_cpu_supports("sse4.2")) return ~crc32c_instruction(~crc, bytes, count);
#endif
  return ~crc32c_portable(~crc, bytes, count);
}
