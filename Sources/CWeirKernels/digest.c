// SPDX-License-Identifier: Apache-2.0
#include "weir_digest.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static uint32_t rotate_right(uint32_t x, int n) { return x >> n | x << (32 - n); }
static uint32_t rotate_left(uint32_t x, int n) { return x << n | x >> (32 - n); }

static uint32_t load_big(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static uint32_t load_little(const uint8_t *p) {
  return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

// -------------------------------------------------------------------------------------- SHA-256

static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_blocks_plain(uint32_t state[8], const uint8_t *bytes, size_t count) {
  uint32_t w[64];
  for (; count > 0; count--, bytes += 64) {
    for (int i = 0; i < 16; i++) w[i] = load_big(bytes + 4 * i);
    for (int i = 16; i < 64; i++) {
      uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
      uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
      uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + sha_constants[i] + w[i];
      uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
      uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

#if defined(__x86_64__)
// Four rounds an instruction pair; the state is kept as (A B E F) and (C D G H), as they want it.
__attribute__((target("sha,sse4.1,ssse3"))) static void sha256_blocks_sha(
    uint32_t state[8], const uint8_t *bytes, size_t count) {
  const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
  __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(low, high, 8);
  __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);
  for (; count > 0; count--, bytes += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 16; i++) {
      __m128i now;
      if (i < 4) {
        now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * i)), order);
      } else {
        const __m128i last = w[(i + 3) & 3], before = w[(i + 2) & 3];
        now = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
        now = _mm_add_epi32(now, _mm_alignr_epi8(last, before, 4));
        now = _mm_sha256msg2_epu32(now, last);
      }
      w[i & 3] = now;
      __m128i k = _mm_add_epi32(now, _mm_loadu_si128((const __m128i *)(sha_constants + 4 * i)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static int has_sha_instructions(void) {
  static int known;  // 0: not asked yet, 1: no, 2: yes. Threads that race write the same.
  int value = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (value == 0) {
    unsigned a, b, c, d;
    value = 1;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __get_cpuid(1, &a, &b, &c, &d)
        && (c >> 19 & 1) && (c >> 9 & 1)) {
      value = 2;
    }
    __atomic_store_n(&known, value, __ATOMIC_RELAXED);
  }
  return value == 2;
}
#endif

static void sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t count) {
#if defined(__x86_64__)
  if (has_sha_instructions()) {
    sha256_blocks_sha(state, bytes, count);
    return;
  }
#endif
  sha256_blocks_plain(state, bytes, count);
}

void weir_sha256_begin(weir_sha256 *digest) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(digest->state, start, sizeof start);
  digest->byte_count = 0;
}

void weir_sha256_add(weir_sha256 *digest, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  if (count == 0) return;
  size_t filled = digest->byte_count & 63;
  digest->byte_count += count;
  if (filled > 0) {
    size_t some = 64 - filled < count ? 64 - filled : count;
    memcpy(digest->block + filled, next, some);
    next += some;
    count -= some;
    if (filled + some < 64) return;
    sha256_blocks(digest->state, digest->block, 1);
  }
  sha256_blocks(digest->state, next, count / 64);
  memcpy(digest->block, next + (count & ~(size_t)63), count & 63);
}

void weir_sha256_end(weir_sha256 *digest, uint8_t result[32]) {
  uint64_t bit_count = digest->byte_count * 8;
  size_t filled = digest->byte_count & 63;
  digest->block[filled++] = 0x80;
  if (filled > 56) {
    memset(digest->block + filled, 0, 64 - filled);
    sha256_blocks(digest->state, digest->block, 1);
    filled = 0;
  }
  memset(digest->block + filled, 0, 56 - filled);
  for (int i = 0; i < 8; i++) digest->block[56 + i] = (uint8_t)(bit_count >> (56 - 8 * i));
  sha256_blocks(digest->state, digest->block, 1);
  for (int i = 0; i < 32; i++) result[i] = (uint8_t)(digest->state[i / 4] >> (24 - 8 * (i % 4)));
}

// ------------------------------------------------------------------------------------------ MD5

// floor(2^32 * |sin(i + 1)|)
static const uint32_t md5_constants[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static void md5_blocks(uint32_t state[4], const uint8_t *bytes, size_t count) {
  static const int shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  for (; count > 0; count--, bytes += 64) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (int i = 0; i < 64; i++) {
      uint32_t f;
      int word;
      if (i < 16) {
        f = (b & c) | (~b & d);
        word = i;
      } else if (i < 32) {
        f = (d & b) | (~d & c);
        word = (5 * i + 1) & 15;
      } else if (i < 48) {
        f = b ^ c ^ d;
        word = (3 * i + 5) & 15;
      } else {
        f = c ^ (b | ~d);
        word = (7 * i) & 15;
      }
      uint32_t sum = a + f + md5_constants[i] + load_little(bytes + 4 * word);
      a = d;
      d = c;
      c = b;
      b += rotate_left(sum, shifts[i / 16][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
  }
}

void weir_md5_begin(weir_md5 *digest) {
  static const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  memcpy(digest->state, start, sizeof start);
  digest->byte_count = 0;
}

void weir_md5_add(weir_md5 *digest, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  if (count == 0) return;
  size_t filled = digest->byte_count & 63;
  digest->byte_count += count;
  if (filled > 0) {
    size_t some = 64 - filled < count ? 64 - filled : count;
    memcpy(digest->block + filled, next, some);
    next += some;
    count -= some;
    if (filled + some < 64) return;
    md5_blocks(digest->state, digest->block, 1);
  }
  md5_blocks(digest->state, next, count / 64);
  memcpy(digest->block, next + (count & ~(size_t)63), count & 63);
}

void weir_md5_end(weir_md5 *digest, uint8_t result[16]) {
  uint64_t bit_count = digest->byte_count * 8;
  size_t filled = digest->byte_count & 63;
  digest->block[filled++] = 0x80;
  if (filled > 56) {
    memset(digest->block + filled, 0, 64 - filled);
    md5_blocks(digest->state, digest->block, 1);
    filled = 0;
  }
  memset(digest->block + filled, 0, 56 - filled);
  for (int i = 0; i < 8; i++) digest->block[56 + i] = (uint8_t)(bit_count >> (8 * i));
  md5_blocks(digest->state, digest->block, 1);
  for (int i = 0; i < 16; i++) result[i] = (uint8_t)(digest->state[i / 4] >> (8 * (i % 4)));
}
