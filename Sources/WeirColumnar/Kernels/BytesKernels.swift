// SPDX-License-Identifier: Apache-2.0
// Safe: offsets lead into the data buffer (arrays from outside were validated); needles are arrays
// that live while their closure runs.

internal import CWeirKernels

#if canImport(Glibc)
  internal import Glibc
#endif

/// What is asked of the bytes of a string, binary or fixed-size binary row.
enum BytesTest {
  case compare(Predicate.Operator, [UInt8])
  case isIn(BytesTable)
  case prefix([UInt8])
  case like(LikePattern)
}

extension ArrayData {
  func bytesPassing(_ test: BytesTest, _ among: RowBits?) -> RowBits {
    guard length > 0 else { return RowBits(count: 0, words: []) }
    switch type.layout {
    case .variableBinary(let width) where width == 4:
      return passing(test, among, VariableRows(offsets(as: Int32.self), buffers[1].base))
    case .variableBinary:
      return passing(test, among, VariableRows(offsets(as: Int64.self), buffers[1].base))
    case .fixedWidth(let width):
      return passing(test, among, FixedWidthRows(buffers[0].base + offset * width, width))
    default: preconditionFailure("\(type) has no bytes")
    }
  }

  @inline(__always)
  private func passing<R: RowBytes>(_ test: BytesTest, _ among: RowBits?, _ rows: R) -> RowBits {
    switch test {
    case .compare(.equal, let value):
      guard var candidates = rows.ofLength(value.count, length) else {
        return RowBits(repeating: false, count: length)
      }
      if let among { candidates.formAnd(among) }
      return value.withUnsafeBytes { value in
        RowBits(count: length, among: candidates) { startsAlike(rows[$0], value) }
      }
    case .compare(let op, let value):
      // a <= b is not b < a; inverting words costs nothing, and each loop knows its comparison.
      return value.withUnsafeBytes { value in
        var bits =
          op == .less || op == .greaterOrEqual
          ? RowBits(count: length, among: among) { comesBefore(rows[$0], value) }
          : RowBits(count: length, among: among) { comesBefore(value, rows[$0]) }
        if op == .greaterOrEqual || op == .lessOrEqual { bits.invert() }
        return bits
      }
    case .isIn(let table):
      return table.withLookup { lookup in
        RowBits(count: length, among: among) { lookup.contains(rows[$0]) }
      }
    case .prefix(let prefix):
      return prefix.withUnsafeBytes { prefix in
        RowBits(count: length, among: among) { row in
          let bytes = rows[row]
          return bytes.count >= prefix.count && startsAlike(bytes, prefix)
        }
      }
    case .like(let pattern):
      let matcher = LikeMatcher(pattern)
      return RowBits(count: length, among: among) { matcher.matches(rows[$0]) }
    }
  }
}

/// Whether the first bytes of `bytes`, which has at least as many, are those of `start`. Words of 8
/// bytes, the last one overlapping the one before.
@inline(__always)
private func startsAlike(_ bytes: UnsafeRawBufferPointer, _ start: UnsafeRawBufferPointer) -> Bool {
  let count = start.count
  guard count > 0, let a = bytes.baseAddress, let b = start.baseAddress else { return true }
  @inline(__always) func same<T: FixedWidthInteger>(_ position: Int, _ type: T.Type) -> Bool {
    a.loadUnaligned(fromByteOffset: position, as: type)
      == b.loadUnaligned(fromByteOffset: position, as: type)
  }
  if count >= 8 {
    var position = 0
    while position &+ 8 <= count {
      if !same(position, UInt64.self) { return false }
      position &+= 8
    }
    return same(count &- 8, UInt64.self)
  }
  if count >= 4 { return same(0, UInt32.self) && same(count &- 4, UInt32.self) }
  if count >= 2 { return same(0, UInt16.self) && same(count &- 2, UInt16.self) }
  return same(0, UInt8.self)
}

/// Whether `a` comes before `b` in the order of unsigned bytes.
@inline(__always)
private func comesBefore(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  let common = min(a.count, b.count)
  guard common > 0, let aBase = a.baseAddress, let bBase = b.baseAddress else {
    return a.count < b.count
  }
  // One number to compare, since branches on it would be mispredicted every other time.
  let order = Int(memcmp(aBase, bBase, common))
  return order &<< 32 &+ min(max(a.count &- b.count, -1), 1) < 0
}

private protocol RowBytes {
  /// Which of the first `count` rows are `length` bytes long; `nil` when none is.
  func ofLength(_ length: Int, _ count: Int) -> RowBits?
  subscript(row: Int) -> UnsafeRawBufferPointer { get }
}

private struct VariableRows<T: FixedWidthInteger & BitwiseCopyable>: RowBytes {
  let offsets: UnsafeBufferPointer<T>
  let base: UnsafeRawPointer

