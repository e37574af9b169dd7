// SPDX-License-Identifier: Apache-2.0
// Length: one algorithm, whose steps share their tables.
//
// 1. The head of a block gives the lengths of its codes. Codes of up to 10 bits (8 for distances) go
//    into a table by their bits, which is doubled as the lengths grow; the few that are longer are
//    found bit by bit. The table is no larger than the longest code needs.
// 2. While input and output have room for whatever may come, symbols are decoded from 64 bits at a
//    time without checks, and copies are made in words that may write beyond their end.
// 3. Near the ends each step is checked, and undone when it does not fit.
// Source: RFC 1951.
#include "weir_inflate.h"

#include <string.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { PHASE_HEAD, PHASE_STORED, PHASE_CODED, PHASE_DONE };

// An entry: bits 0...3 how many bits the code has, 4...7 how many more bits count, 8...23 the literal
// or the base of a length or distance, 24...26 what it is.
enum {
  LITERAL = 1 << 24,
  COPY = 1 << 25,
  END = 1 << 26,
};

static const uint16_t length_base[31] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,
                                         17, 19, 23, 27, 31, 35, 43, 51, 59,  67,  83,
                                         99, 115, 131, 163, 195, 227, 258, 0, 0};
static const uint8_t length_extra[31] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2,
                                         3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0, 0, 0};
static const uint16_t distance_base[32] = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,    65,    97,    129, 193,
    257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577, 0,   0};
static const uint8_t distance_extra[32] = {0, 0, 0, 0, 1, 1, 2,  2,  3,  3,  4,  4,  5,  5, 6, 6,
                                           7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 0, 0};

// What a symbol stands for, without the bits of its code; 0 for symbols that may not occur.
static uint32_t length_entries[288], distance_entries[32];

__attribute__((constructor)) static void make_entries(void) {
  for (uint32_t s = 0; s < 256; s++) length_entries[s] = LITERAL | s << 8;
  length_entries[256] = END;
  for (int s = 257; s < 286; s++) {
    length_entries[s] =
        COPY | (uint32_t)length_base[s - 257] << 8 | (uint32_t)length_extra[s - 257] << 4;
  }
  for (int s = 0; s < 30; s++) {
    distance_entries[s] = COPY | (uint32_t)distance_base[s] << 8 | (uint32_t)distance_extra[s] << 4;
  }
}

