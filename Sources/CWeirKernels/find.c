// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "weir_digest.h"

#include <string.h>

size_t weir_count_bytes(
    const void *bytes, size_t count, const void *pattern, size_t pattern_count) {
  const char *next = bytes;
  const char *end = next + count;
  size_t found = 0;
  if (pattern_count == 0) return 0;
  while (next < end && (next = memmem(next, (size_t)(end - next), pattern, pattern_count))) {
    found++;
    next++;
  }
  return found;
}
