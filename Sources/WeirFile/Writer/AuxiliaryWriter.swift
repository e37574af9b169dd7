// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// An auxiliary array that is being written: pages that are in the file already, and what makes the
/// rest when the file is closed.
final class AuxiliaryWriter {
  let role: AuxiliaryRole
  let shift: Int
  fileprivate(set) var count = 0
  fileprivate(set) var pages: [(offset: Int, size: Int, crc: UInt32)] = []
  /// Pages that are made and not yet written.
  var ready: [EncodedNode] = []
  /// Whether more than one column refers to it.
  var isShared = false
  /// Its place, once the page table is written.
  private var recorded: ColumnDescriptor.Auxiliary?
  /// Gives the pages that are still to be written, in order.
  var remaining: () -> [EncodedNode] = { [] }

  init(_ role: AuxiliaryRole, shift: Int) {
    self.role = role
    self.shift = shift
  }

  var writtenByteCount: Int { pages.reduce(0) { $0 + $1.size } }

  func writeReady(_ sink: PageSink) throws(WeirFileError) {
    for node in ready { try append(node, sink) }
    ready = []
  }

  /// Writes a page that another file holds, of `count` values.
  func copy(_ bytes: Buffer, count: Int, _ sink: PageSink) throws(WeirFileError) {
    let place = try sink.write(bytes)
    pages.append((place.offset, place.size, place.crc))
    self.count += count
  }

  func append(_ node: EncodedNode, _ sink: PageSink) throws(WeirFileError) {
    let place = try sink.write(node.page())
    pages.append((place.offset, place.size, place.crc))
    count += role == .parts ? 1 : node.count
  }

  func finish(_ sink: PageSink) throws(WeirFileError) {
    try writeReady(sink)
    for node in remaining() { try append(node, sink) }
    remaining = { [] }
  }

  /// Writes the page table, once, and says where it is: columns that share the array name one table.
  func record(_ sink: PageSink) throws(WeirFileError) -> ColumnDescriptor.Auxiliary {
    if let recorded { return recorded }
    let table = MutableBuffer()
    for page in pages {
      table.put(UInt64(page.offset))
      table.put(UInt32(page.size))
      table.put(page.crc)
    }
    let place = try sink.write(table.finish())
    let record = ColumnDescriptor.Auxiliary(
      role: role, shift: shift, count: count, pageCount: pages.count, tableOffset: place.offset,
      tableCRC: place.crc)
    recorded = record
    return record
  }
}

/// Values cut into auxiliary pages of 2^shift.
func auxiliaryPages(
  _ count: Int, shift: Int, _ encode: (Range<Int>) -> EncodedNode
) -> [EncodedNode] {
  stride(from: 0, to: count, by: 1 << shift).map { encode($0..<min(count, $0 + 1 << shift)) }
}