static inline uint64_t load64(const uint8_t *p) {
  uint64_t word;
  memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

// The bits of a number of 10 bits, the other way round.
static uint16_t reversed[1 << 10];

__attribute__((constructor)) static void make_reversed(void) {
  for (int i = 0; i < 1 << 10; i++) {
    for (int bit = 0; bit < 10; bit++) reversed[i] |= (i >> bit & 1) << (9 - bit);
  }
}

// Makes the table of a code, and what `find_long` needs. `entries` is by symbol, or NULL for symbols
// as they are, whose code must be complete. `lengths` ends with zeros up to a multiple of 8 bytes.
// Returns 0 when the lengths are not those of a code. As zlib does, it takes one code of one bit, and
// none at all.
static int make_table(
    const uint8_t *lengths, int symbol_count, const uint32_t *entries, int bits_max,
    uint32_t *table, int *table_bits, uint16_t counts[16], uint16_t *symbols) {
  // Which lengths there are.
  const uint64_t ones = 0x0101010101010101u;
  uint32_t used = 0;
  for (int s = 0; s < symbol_count; s++) used |= 1u << lengths[s];
  used &= ~1u;
  int longest = used == 0 ? 0 : 31 - __builtin_clz(used);
  // The symbols by length and then by number: eight lengths at a time are compared with each that
  // occurs, instead of counters that wait for each other.
  memset(counts, 0, 16 * sizeof counts[0]);
  uint16_t *next = symbols;
  int left = 1, previous = 0;
  for (uint32_t rest = used; rest != 0; rest &= rest - 1) {
    int n = __builtin_ctz(rest);
    uint16_t *first = next;
    for (int s = 0; s < symbol_count; s += 64) {
      uint64_t equal = 0;
      for (int i = 0; i < 64 && s + i < symbol_count; i += 8) {
        uint64_t other = load64(lengths + s + i) ^ ones * (uint64_t)n;
        uint64_t bytes = (~(other + 0x7f * ones) & 0x80 * ones) >> 7;
        equal |= (bytes * 0x0102040810204080u >> 56) << i;
      }
      for (; equal != 0; equal &= equal - 1) *next++ = (uint16_t)(s + __builtin_ctzll(equal));
    }
    counts[n] = (uint16_t)(next - first);
    left = (left << (n - previous)) - counts[n];
    if (left < 0) return 0;
    previous = n;
  }
  if (left > 0 && (longest > 1 || entries == NULL)) return 0;
  int bits = longest < bits_max ? longest : bits_max;
  if (bits == 0) bits = 1;
  *table_bits = bits;
  uint32_t code = 0, size = 2;
  table[0] = table[1] = 0;
  const uint16_t *symbol = symbols;
  for (int n = 1; n <= bits; n++) {
    if (n > 1) {
      memcpy(table + size, table, size * sizeof table[0]);
      size *= 2;
      code <<= 1;
    }
    for (const uint16_t *end = symbol + counts[n]; symbol < end; symbol++, code++) {
      uint32_t entry = entries != NULL ? entries[*symbol] : LITERAL | (uint32_t)*symbol << 8;
      // The highest bit of a code comes first in the stream.
      table[reversed[code << (10 - n)]] = entry == 0 ? 0 : entry | (uint32_t)n;
    }
  }
  return 1;
}

// The symbol of a code that the table does not have; -1 when there is none. `*count` is how many bits
// it has.
static int find_long(
    uint64_t bits, const uint16_t counts[16], const uint16_t *symbols, int *count) {
  int code = 0, first = 0, index = 0;
  for (int n = 1; n <= 15; n++) {
    code |= (int)(bits & 1);
    bits >>= 1;
    if (code - counts[n] < first) {
      *count = n;
      return symbols[index + (code - first)];
    }
    index += counts[n];
    first = (first + counts[n]) << 1;
    code <<= 1;
  }
  return -1;
}

static inline uint32_t length_entry(const weir_inflate *s, uint64_t bits, uint64_t mask) {
  uint32_t entry = s->lengths[bits & mask];
  if (LIKELY(entry != 0)) return entry;
  int count, symbol = find_long(bits, s->length_counts, s->length_symbols, &count);
  return symbol < 0 || length_entries[symbol] == 0 ? 0 : length_entries[symbol] | (uint32_t)count;
}

static inline uint32_t distance_entry(const weir_inflate *s, uint64_t bits, uint64_t mask) {
  uint32_t entry = s->distances[bits & mask];
  if (LIKELY(entry != 0)) return entry;
  int count, symbol = find_long(bits, s->distance_counts, s->distance_symbols, &count);
  return symbol < 0 || distance_entries[symbol] == 0 ? 0
                                                     : distance_entries[symbol] | (uint32_t)count;
}

typedef struct {
  const uint8_t *next, *end;
  uint64_t bits;
  int count;
} reader;

static inline void refill(reader *r) {
  if (LIKELY(r->end - r->next >= 8)) {
    // Bits above `count` are those that come next: putting them there twice changes nothing.
    r->bits |= load64(r->next) << r->count;
    r->next += (63 - r->count) >> 3;
    r->count |= 56;
  } else {
    while (r->count <= 56 && r->next < r->end) {
      r->bits |= (uint64_t)*r->next++ << r->count;
      r->count += 8;
    }
  }
}

static inline void drop(reader *r, int count) {
  r->bits >>= count;
  r->count -= count;
}

// Of a literal's entry, all of the lowest 6 bits are how many bits its code has.
static inline void drop_literal(reader *r, uint32_t entry) {
  r->bits >>= entry & 63;
  r->count -= (int)(entry & 63);
}

// Takes back whole bytes that were read too many, and clears what is above the rest.
static inline void settle(reader *r) {
  r->next -= r->count >> 3;
  r->count &= 7;
  r->bits &= (1u << r->count) - 1;
}

static int read_codes(weir_inflate *s, reader *r) {
  static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                    11, 4,  12, 3, 13, 2, 14, 1, 15};
  uint8_t lengths[288 + 32 + 138 + 8];
  if (r->count < 14) return WEIR_INFLATE_CUT;
  int length_count = 257 + (int)(r->bits & 31), distance_count = 1 + (int)(r->bits >> 5 & 31);
  int code_count = 4 + (int)(r->bits >> 10 & 15);
  drop(r, 14);
  if (length_count > 286 || distance_count > 30) return WEIR_INFLATE_DAMAGED;
  memset(lengths, 0, 24);
  for (int i = 0; i < code_count; i++) {
    if (r->count < 3) refill(r);
    if (r->count < 3) return WEIR_INFLATE_CUT;
    lengths[order[i]] = r->bits & 7;
    drop(r, 3);
  }
  // The code of the codes' lengths has 7 bits at most: its table is complete. It lies where the table
  // of distances will be.
  int table_bits;
  uint16_t counts[16], symbols[19];
  if (!make_table(lengths, 19, NULL, 7, s->distances, &table_bits, counts, symbols)) {
    return WEIR_INFLATE_DAMAGED;
  }
  int total = length_count + distance_count, have = 0;
  const uint64_t mask = ((uint64_t)1 << table_bits) - 1;
  while (have < total) {
    if (r->count < 14) refill(r);
    uint32_t entry = s->distances[r->bits & mask];
    int count = entry & 15, symbol = (int)(entry >> 8 & 0xff);
    if (LIKELY(symbol < 16)) {
      if (UNLIKELY(r->count < count)) return WEIR_INFLATE_CUT;
      drop(r, count);
      lengths[have++] = (uint8_t)symbol;
      continue;
    }
    int extra = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    if (r->count < count + extra) return WEIR_INFLATE_CUT;
    drop(r, count);
    if (symbol == 16 && have == 0) return WEIR_INFLATE_DAMAGED;
    int repeat = (symbol == 18 ? 11 : 3) + (int)(r->bits & ((1u << extra) - 1));
    drop(r, extra);
    uint64_t word = symbol == 16 ? lengths[have - 1] * (uint64_t)0x0101010101010101u : 0;
    for (int i = 0; i < repeat; i += 8) memcpy(lengths + have + i, &word, 8);
    have += repeat;
  }
  // `lengths` has room for a repetition that goes too far.
  if (have > total || lengths[256] == 0) return WEIR_INFLATE_DAMAGED;
  uint8_t distance_lengths[32] = {0};
  memcpy(distance_lengths, lengths + length_count, (size_t)distance_count);
  memset(lengths + length_count, 0, 8);
  if (!make_table(
          lengths, length_count, length_entries, 10, s->lengths, &s->length_bits, s->length_counts,
          s->length_symbols) ||
      !make_table(
          distance_lengths, distance_count, distance_entries, 8, s->distances, &s->distance_bits,
          s->distance_counts, s->distance_symbols)) {
    return WEIR_INFLATE_DAMAGED;
  }
  return WEIR_INFLATE_DONE;
}

