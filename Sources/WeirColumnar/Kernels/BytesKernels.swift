// SPDX-License-Identifier: Apache-2.0
// Safe: offsets lead into the data buffer (arrays from outside were validated); needles are arrays
// that live while their closure runs.

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
      return value.withUnsafeBytes { value in
        RowBits(count: length, among: among) { row in
          let bytes = rows[row]
          return bytes.count == value.count && startsAlike(bytes, value)
        }
      }
    case .compare(let op, let value):
      return value.withUnsafeBytes { value in
        RowBits(count: length, among: among) { op.holds(order(rows[$0], value)) }
      }
    case .isIn(let table):
      return RowBits(count: length, among: among) { table.contains(rows[$0]) }
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

/// Whether the first bytes of `bytes`, which has at least as many, are those of `start`.
@inline(__always)
private func startsAlike(_ bytes: UnsafeRawBufferPointer, _ start: UnsafeRawBufferPointer) -> Bool {
  guard start.count > 0, let base = bytes.baseAddress, let other = start.baseAddress else {
    return true
  }
  return base.load(as: UInt8.self) == other.load(as: UInt8.self)
    && memcmp(base, other, start.count) == 0
}

@inline(__always)
private func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
  let common = min(a.count, b.count)
  if common > 0, let aBase = a.baseAddress, let bBase = b.baseAddress {
    let result = memcmp(aBase, bBase, common)
    if result != 0 { return Int(result) }
  }
  return a.count - b.count
}

private protocol RowBytes {
  subscript(row: Int) -> UnsafeRawBufferPointer { get }
}

private struct VariableRows<T: FixedWidthInteger & BitwiseCopyable>: RowBytes {
  let offsets: UnsafeBufferPointer<T>
  let base: UnsafeRawPointer

  init(_ offsets: UnsafeBufferPointer<T>, _ base: UnsafeRawPointer) {
    self.offsets = offsets
    self.base = base
  }

  @inline(__always)
  subscript(row: Int) -> UnsafeRawBufferPointer {
    let start = Int(truncatingIfNeeded: offsets[row])
    let end = Int(truncatingIfNeeded: offsets[row + 1])
    return UnsafeRawBufferPointer(start: base + start, count: end - start)
  }
}

private struct FixedWidthRows: RowBytes {
  let base: UnsafeRawPointer
  let width: Int

  init(_ base: UnsafeRawPointer, _ width: Int) {
    self.base = base
    self.width = width
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
