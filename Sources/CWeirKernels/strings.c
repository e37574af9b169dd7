// SPDX-License-Identifier: Apache-2.0
// Byte strings of Weir files: dictionaries read and made, rows spread over nulls.
#include "weir_strings.h"

#include <string.h>

#include "bits.h"

uint64_t weir_string_lengths(
    const uint32_t *offsets, const uint32_t *codes, uint32_t *lengths, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t length = offsets[codes[i] + 1] - offsets[codes[i]];
    lengths[i] = length;
    sum += length;
  }
  return sum;
}

// Most strings are short: 32 bytes are copied whatever the length, when both sides have them.
static inline void copy_string(uint8_t *out, const uint8_t *from, size_t length) {
  memcpy(out, from, 16);
  if (length > 16) {
    memcpy(out + 16, from + 16, 16);
    if (length > 32) memcpy(out + 32, from + 32, length - 32);
  }
}

void weir_gather_strings(
    const uint32_t *offsets, const uint8_t *bytes, const uint32_t *codes, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    uint32_t start = offsets[codes[i]], length = offsets[codes[i] + 1] - start;
    copy_string(out, bytes + start, length);
    out += length;
  }
}

void weir_copy_ranges(
    const uint8_t *bytes, size_t size, const ptrdiff_t *starts, const uint32_t *lengths, size_t count,
    uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    size_t start = (size_t)starts[i], length = lengths[i];
    if (start + (length > 16 ? 32 : 16) <= size) copy_string(out, bytes + start, length);
    else memcpy(out, bytes + start, length);
    out += length;
  }
}

static inline int is_valid(const uint8_t *valid, size_t at) { return valid[at >> 3] >> (at & 7) & 1; }

#define SPREAD_OFFSETS(NAME, TYPE)                                                             \
  void NAME(TYPE *offsets, const uint8_t *valid, size_t first, size_t count, size_t present) { \
    TYPE *next = offsets + (ptrdiff_t)present - 1;                                             \
    for (size_t i = count; i-- > 0;) {                                                         \
      offsets[i] = *next;                                                                      \
      next -= is_valid(valid, first + i);                                                      \
    }                                                                                          \
  }
SPREAD_OFFSETS(weir_spread_offsets_32, int32_t)
SPREAD_OFFSETS(weir_spread_offsets_64, int64_t)

// Values behind row i were read before it is written, for a row has at most as many valid ones before it.
#define SPREAD_VALUES(TYPE)                              \
  {                                                      \
    TYPE *v = values;                                    \
    size_t next = present;                               \
    for (size_t i = count; i-- > 0;) {                   \
      int has = next > 0 && is_valid(valid, first + i);  \
      TYPE value = v[next - (size_t)(next > 0)];         \
      next -= (size_t)has;                               \
      v[i] = has ? value : 0;                            \
    }                                                    \
  }

void weir_spread_values(
    void *values, int width, const uint8_t *valid, size_t first, size_t count, size_t present) {
  switch (width) {
    case 1: SPREAD_VALUES(uint8_t) break;
    case 2: SPREAD_VALUES(uint16_t) break;
    case 4: SPREAD_VALUES(uint32_t) break;
    case 8: SPREAD_VALUES(uint64_t) break;
    default: SPREAD_VALUES(unsigned __int128) break;
  }
}

// MARK: tables