static void fixed_codes(weir_inflate *s) {
  uint8_t lengths[288];
  memset(lengths, 8, 144);
  memset(lengths + 144, 9, 112);
  memset(lengths + 256, 7, 24);
  memset(lengths + 280, 8, 8);
  make_table(
      lengths, 288, length_entries, 10, s->lengths, &s->length_bits, s->length_counts,
      s->length_symbols);
  memset(lengths, 5, 32);
  make_table(
      lengths, 32, distance_entries, 8, s->distances, &s->distance_bits, s->distance_counts,
      s->distance_symbols);
}

static int read_head(weir_inflate *s, reader *r) {
  refill(r);
  if (r->count < 3) return WEIR_INFLATE_CUT;
  s->is_last = r->bits & 1;
  int kind = (int)(r->bits >> 1 & 3);
  drop(r, 3);
  if (kind == 0) {
    drop(r, r->count & 7);
    settle(r);
    if (r->end - r->next < 4) return WEIR_INFLATE_CUT;
    uint32_t count = r->next[0] | (uint32_t)r->next[1] << 8;
    uint32_t check = r->next[2] | (uint32_t)r->next[3] << 8;
    if ((count ^ check) != 0xffff) return WEIR_INFLATE_DAMAGED;
    r->next += 4;
    s->stored_left = count;
    s->phase = PHASE_STORED;
    return WEIR_INFLATE_DONE;
  }
  if (kind == 3) return WEIR_INFLATE_DAMAGED;
  if (kind == 1) {
    fixed_codes(s);
  } else {
    int result = read_codes(s, r);
    if (result != WEIR_INFLATE_DONE) return result;
  }
  s->phase = PHASE_CODED;
  return WEIR_INFLATE_DONE;
}

