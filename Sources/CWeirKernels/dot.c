// SPDX-License-Identifier: Apache-2.0
// Dot products of one vector with many: exact ones, taken in the order of the elements by whatever
// instructions, the same bit for bit on every processor; and bounds of them by 8-bit codes.
#include "weir_kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define WEIR_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define WEIR_CLONES
#endif

#pragma STDC FP_CONTRACT OFF

void weir_dot_rows_f32(
    const float *rows, size_t dimension, const uint32_t *indices, size_t count, const float *query,
    float *scores) {
  size_t i = 0;
  // Four at a time: each sum waits for its last addition.
  for (; i + 4 <= count; i += 4) {
    const float *a = rows + indices[i] * dimension, *b = rows + indices[i + 1] * dimension;
    const float *c = rows + indices[i + 2] * dimension, *d = rows + indices[i + 3] * dimension;
    float sums[4] = {0, 0, 0, 0};
    for (size_t element = 0; element < dimension; element++) {
      float weight = query[element];
      sums[0] += a[element] * weight;
      sums[1] += b[element] * weight;
      sums[2] += c[element] * weight;
      sums[3] += d[element] * weight;
    }
    memcpy(scores + i, sums, sizeof sums);
  }
  for (; i < count; i++) {
    const float *row = rows + indices[i] * dimension;
    float sum = 0;
    for (size_t element = 0; element < dimension; element++) sum += row[element] * query[element];
    scores[i] = sum;
  }
}

#if defined(__x86_64__)
// Eight vectors in a register: a pair of elements of each is one 32-bit sum of two products.
__attribute__((target("avx2"))) static void dot_tiles_avx2(
    const int8_t *tiles, size_t tile_count, const int16_t *query, size_t pair_count, int32_t *sums) {
  for (size_t tile = 0; tile < tile_count; tile++) {
    __m256i sum[8];
    for (int part = 0; part < 8; part++) sum[part] = _mm256_setzero_si256();
    for (size_t pair = 0; pair < pair_count; pair++) {
      int32_t weights;
      memcpy(&weights, query + 2 * pair, 4);
      __m256i weight = _mm256_set1_epi32(weights);
      for (int part = 0; part < 8; part++) {
        __m256i codes = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(tiles + part * 16)));
        sum[part] = _mm256_add_epi32(sum[part], _mm256_madd_epi16(codes, weight));
      }
      tiles += 128;
    }
    for (int part = 0; part < 8; part++)
      _mm256_storeu_si256((__m256i *)(sums + part * 8), sum[part]);
    sums += 64;
  }
}
#endif

void weir_dot_tiles_i8(
    const int8_t *tiles, size_t tile_count, const int16_t *query, size_t pair_count, int32_t *sums) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2"))
    return dot_tiles_avx2(tiles, tile_count, query, pair_count, sums);
#endif
  for (size_t tile = 0; tile < tile_count; tile++, sums += 64) {
    memset(sums, 0, 64 * sizeof *sums);
    for (size_t pair = 0; pair < pair_count; pair++, tiles += 128) {
      int32_t first = query[2 * pair], second = query[2 * pair + 1];
      for (int v = 0; v < 64; v++) sums[v] += tiles[2 * v] * first + tiles[2 * v + 1] * second;
    }
  }
}

WEIR_CLONES
void weir_dot_bounds(
    const int32_t *sums, const float *scales, const float *errors, size_t count,
    const weir_bounds *query, float *lower, float *upper) {
  float scale = query->scale, error = query->error, constant = query->constant;
  float base = query->base, slack = query->slack;
  for (size_t i = 0; i < count; i++) {
    float sum = (float)sums[i], width = errors[i] * error + constant, unit = scales[i] * scale;
    lower[i] = base + unit * (sum - width) - slack;
    upper[i] = base + unit * (sum + width) + slack;
  }
}

WEIR_CLONES
size_t weir_select_at_least_f32(
    const float *values, size_t count, float least, uint32_t *indices) {
  size_t found = 0;
  for (size_t i = 0; i < count; i += 64) {
    size_t end = count - i < 64 ? count : i + 64;
    int any = 0;
    for (size_t j = i; j < end; j++) any |= values[j] >= least;
    if (!any) continue;
    for (size_t j = i; j < end; j++) {
      indices[found] = (uint32_t)j;
      found += values[j] >= least;
    }
  }
  return found;
}
