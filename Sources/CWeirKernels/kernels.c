// SPDX-License-Identifier: Apache-2.0
#include "weir_kernels.h"

#include "bits.h"

// ---- bit unpacking ----------------------------------------------------------------------------
// Value i of width w starts at bit i * w. Up to 57 bits, it lies within the 8 bytes at byte
// (i * w) / 8; wider ones may reach into a ninth. With w a constant the compiler unrolls all of it.

#define UNPACK_BODY(W, TYPE)                                                        \
  for (; count - done >= 8 && (size_t)((done * (W)) / 8 + (W) + 8) <= in_size; done += 8) { \
    const uint8_t *p = in + (done * (W)) / 8;                                       \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {                \
      out[done + i] = (TYPE)((load64(p + (i * (W)) / 8) >> ((i * (W)) % 8)) & MASK(W)); \
    }                                                                               \
  }

#define MASK(W) ((W) == 0 ? 0 : (~0ULL >> (64 - ((W) == 0 ? 1 : (W)))))

#define CASE32(W) case W: UNPACK_BODY(W, uint32_t) break;

WEIR_CLONES
void weir_unpack_u32(const uint8_t *in, size_t in_size, int width, uint32_t *out, size_t count) {
  size_t done = 0;
  switch (width) {
    case 0: memset(out, 0, count * 4); return;
    CASE32(1) CASE32(2) CASE32(3) CASE32(4) CASE32(5) CASE32(6) CASE32(7) CASE32(8)
    CASE32(9) CASE32(10) CASE32(11) CASE32(12) CASE32(13) CASE32(14) CASE32(15) CASE32(16)
    CASE32(17) CASE32(18) CASE32(19) CASE32(20) CASE32(21) CASE32(22) CASE32(23) CASE32(24)
    CASE32(25) CASE32(26) CASE32(27) CASE32(28) CASE32(29) CASE32(30) CASE32(31) CASE32(32)
  }
  for (; done < count; done++) out[done] = (uint32_t)unpack_one(in, in_size, width, done);
}

#define CASE8(W) case W: UNPACK_BODY(W, uint8_t) break;

WEIR_CLONES
void weir_unpack_u8(const uint8_t *in, size_t in_size, int width, uint8_t *out, size_t count) {
  size_t done = 0;
  switch (width) {
    case 0: memset(out, 0, count); return;
    case 1:
      for (; count - done >= 8; done += 8) {
        // Each bit of one byte to a byte of its own.
        uint64_t bits = in[done / 8];
        uint64_t spread = ((bits & 0x7f) * 0x02040810204081ULL) & 0x0101010101010101ULL;
        spread |= (bits & 0x80) << 49;
        memcpy(out + done, &spread, 8);
      }
      break;
    case 2:
      for (; count - done >= 8; done += 8) {
        uint16_t packed;
        memcpy(&packed, in + done / 4, 2);
        uint64_t x = packed;
        x = (x | (x << 24)) & 0x000000ff000000ffULL;
        x = (x | (x << 12)) & 0x000f000f000f000fULL;
        x = (x | (x << 6)) & 0x0303030303030303ULL;
        memcpy(out + done, &x, 8);
      }
      break;
    CASE8(3) CASE8(4) CASE8(5) CASE8(6) CASE8(7)
    case 8: memcpy(out, in, count); return;
  }
  for (; done < count; done++) out[done] = (uint8_t)unpack_one(in, in_size, width, done);
}

#define CASE64(W) case W: UNPACK_BODY(W, uint64_t) break;

WEIR_CLONES
void weir_unpack_u64(const uint8_t *in, size_t in_size, int width, uint64_t *out, size_t count) {
  size_t done = 0;
  switch (width) {
    case 0: memset(out, 0, count * 8); return;
    CASE64(1) CASE64(2) CASE64(3) CASE64(4) CASE64(5) CASE64(6) CASE64(7) CASE64(8)
    CASE64(9) CASE64(10) CASE64(11) CASE64(12) CASE64(13) CASE64(14) CASE64(15) CASE64(16)
    CASE64(17) CASE64(18) CASE64(19) CASE64(20) CASE64(21) CASE64(22) CASE64(23) CASE64(24)
    CASE64(25) CASE64(26) CASE64(27) CASE64(28) CASE64(29) CASE64(30) CASE64(31) CASE64(32)
    CASE64(33) CASE64(34) CASE64(35) CASE64(36) CASE64(37) CASE64(38) CASE64(39) CASE64(40)
    CASE64(41) CASE64(42) CASE64(43) CASE64(44) CASE64(45) CASE64(46) CASE64(47) CASE64(48)
    CASE64(49) CASE64(50) CASE64(51) CASE64(52) CASE64(53) CASE64(54) CASE64(55) CASE64(56)
    case 64: memcpy(out, in, count * 8); return;
    default: break;
  }
  for (; done < count; done++) out[done] = unpack_one(in, in_size, width, done);
}