// Copies at least `count` bytes from `distance` before, perhaps up to 15 more.
static inline void copy_fast(uint8_t *out, size_t distance, size_t count) {
  const uint8_t *from = out - distance;
  uint8_t *end = out + count;
  if (LIKELY(distance >= 8)) {
    do {
      memcpy(out, from, 8);
      out += 8;
      from += 8;
    } while (out < end);
  } else if (distance == 1) {
    memset(out, *from, count);
  } else {
    do { *out++ = *from++; } while (out < end);
  }
}

// The middle of a block: `start` is the first byte of all output. Ends near the ends, and at the end
// of the block (then the phase is no longer PHASE_CODED).
static int run_fast(weir_inflate *s, reader *r, uint8_t *start, uint8_t **next, uint8_t *end) {
  const uint64_t length_mask = ((uint64_t)1 << s->length_bits) - 1;
  const uint64_t distance_mask = ((uint64_t)1 << s->distance_bits) - 1;
  uint8_t *out = *next;
  reader in = *r;
  int result = WEIR_INFLATE_DONE;
  // One round reads at most 15 bytes of input and writes 3 + 258 + 15.
  while (in.end - in.next >= 16 && end - out >= 280) {
    refill(&in);
    uint32_t entry = length_entry(s, in.bits, length_mask);
    if (entry & LITERAL) {
      *out++ = (uint8_t)(entry >> 8);
      drop_literal(&in, entry);
      entry = length_entry(s, in.bits, length_mask);
      if (entry & LITERAL) {
        *out++ = (uint8_t)(entry >> 8);
        drop_literal(&in, entry);
        entry = length_entry(s, in.bits, length_mask);
        if (entry & LITERAL) {
          *out++ = (uint8_t)(entry >> 8);
          drop_literal(&in, entry);
          continue;
        }
      }
      refill(&in);
    }
    if (UNLIKELY(!(entry & COPY))) {
      if (entry == 0) {
        result = WEIR_INFLATE_DAMAGED;
      } else {
        drop(&in, entry & 15);
        s->phase = s->is_last ? PHASE_DONE : PHASE_HEAD;
      }
      break;
    }
    drop(&in, entry & 15);
    int extra = entry >> 4 & 15;
    size_t count = (entry >> 8 & 0xffff) + (in.bits & ((1u << extra) - 1));
    drop(&in, extra);
    entry = distance_entry(s, in.bits, distance_mask);
    drop(&in, entry & 15);
    extra = entry >> 4 & 15;
    size_t distance = (entry >> 8 & 0xffff) + (in.bits & ((1u << extra) - 1));
    drop(&in, extra);
    if (UNLIKELY(entry == 0 || distance > (size_t)(out - start))) {
      result = WEIR_INFLATE_DAMAGED;
      break;
    }
    copy_fast(out, distance, count);
    out += count;
  }
  settle(&in);
  *r = in;
  *next = out;
  return result;
}