  init(_ offsets: UnsafeBufferPointer<T>, _ base: UnsafeRawPointer) {
    self.offsets = offsets
    self.base = base
  }

  func ofLength(_ length: Int, _ count: Int) -> RowBits? {
    guard let wanted = T(exactly: length), let base = offsets.baseAddress else { return nil }
    return RowBits(
      count: count,
      words: [UInt64](unsafeUninitializedCapacity: (count + 63) / 64) { target, initialized in
        initialized = (count + 63) / 64
        guard let out = target.baseAddress else { return }
        if MemoryLayout<T>.size == 4 {
          weir_lengths_equal_32(base, Int32(truncatingIfNeeded: wanted), out, count)
        } else {
          weir_lengths_equal_64(base, Int64(wanted), out, count)
        }
      })
  }

  @inline(__always)
  subscript(row: Int) -> UnsafeRawBufferPointer {
    let start = Int(truncatingIfNeeded: offsets[row])
    let end = Int(truncatingIfNeeded: offsets[row + 1])
    return UnsafeRawBufferPointer(start: base + start, count: end &- start)
  }
}

private struct FixedWidthRows: RowBytes {
  let base: UnsafeRawPointer
  let width: Int

  init(_ base: UnsafeRawPointer, _ width: Int) {
    self.base = base
    self.width = width
  }

  func ofLength(_ length: Int, _ count: Int) -> RowBits? {
    length == width ? RowBits(repeating: true, count: count) : nil
  }

  @inline(__always)
  subscript(row: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base + row * width, count: width)
  }
}

/// Matches rows against a LIKE pattern, see `LikePattern`.
final class LikeMatcher {
  private struct Piece {
    var bytes: [UInt8]
    var hasOnes: Bool
  }

  private let first: Piece
  private let last: Piece
  private let between: [Piece]
  /// Without a `%` there is one piece, which is all of the text.
  private let isWhole: Bool

  init(_ pattern: LikePattern) {
    let pieces = pattern.pieces.map {
      Piece(bytes: $0, hasOnes: $0.contains(LikePattern.oneByte))
    }
    first = pieces[0]
    last = pieces[pieces.count - 1]
    between = pieces.count > 2 ? Array(pieces[1..<pieces.count - 1]) : []
    isWhole = pieces.count == 1
  }

  func matches(_ text: UnsafeRawBufferPointer) -> Bool {
    guard let afterFirst = Self.end(of: first, in: text, at: 0) else { return false }
    if isWhole { return afterFirst == text.count }
    guard let lastStart = startOfLast(text), lastStart >= afterFirst else { return false }
    let middle = UnsafeRawBufferPointer(rebasing: text[..<lastStart])
    var position = afterFirst
    for piece in between {
      guard let end = Self.find(piece, in: middle, from: position) else { return false }
      position = end
    }
    return true
  }

  /// Where the last piece begins if it stands at the end; it is matched backwards, since a `_` may
  /// stand for several bytes.
  private func startOfLast(_ text: UnsafeRawBufferPointer) -> Int? {
    var position = text.count
    for byte in last.bytes.reversed() {
      guard position > 0 else { return nil }
      position -= 1
      if byte == LikePattern.oneByte {
        while position > 0 && text[position] & 0xc0 == 0x80 { position -= 1 }
      } else if text[position] != byte {
        return nil
      }
    }
    return position
  }

  /// Where `piece` ends if it stands at `start`.
  @inline(__always)
  private static func end(of piece: Piece, in text: UnsafeRawBufferPointer, at start: Int) -> Int? {
    var position = start
    for byte in piece.bytes {
      guard position < text.count else { return nil }
      if byte == LikePattern.oneByte {
        position += 1
        while position < text.count && text[position] & 0xc0 == 0x80 { position += 1 }
      } else {
        if text[position] != byte { return nil }
        position += 1
      }
    }
    return position
  }

  /// Where the first occurrence of `piece` from `start` on ends.
  private static func find(_ piece: Piece, in text: UnsafeRawBufferPointer, from start: Int) -> Int?
  {
    if piece.hasOnes {
      var position = start
      while position < text.count {
        if text[position] & 0xc0 != 0x80, let end = end(of: piece, in: text, at: position) {
          return end
        }
        position += 1
      }
      return nil
    }
    return piece.bytes.withUnsafeBytes { find($0, in: text, from: start) }
  }

  private static func find(
    _ piece: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer, from start: Int
  ) -> Int? {
    guard let base = text.baseAddress, let other = piece.baseAddress, piece.count > 0 else {
      return start
    }
    var position = start
    while text.count - position >= piece.count {
      let places = text.count - position - piece.count + 1
      guard let next = memchr(base + position, Int32(piece[0]), places) else { return nil }
      position = UnsafeRawPointer(next) - base
      if memcmp(base + position, other, piece.count) == 0 { return position + piece.count }
      position += 1
    }
    return nil
  }
}
