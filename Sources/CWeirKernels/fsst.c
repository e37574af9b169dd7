// SPDX-License-Identifier: Apache-2.0
// FSST: strings as codes of symbols of one to eight bytes (Boncz, Neumann, Leis: FSST, VLDB 2020).
//
// Learning, in five rounds over a sample of some 16 KB: the sample is coded with the symbols so far (none
// at first); how often each symbol, and each pair of neighbours, occurs says what bytes each of them, and
// the two as one, would stand for; the best 255 are the symbols of the next round.
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "weir_strings.h"

// MARK: decoding

int weir_fsst_decode(
    const struct weir_symbols *symbols, const uint8_t *in, size_t size, uint8_t *out,
    size_t out_size) {
  const uint8_t *end = in + size;
  uint8_t *out_end = out + out_size;
  while (in < end) {
    // Four symbols at a time; escapes and codes without a symbol have length 64.
    while (end - in >= 4) {
      size_t one = symbols->lengths[in[0]];
      size_t two = one + symbols->lengths[in[1]];
      size_t three = two + symbols->lengths[in[2]];
      size_t four = three + symbols->lengths[in[3]];
      if (four > 32 || four > (size_t)(out_end - out)) break;
      memcpy(out, &symbols->symbols[in[0]], 8);
      memcpy(out + one, &symbols->symbols[in[1]], 8);
      memcpy(out + two, &symbols->symbols[in[2]], 8);
      memcpy(out + three, &symbols->symbols[in[3]], 8);
      out += four;
      in += 4;
    }
    if (in == end) break;
    // Up to four codes one by one.
    for (int i = 0; i < 4 && in < end; i++) {
      uint8_t code = *in++;
      if (code == 255) {
        if (in == end || out == out_end) return -1;
        *out++ = *in++;
        continue;
      }
      size_t length = symbols->lengths[code];
      if (length > 8 || length > (size_t)(out_end - out)) return -1;
      memcpy(out, &symbols->symbols[code], 8);
      out += length;
    }
  }
  return out == out_end ? 0 : -1;
}

// MARK: coding

#define SYMBOLS_MAX 255
#define BUCKETS 1024
#define BUCKET 4
// What stands for a byte as it is while symbols are learned: codes 0 ... 255; symbols follow.
#define RAW 256
#define CODES (RAW + 256)

struct symbol {
  uint64_t bytes;
  uint64_t mask;
  uint16_t code;
  uint16_t length;
};

struct weir_fsst_coder {
  uint64_t symbols[256];
  uint8_t lengths[256];
  uint32_t count;
  // Code and length of the symbol for one byte, and for two; length 0: none.
  uint8_t one[256], has_one[256];
  uint8_t two[65536], has_two[65536];
  // Those of three bytes and more, by a hash of the first three; the longest first.
  struct symbol buckets[BUCKETS][BUCKET];
};

size_t weir_fsst_coder_size(void) { return sizeof(struct weir_fsst_coder); }

static inline size_t bucket_of(uint64_t word) {
  return (size_t)(((word & 0xffffff) * 2654435761u) >> 15) % BUCKETS;
}

static inline uint64_t mask_of_bytes(size_t length) {
  return length >= 8 ? ~0ULL : (1ULL << (8 * length)) - 1;
}

static void clear(struct weir_fsst_coder *coder) {
  coder->count = 0;
  memset(coder->has_one, 0, sizeof coder->has_one);
  memset(coder->has_two, 0, sizeof coder->has_two);
  memset(coder->buckets, 0, sizeof coder->buckets);
}

// Symbols come in the order of what they gain: one whose bucket is full is left out.
static void add(struct weir_fsst_coder *coder, uint64_t bytes, size_t length) {
  uint32_t code = coder->count;
  if (code >= SYMBOLS_MAX) return;
  if (length == 1) {
    coder->one[bytes & 0xff] = (uint8_t)code;
    coder->has_one[bytes & 0xff] = 1;
  } else if (length == 2) {
    coder->two[bytes & 0xffff] = (uint8_t)code;
    coder->has_two[bytes & 0xffff] = 1;
  } else {
    struct symbol *bucket = coder->buckets[bucket_of(bytes)];
    if (bucket[BUCKET - 1].length != 0) return;
    int place = BUCKET - 1;
    for (; place > 0 && bucket[place - 1].length < length; place--) bucket[place] = bucket[place - 1];
    bucket[place] =
        (struct symbol){bytes, mask_of_bytes(length), (uint16_t)code, (uint16_t)length};
  }
  coder->symbols[code] = bytes;
  coder->lengths[code] = (uint8_t)length;
  coder->count = code + 1;
}