// One symbol near the end of the input or the output. On FULL nothing was used.
static int run_checked(weir_inflate *s, reader *r, uint8_t *start, uint8_t **next, uint8_t *end) {
  refill(r);
  reader in = *r;
  uint8_t *out = *next;
  uint32_t entry = length_entry(s, in.bits, ((uint64_t)1 << s->length_bits) - 1);
  // Bits beyond the end are 0: with at least 15 bits there, no code is none.
  if (entry == 0) return in.count < 15 ? WEIR_INFLATE_CUT : WEIR_INFLATE_DAMAGED;
  int used = entry & 15, extra = entry >> 4 & 15;
  if (in.count < used + extra) return WEIR_INFLATE_CUT;
  drop(&in, used);
  if (entry & LITERAL) {
    if (out == end) return WEIR_INFLATE_FULL;
    *out = (uint8_t)(entry >> 8);
    *next = out + 1;
  } else if (entry & END) {
    s->phase = s->is_last ? PHASE_DONE : PHASE_HEAD;
  } else {
    size_t count = (entry >> 8 & 0xffff) + (in.bits & ((1u << extra) - 1));
    drop(&in, extra);
    entry = distance_entry(s, in.bits, ((uint64_t)1 << s->distance_bits) - 1);
    if (entry == 0) return in.count < 15 ? WEIR_INFLATE_CUT : WEIR_INFLATE_DAMAGED;
    used = entry & 15, extra = entry >> 4 & 15;
    if (in.count < used + extra) return WEIR_INFLATE_CUT;
    drop(&in, used);
    size_t distance = (entry >> 8 & 0xffff) + (in.bits & ((1u << extra) - 1));
    drop(&in, extra);
    if (distance > (size_t)(out - start)) return WEIR_INFLATE_DAMAGED;
    if (count > (size_t)(end - out)) return WEIR_INFLATE_FULL;
    for (const uint8_t *from = out - distance; count > 0; count--) *out++ = *from++;
    *next = out;
  }
  *r = in;
  return WEIR_INFLATE_DONE;
}

void weir_inflate_start(weir_inflate *state) {
  state->bits = 0;
  state->bit_count = 0;
  state->phase = PHASE_HEAD;
  state->is_last = 0;
  state->stored_left = 0;
}

int weir_inflate_run(
    weir_inflate *state, const uint8_t *in, size_t in_count, size_t *in_used, uint8_t *out,
    size_t out_count, size_t *out_used) {
  reader r = {in + *in_used, in + in_count, state->bits, state->bit_count};
  uint8_t *next = out + *out_used, *end = out + out_count;
  int result = WEIR_INFLATE_DONE;
  while (result == WEIR_INFLATE_DONE && state->phase != PHASE_DONE) {
    if (state->phase == PHASE_HEAD) {
      result = read_head(state, &r);
    } else if (state->phase == PHASE_STORED) {
      size_t count = state->stored_left;
      if (count > (size_t)(r.end - r.next)) {
        result = WEIR_INFLATE_CUT;
        break;
      }
      if (count > (size_t)(end - next)) {
        count = (size_t)(end - next);
        result = WEIR_INFLATE_FULL;
      }
      if (count > 0) memcpy(next, r.next, count);
      next += count;
      r.next += count;
      state->stored_left -= count;
      if (state->stored_left == 0) state->phase = state->is_last ? PHASE_DONE : PHASE_HEAD;
    } else if (r.end - r.next >= 16 && end - next >= 280) {
      settle(&r);
      result = run_fast(state, &r, out, &next, end);
    } else {
      result = run_checked(state, &r, out, &next, end);
    }
  }
  settle(&r);
  state->bits = r.bits;
  state->bit_count = r.count;
  *in_used = (size_t)(r.next - in);
  *out_used = (size_t)(next - out);
  return result;
}
