// SPDX-License-Identifier: Apache-2.0
// Kernels for byte strings of Weir files (docs/specs/weir-file.md). Every function reads and writes only
// within the sizes given. None allocates.
#ifndef WEIR_STRINGS_H
#define WEIR_STRINGS_H

#include <stddef.h>
#include <stdint.h>

/// Bytes that must be readable behind the strings of a dictionary, and writable behind what is gathered
/// or decoded.
#define WEIR_STRINGS_SLACK 32

/// lengths[i] = the length of string codes[i], which begins at offsets[code]. Returns their sum.
uint64_t weir_string_lengths(
    const uint32_t *offsets, const uint32_t *codes, uint32_t *lengths, size_t count);

/// Copies the strings codes[i] one behind the other to `out`, with slack on both sides.
void weir_gather_strings(
    const uint32_t *offsets, const uint8_t *bytes, const uint32_t *codes, size_t count, uint8_t *out);

/// Copies ranges starts[i] ..< starts[i] + lengths[i] of `size` bytes one behind the other to `out`, which
/// has slack.
void weir_copy_ranges(
    const uint8_t *bytes, size_t size, const ptrdiff_t *starts, const uint32_t *lengths, size_t count,
    uint8_t *out);

/// Spreads offsets of valid rows over all rows, in place: offsets[-1] is where the first row begins,
/// offsets[j] where valid row j ends, then where row i ends. Bit `first` + i of `valid` says which
/// rows are; `present` of the `count` are.
void weir_spread_offsets_32(
    int32_t *offsets, const uint8_t *valid, size_t first, size_t count, size_t present);
void weir_spread_offsets_64(
    int64_t *offsets, const uint8_t *valid, size_t first, size_t count, size_t present);

/// The same for values; those of null rows become 0. Width 1, 2, 4, 8 or 16.
void weir_spread_values(
    void *values, int width, const uint8_t *valid, size_t first, size_t count, size_t present);

/// Strings with numbers by their value: a table that grows. Slots hold a hash's upper half and the
/// number + 1 below, 0 when free; at most half of mask + 1 are in use after a call.
struct weir_string_table {
  uint64_t *slots;
  size_t mask;
  /// The strings one behind the other, with WEIR_STRINGS_SLACK bytes behind them.
  uint8_t *bytes;
  /// Where string i begins, and the last one ends.
  uint32_t *offsets;
  size_t count;
};

/// Writes the number of each string, giving new ones numbers. The table has room for all of them. Null
/// strings (by bit `first` + i of `valid`, unless that is NULL) get the number of the one before them, or
/// 0. Returns the strings done: fewer than `count` when looking them up takes far too many steps.
size_t weir_string_numbers(
    struct weir_string_table *table, const uint8_t *strings, size_t size, const uint32_t *lengths,
    size_t count, const uint8_t *valid, size_t first, uint32_t *out);

/// The same without new numbers: a string that is not in the table gets one behind the table's and those of
/// the unknown ones before it, equal or not; `unknown` counts them on.
size_t weir_string_find(
    const struct weir_string_table *table, const uint8_t *strings, size_t size, const uint32_t *lengths,
    size_t count, const uint8_t *valid, size_t first, uint32_t *out, size_t *unknown);

/// Fills the slots, which are all 0, with the table's strings; of equal ones the first.
void weir_string_table_fill(struct weir_string_table *table);

/// Symbols of FSST: what a code stands for. Codes without a symbol have length 64.
struct weir_symbols {
  uint64_t symbols[256];
  uint8_t lengths[256];
};

/// Decodes `size` bytes to exactly `out_size`; `out` has slack. Returns -1 when they do not make that.
int weir_fsst_decode(
    const struct weir_symbols *symbols, const uint8_t *in, size_t size, uint8_t *out,
    size_t out_size);

/// A coder for FSST, in memory of the caller: that of `weir_fsst_coder_size()` bytes, aligned to 8.
struct weir_fsst_coder;
size_t weir_fsst_coder_size(void);
/// Memory for learning.
size_t weir_fsst_room_size(void);

/// Learns up to 255 symbols from sample strings, one behind the other. Its time is bounded by a constant
/// and the sample's size.
void weir_fsst_learn(
    struct weir_fsst_coder *coder, void *room, const uint8_t *sample, size_t size,
    const uint32_t *lengths, size_t count);

/// Writes the table of symbols as in files, at most 2,296 bytes; returns its size.
size_t weir_fsst_table(const struct weir_fsst_coder *coder, uint8_t *out);

/// Makes a coder of such a table.
void weir_fsst_load(struct weir_fsst_coder *coder, const uint8_t *table);

/// Codes strings, one behind the other; `out` has room for two bytes a byte, and 8. Returns the bytes
/// written.
size_t weir_fsst_encode(
    const struct weir_fsst_coder *coder, const uint8_t *strings, size_t size,
    const uint32_t *lengths, size_t count, uint8_t *out, uint32_t *coded_lengths);

/// Which bytes occur: used[b] becomes 1.
void weir_bytes_used(const uint8_t *bytes, size_t count, uint8_t *used);

#endif