// The longest symbol that `left` > 0 bytes begin with: its code and length, or RAW and 1. Bytes of `word`
// past those are 0.
static inline uint32_t longest(
    const struct weir_fsst_coder *coder, uint64_t word, size_t left, size_t *length) {
  const struct symbol *bucket = coder->buckets[bucket_of(word)];
  for (int i = 0; i < BUCKET && bucket[i].length != 0; i++) {
    if ((word & bucket[i].mask) == bucket[i].bytes && bucket[i].length <= left) {
      *length = bucket[i].length;
      return bucket[i].code;
    }
  }
  if (left >= 2 && coder->has_two[word & 0xffff]) {
    *length = 2;
    return coder->two[word & 0xffff];
  }
  *length = 1;
  return coder->has_one[word & 0xff] ? coder->one[word & 0xff] : RAW;
}

// Eight bytes from `p` on; those that are not before `end` are 0.
static inline uint64_t load_within(const uint8_t *p, size_t left, const uint8_t *end) {
  if (left >= 8) return load64(p);
  if (end - p >= 8) return load64(p) & mask_of_bytes(left);
  uint64_t word = 0;
  memcpy(&word, p, left);
  return word;
}

size_t weir_fsst_encode(
    const struct weir_fsst_coder *coder, const uint8_t *strings, size_t size,
    const uint32_t *lengths, size_t count, uint8_t *out, uint32_t *coded_lengths) {
  const uint8_t *p = strings, *end = strings + size;
  uint8_t *target = out;
  for (size_t i = 0; i < count; i++) {
    size_t left = lengths[i];
    if (left > (size_t)(end - p)) left = (size_t)(end - p);
    uint8_t *start = target;
    while (left > 0) {
      size_t length;
      uint64_t word = load_within(p, left, end);
      uint32_t code = longest(coder, word, left, &length);
      if (code == RAW) {
        target[0] = 255;
        target[1] = (uint8_t)word;
        target += 2;
      } else {
        *target++ = (uint8_t)code;
      }
      p += length;
      left -= length;
    }
    coded_lengths[i] = (uint32_t)(target - start);
  }
  return (size_t)(target - out);
}

size_t weir_fsst_table(const struct weir_fsst_coder *coder, uint8_t *out) {
  size_t at = 0;
  out[at++] = (uint8_t)coder->count;
  for (uint32_t code = 0; code < coder->count; code++) out[at++] = coder->lengths[code];
  for (uint32_t code = 0; code < coder->count; code++) {
    for (int byte = 0; byte < coder->lengths[code]; byte++)
      out[at++] = (uint8_t)(coder->symbols[code] >> (8 * byte));
  }
  return at;
}

void weir_fsst_load(struct weir_fsst_coder *coder, const uint8_t *table) {
  const uint8_t *p = table + 1 + table[0];
  clear(coder);
  for (int code = 0; code < table[0]; code++) {
    uint64_t bytes = 0;
    size_t length = table[1 + code];
    memcpy(&bytes, p, length);
    add(coder, bytes, length);
    p += length;
  }
}

// MARK: learning

#define CANDIDATES (1u << 14)
#define SAMPLE_MAX (32u << 10)

struct candidate {
  uint64_t bytes;
  uint64_t gain;
  uint32_t length;  // 0: free
};

struct room {
  uint32_t ones[CODES];
  uint16_t pairs[CODES][CODES];
  struct candidate candidates[CANDIDATES];
  uint32_t used_count;
};

size_t weir_fsst_room_size(void) { return sizeof(struct room); }

static void bump(uint16_t *count) {
  if (*count < UINT16_MAX) (*count)++;
}

static void count_symbols(
    const struct weir_fsst_coder *coder, struct room *room, const uint8_t *sample, size_t size,
    const uint32_t *lengths, size_t count, int counts_pairs) {
  memset(room->ones, 0, sizeof room->ones);
  if (counts_pairs) memset(room->pairs, 0, sizeof room->pairs);
  const uint8_t *p = sample, *end = sample + size;
  for (size_t i = 0; i < count && p < end; i++) {
    size_t left = lengths[i];
    if (left > (size_t)(end - p)) left = (size_t)(end - p);
    uint32_t before = CODES;
    while (left > 0) {
      size_t length;
      uint64_t word = load_within(p, left, end);
      uint32_t code = longest(coder, word, left, &length);
      uint8_t byte = (uint8_t)word;
      code = code == RAW ? byte : RAW + code;
      room->ones[code]++;
      // Instead of a long symbol, its first byte alone might be one.
      if (length > 1) room->ones[byte]++;
      if (counts_pairs && before != CODES) {
        bump(&room->pairs[before][code]);
        if (length > 1) bump(&room->pairs[before][byte]);
      }
      before = code;
      p += length;
      left -= length;
    }
  }
}