static inline uint64_t mixed(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t load32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

// After wyhash (Wang Yi, public domain): products of words, the last two of which may overlap.
static inline uint64_t hash_string(const uint8_t *p, size_t length) {
  const uint64_t k0 = 0xa0761d6478bd642fULL, k1 = 0xe7037ed1a0b428dbULL;
  uint64_t seed = k0 ^ length, a, b;
  if (length <= 16) {
    if (length >= 8) {
      a = load64(p);
      b = load64(p + length - 8);
    } else if (length >= 4) {
      a = load32(p);
      b = load32(p + length - 4);
    } else if (length > 0) {
      a = (uint64_t)p[0] << 16 | (uint64_t)p[length >> 1] << 8 | p[length - 1];
      b = 0;
    } else {
      a = b = 0;
    }
  } else {
    size_t left = length;
    for (; left > 16; left -= 16, p += 16) seed = mixed(load64(p) ^ k1, load64(p + 8) ^ seed);
    a = load64(p + left - 16);
    b = load64(p + left - 8);
  }
  return mixed(k1 ^ length, mixed(a ^ k1, b ^ seed));
}

// Steps that looking up a string may take, on average: more only strings chosen for it take.
#define STEPS_MAX 16

static inline size_t string_numbers(
    struct weir_string_table *table, const uint8_t *strings, size_t size, const uint32_t *lengths,
    size_t count, const uint8_t *valid, size_t first, uint32_t *out, size_t *unknown) {
  uint64_t *slots = table->slots;
  size_t mask = table->mask, known = table->count, at = 0;
  uint8_t *bytes = table->bytes;
  uint32_t *offsets = table->offsets;
  uint32_t last = 0;
  size_t steps_left = (count + 64) * STEPS_MAX, i = 0;
  for (; i < count && steps_left > 0; i++) {
    size_t length = lengths[i];
    if (length > size - at) break;
    const uint8_t *string = strings + at;
    at += length;
    if (valid != NULL && !is_valid(valid, first + i)) {
      out[i] = last;
      continue;
    }
    uint64_t hash = hash_string(string, length);
    uint64_t tag = hash & 0xffffffff00000000ULL;
    size_t place = hash & mask;
    for (;; place = (place + 1) & mask) {
      uint64_t slot = slots[place];
      if (slot == 0) {
        if (unknown != NULL) {
          last = (uint32_t)(known + (*unknown)++);
          break;
        }
        slots[place] = tag | (known + 1);
        memcpy(bytes + offsets[known], string, length);
        offsets[known + 1] = offsets[known] + (uint32_t)length;
        last = (uint32_t)known++;
        break;
      }
      if ((slot & 0xffffffff00000000ULL) == tag) {
        uint32_t number = (uint32_t)slot - 1;
        uint32_t start = offsets[number];
        if (offsets[number + 1] - start == length && memcmp(bytes + start, string, length) == 0) {
          last = number;
          break;
        }
      }
      if (steps_left > 0) steps_left--;
    }
    out[i] = last;
  }
  table->count = known;
  return i;
}

size_t weir_string_numbers(
    struct weir_string_table *table, const uint8_t *strings, size_t size, const uint32_t *lengths,
    size_t count, const uint8_t *valid, size_t first, uint32_t *out) {
  return string_numbers(table, strings, size, lengths, count, valid, first, out, NULL);
}

size_t weir_string_find(
    const struct weir_string_table *table, const uint8_t *strings, size_t size, const uint32_t *lengths,
    size_t count, const uint8_t *valid, size_t first, uint32_t *out, size_t *unknown) {
  struct weir_string_table copy = *table;
  return string_numbers(&copy, strings, size, lengths, count, valid, first, out, unknown);
}

void weir_string_table_fill(struct weir_string_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    uint32_t start = table->offsets[i];
    size_t length = table->offsets[i + 1] - start;
    uint64_t hash = hash_string(table->bytes + start, length);
    uint64_t tag = hash & 0xffffffff00000000ULL;
    size_t place = hash & table->mask;
    while (table->slots[place] != 0) {
      uint64_t slot = table->slots[place];
      uint32_t other = (uint32_t)slot - 1;
      if ((slot & 0xffffffff00000000ULL) == tag &&
          table->offsets[other + 1] - table->offsets[other] == length &&
          memcmp(table->bytes + table->offsets[other], table->bytes + start, length) == 0)
        break;
      place = (place + 1) & table->mask;
    }
    if (table->slots[place] == 0) table->slots[place] = tag | (i + 1);
  }
}

void weir_bytes_used(const uint8_t *bytes, size_t count, uint8_t *used) {
  for (size_t i = 0; i < count; i++) used[bytes[i]] = 1;
}
