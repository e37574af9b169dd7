// SPDX-License-Identifier: Apache-2.0
// Dot products of one vector with many. Vectors stand in tiles of 64, element by element: a lane holds
// the sum of one vector, so that each sum is taken in the order of the elements, by whatever
// instructions, and is the same bit for bit on every processor.
#include "weir_kernels.h"

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__)
#define WEIR_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define WEIR_CLONES
#endif

typedef float lanes __attribute__((vector_size(64), aligned(4)));

WEIR_CLONES
void weir_dot_tiles_f32(
    const float *tiles, size_t tile_count, const float *query, size_t dimension, float *scores) {
  for (size_t tile = 0; tile < tile_count; tile++) {
    const float *in = tiles + tile * 64 * dimension;
    lanes a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t element = 0; element < dimension; element++) {
      const lanes *row = (const lanes *)(in + element * 64);
      float weight = query[element];
      a += row[0] * weight;
      b += row[1] * weight;
      c += row[2] * weight;
      d += row[3] * weight;
    }
    lanes *out = (lanes *)(scores + tile * 64);
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
  }
}

size_t weir_select_at_least_f32(
    const float *values, size_t count, float least, uint32_t *indices) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    indices[found] = (uint32_t)i;
    found += values[i] >= least;
  }
  return found;
}