// ---- gathers and reductions -------------------------------------------------------------------

WEIR_CLONES
uint32_t weir_max_u32(const uint32_t *values, size_t count) {
  uint32_t best = 0;
  for (size_t i = 0; i < count; i++) best = values[i] > best ? values[i] : best;
  return best;
}

void weir_gather_32(
    const uint32_t *dictionary, const uint32_t *indices, uint32_t *out, size_t count) {
#pragma clang loop unroll_count(8)
  for (size_t i = 0; i < count; i++) out[i] = dictionary[indices[i]];
}

void weir_gather_64(
    const uint64_t *dictionary, const uint32_t *indices, uint64_t *out, size_t count) {
#pragma clang loop unroll_count(8)
  for (size_t i = 0; i < count; i++) out[i] = dictionary[indices[i]];
}

WEIR_CLONES
size_t weir_count_equal_u8(const uint8_t *in, uint8_t value, size_t count) {
  size_t total = 0;
  size_t i = 0;
  while (i < count) {
    size_t end = count - i > 255 ? i + 255 : count;
    uint8_t part = 0;
    for (; i < end; i++) part += in[i] == value;
    total += part;
  }
  return total;
}

WEIR_CLONES
size_t weir_count_at_least_u8(const uint8_t *in, uint8_t value, size_t count) {
  size_t total = 0;
  size_t i = 0;
  while (i < count) {
    size_t end = count - i > 255 ? i + 255 : count;
    uint8_t part = 0;
    for (; i < end; i++) part += in[i] >= value;
    total += part;
  }
  return total;
}

WEIR_CLONES
int weir_is_ascii(const uint8_t *in, size_t count) {
  size_t i = 0;
  // In parts, so that text which is not ASCII is found early.
  while (i < count) {
    size_t end = count - i > 4096 ? i + 4096 : count;
    uint8_t any = 0;
    for (; i < end; i++) any |= in[i];
    if (any & 0x80) return 0;
  }
  return 1;
}

// ---- byte stream split ------------------------------------------------------------------------

WEIR_CLONES
void weir_byte_stream_join(
    const uint8_t *in, size_t stride, size_t first, int width, uint8_t *out, size_t count) {
  const uint8_t *s = in + first;
  if (width == 4) {
    for (size_t i = 0; i < count; i++) {
      out[i * 4] = s[i];
      out[i * 4 + 1] = s[stride + i];
      out[i * 4 + 2] = s[2 * stride + i];
      out[i * 4 + 3] = s[3 * stride + i];
    }
  } else if (width == 8) {
    for (size_t i = 0; i < count; i++) {
      for (int b = 0; b < 8; b++) out[i * 8 + b] = s[b * stride + i];
    }
  } else {
    for (int b = 0; b < width; b++) {
      for (size_t i = 0; i < count; i++) out[i * width + b] = s[b * stride + i];
    }
  }
}

WEIR_CLONES
void weir_byte_stream_split(const uint8_t *in, int width, uint8_t *out, size_t count) {
  if (width == 4) {
    for (size_t i = 0; i < count; i++) {
      out[i] = in[i * 4];
      out[count + i] = in[i * 4 + 1];
      out[2 * count + i] = in[i * 4 + 2];
      out[3 * count + i] = in[i * 4 + 3];
    }
  } else if (width == 8) {
    for (size_t i = 0; i < count; i++) {
      for (int b = 0; b < 8; b++) out[b * count + i] = in[i * 8 + b];
    }
  } else {
    for (int b = 0; b < width; b++) {
      for (size_t i = 0; i < count; i++) out[b * count + i] = in[i * width + b];
    }
  }
}

void weir_pack_bools(const uint8_t *in, uint8_t *out, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint8_t bits = 0;
    for (int b = 0; b < 8; b++) bits |= (uint8_t)((in[i + b] != 0) << b);
    out[i / 8] = bits;
  }
  if (i < count) {
    uint8_t bits = 0;
    for (int b = 0; i + b < count; b++) bits |= (uint8_t)((in[i + b] != 0) << b);
    out[i / 8] = bits;
  }
}