static void propose(struct room *room, uint64_t bytes, size_t length, uint64_t count, uint64_t least) {
  if (count < least) return;
  uint64_t gain = count * length;
  size_t place = (size_t)((bytes * 0x9E3779B97F4A7C15ULL + length * 0xff51afd7ed558ccdULL) >> 50);
  for (;; place = (place + 1) % CANDIDATES) {
    struct candidate *found = &room->candidates[place];
    if (found->length == 0) {
      // A table that is full knows enough.
      if (room->used_count >= CANDIDATES / 4 * 3) return;
      *found = (struct candidate){bytes, gain, (uint32_t)length};
      room->used_count++;
      return;
    }
    if (found->bytes == bytes && found->length == length) {
      found->gain += gain;
      return;
    }
  }
}

static uint64_t bytes_of(const struct weir_fsst_coder *coder, uint32_t code, size_t *length) {
  *length = code < RAW ? 1 : coder->lengths[code - RAW];
  return code < RAW ? code : coder->symbols[code - RAW];
}

static int by_gain(const void *a, const void *b) {
  const struct candidate *x = a, *y = b;
  if (x->gain != y->gain) return x->gain > y->gain ? -1 : 1;
  if (x->length != y->length) return x->length > y->length ? -1 : 1;
  return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

// The candidates that are sorted: some find their bucket full.
#define BEST 400

// A heap whose first is the one of the least gain.
static void sink_down(struct candidate *heap, size_t count, size_t at) {
  struct candidate moving = heap[at];
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && by_gain(&heap[child + 1], &heap[child]) > 0) child++;
    if (by_gain(&heap[child], &moving) <= 0) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moving;
}

// The best candidates become the coder's symbols.
static void choose(struct weir_fsst_coder *coder, struct room *room) {
  struct candidate best[BEST];
  size_t count = 0;
  for (size_t place = 0; place < CANDIDATES; place++) {
    const struct candidate *next = &room->candidates[place];
    if (next->length == 0) continue;
    if (count < BEST) {
      best[count++] = *next;
      if (count == BEST)
        for (size_t i = BEST / 2; i-- > 0;) sink_down(best, BEST, i);
    } else if (by_gain(next, &best[0]) < 0) {
      best[0] = *next;
      sink_down(best, BEST, 0);
    }
  }
  qsort(best, count, sizeof(struct candidate), by_gain);
  clear(coder);
  for (size_t i = 0; i < count && coder->count < SYMBOLS_MAX; i++)
    add(coder, best[i].bytes, best[i].length);
  memset(room->candidates, 0, sizeof room->candidates);
  room->used_count = 0;
}

void weir_fsst_learn(
    struct weir_fsst_coder *coder, void *memory, const uint8_t *sample, size_t size,
    const uint32_t *lengths, size_t count) {
  static const uint32_t shares[] = {8, 38, 68, 98, 128};
  struct room *room = memory;
  if (size > SAMPLE_MAX) size = SAMPLE_MAX;
  memset(room->candidates, 0, sizeof room->candidates);
  room->used_count = 0;
  clear(coder);
  for (int round = 0; round < 5; round++) {
    int is_last = round == 4;
    // The first rounds look at the first part of the sample, which is in no order.
    size_t part = size * shares[round] / 128;
    uint64_t least = 5 * shares[round] / 128;
    count_symbols(coder, room, sample, part, lengths, count, !is_last);
    for (uint32_t first = 0; first < RAW + coder->count; first++) {
      uint32_t times = room->ones[first];
      if (times == 0) continue;
      size_t length, other_length;
      uint64_t bytes = bytes_of(coder, first, &length);
      // Bytes that are symbols spare escapes, and candidates.
      propose(room, bytes, length, length == 1 ? (uint64_t)times * 8 : times, least);
      if (is_last || length == 8) continue;
      const uint16_t *pairs = room->pairs[first];
      for (uint32_t second = 0; second < RAW + coder->count; second++) {
        if (pairs[second] == 0) continue;
        uint64_t other = bytes_of(coder, second, &other_length);
        size_t both = length + other_length > 8 ? 8 : length + other_length;
        uint64_t joined = (bytes | other << (8 * length)) & mask_of_bytes(both);
        propose(room, joined, both, pairs[second], least);
      }
    }
    choose(coder, room);
  }
}
