// SPDX-License-Identifier: Apache-2.0
// Decompression of bare deflate streams (RFC 1951) of which the whole input is in memory.
//
// Made for many small streams, each with Huffman codes of its own, as the blocks of Avro files are:
// there zlib spends most of its time on tables that are larger than what they decode.
#ifndef WEIR_INFLATE_H
#define WEIR_INFLATE_H

#include <stddef.h>
#include <stdint.h>

enum {
  WEIR_INFLATE_DONE = 0,
  /// The output is full: call again with more capacity and the same bytes at its start.
  WEIR_INFLATE_FULL = 1,
  /// The input ends before the stream does.
  WEIR_INFLATE_CUT = 2,
  /// The input is no deflate stream.
  WEIR_INFLATE_DAMAGED = 3,
};

typedef struct {
  // Bits that were read and not used, from the lowest; above `bit_count` they are 0 between calls.
  uint64_t bits;
  int bit_count;
  // What the stream is in the middle of, and whether it is the last block.
  int phase, is_last;
  size_t stored_left;
  // By the next bits of the input: what they stand for; 0 where a code is longer, or there is none.
  uint32_t lengths[1 << 10], distances[1 << 8];
  int length_bits, distance_bits;
  // How many codes there are of each number of bits, and the symbols by their codes.
  uint16_t length_counts[16], distance_counts[16], length_symbols[288], distance_symbols[32];
} weir_inflate;

/// Begins a new stream.
void weir_inflate_start(weir_inflate *state);

/// Decompresses on: from in[*in_used], to out[*out_used]; both are advanced. `out` holds all bytes
/// that the stream has given so far. Nothing is read or written beyond the counts, whatever the
/// input says. Returns one of the values above; after an error the state is of no use.
int weir_inflate_run(
    weir_inflate *state, const uint8_t *in, size_t in_count, size_t *in_used, uint8_t *out,
    size_t out_count, size_t *out_used);

#endif
