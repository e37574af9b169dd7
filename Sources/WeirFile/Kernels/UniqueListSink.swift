// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer or Scratch reserved.

internal import CWeirKernels
internal import WeirColumnar

/// Lists as a dictionary array: the lists that differ, each decoded once, and every row's number of
/// one.
///
/// Windows on a pool are the same list when their starts and lengths are; lists of other pages are
/// all taken for different ones. Numbers ascend by first appearance.
final class UniqueListSink: ColumnSink {
  private let lists: ListSink
  private let numbers = MutableBuffer()
  /// Numbers of windows by start and length, of the pool with this number.
  private var table: WindowTable?
  private var pool: UInt64 = .max

  /// - Parameter type: a dictionary type with indices of 32 bits and lists as values.
  override init(_ type: DataType, _ limit: SinkLimit) {
    guard case .dictionary(.int32, let value, _) = type, case .list(let width) = value.layout else {
      preconditionFailure("\(type) is no dictionary of lists")
    }
    lists = ListSink(value, limit, offsetWidth: width)
    super.init(type, limit)
  }

  override func expect(_ rows: Int) {
    super.expect(rows)
    if let bytes = limit.bytes(rows, 4) { numbers.reserve(bytes) }
    lists.expect(rows)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    if count == 0 { return }
    guard node.encoding == .window else {
      let first = lists.length
      try lists.append(node, start, count, decoder)
      try append(count) { numbers in
        for row in 0..<count { numbers[row] = Int32(truncatingIfNeeded: first + row) }
      }
      return
    }
    var reader = PoolReader(try decoder.auxiliary(node, .pool, nil))
    let scratch = Scratch(min(count, chunkCount) * 8)
    let starts = scratch.pointer(UInt32.self)
    let lengths = starts + min(count, chunkCount)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      try decoder.indices(node.children[0], start + offset, number, starts)
      try decoder.indices(node.children[1], start + offset, number, lengths)
      try appendWindows(starts, lengths, number, node.a, &reader)
    }
    withExtendedLifetime(scratch) {}
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    // Nulls need a number that is there.
    let first = lists.length
    try lists.appendEmpty()
    try append(count) { $0.update(repeating: Int32(truncatingIfNeeded: first), count: count) }
  }

  private func appendWindows(
    _ starts: UnsafeMutablePointer<UInt32>, _ lengths: UnsafeMutablePointer<UInt32>, _ count: Int,
    _ pool: UInt64, _ reader: inout PoolReader
  ) throws(WeirFileError) {
    guard weir_first_outside(starts, lengths, UInt64(reader.count), count) < 0 else {
      throw .damaged("a window that leads out of its pool")
    }
    if pool != self.pool || table == nil || !table!.hasRoom(count) {
      try limit.take(max(expectedRows - length, count), WindowTable.rowByteCount)
      table = WindowTable(rows: max(expectedRows - length, count))
      self.pool = pool
    }
    let firsts = Scratch(count * 4)
    let first = firsts.pointer(UInt32.self)
    var found = 0
    try append(count) { numbers in
      found = table!.number(starts, lengths, count, from: lists.length, numbers, first)
    }
    // Those that are new move to the front: the first of them is never before its place.
    for index in 0..<found {
      starts[index] = starts[Int(first[index])]
      lengths[index] = lengths[Int(first[index])]
    }
    try lists.append(starts, lengths, found, &reader)
    withExtendedLifetime(firsts) {}
  }

  private func append(
    _ count: Int, _ body: (UnsafeMutablePointer<Int32>) -> Void
  ) throws(WeirFileError) {
    try limit.take(count, 4)
    body(numbers.reserveTail(count * 4).assumingMemoryBound(to: Int32.self))
    numbers.advance(by: count * 4)
    guard lists.length <= Int(Int32.max) - count else {
      throw WeirFileError(.limitExceeded, "more than 2^31 lists; read fewer rows at once")
    }
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(
      type: type, length: length, validity: finishValidity(), buffers: [numbers.finish()],
      dictionary: try lists.finish())
  }
}

/// Numbers of windows by their start and length.
private struct WindowTable {
  private let memory: Scratch
  private let mask: Int
  private var room: Int

  /// Bytes of the table for each row that it has room for, at most.
  static let rowByteCount = 4 * 12

  init(rows: Int) {
    var places = 16
    while places < rows * 2 { places *= 2 }
    mask = places - 1
    room = places / 2
    memory = Scratch(places * 12)
    memory.pointer(UInt64.self).update(repeating: .max, count: places)
  }

  func hasRoom(_ count: Int) -> Bool { count <= room }

  mutating func number(
    _ starts: UnsafePointer<UInt32>, _ lengths: UnsafePointer<UInt32>, _ count: Int, from next: Int,
    _ out: UnsafeMutablePointer<Int32>, _ firsts: UnsafeMutablePointer<UInt32>
  ) -> Int {
    let numbers = (memory.base + (mask + 1) * 8).assumingMemoryBound(to: UInt32.self)
    let found = weir_number_windows(
      starts, lengths, count, memory.pointer(UInt64.self), numbers, mask,
      UInt32(truncatingIfNeeded: next), out, firsts)
    room -= found
    return found
  }
}
