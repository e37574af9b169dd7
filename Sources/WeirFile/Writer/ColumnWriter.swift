// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// One column of a file that is being written: rows that wait for their page, and the pages so far.
final class ColumnWriter {
  let field: Field
  private let options: WeirFileWriteOptions
  private let context: ColumnContext
  private let encoder: ColumnEncoder
  private var pending: [ArrayData] = []
  private var pendingRows = 0
  private(set) var pendingBytes = 0
  private var pages: [ColumnDescriptor.DataPage] = []
  private var writtenRows = 0

  init(_ field: Field, _ options: WeirFileWriteOptions) {
    self.field = field
    self.options = options
    context = ColumnContext(options)
    encoder = ColumnEncoder.make(field.type, context)
  }

  /// Adds rows, and writes the pages that are full.
  func append(_ array: ArrayData, _ sink: PageSink) throws(WeirFileError) {
    var rest = array
    while rest.length > 0 {
      let bytes = RowBytes.of(rest)
      let perRow = Double(bytes) / Double(rest.length)
      let room = Int(Double(max(options.pageBytesMax - pendingBytes, 0)) / max(perRow, 0.01))
      let rows = min(rest.length, options.pageRowsMax - pendingRows, max(room, 1))
      pending.append(rest.slice(offset: 0, length: rows))
      pendingRows += rows
      pendingBytes += Int(perRow * Double(rows))
      rest = rest.slice(offset: rows, length: rest.length - rows)
      if pendingRows >= options.pageRowsMax || pendingBytes >= options.pageBytesMax {
        try flush(sink)
      }
    }
  }

  /// Writes a page of the rows that wait, if there are any.
  func flush(_ sink: PageSink) throws(WeirFileError) {
    if pendingRows == 0 { return }
    let array: ArrayData
    do throws(ColumnarError) {
      array = try pending.count == 1 ? pending[0] : ArrayData.concatenate(pending)
    } catch {
      throw WeirFileError(.limitExceeded, error.description, column: field.name)
    }
    pending = []
    pendingRows = 0
    pendingBytes = 0
    try write(encoder.encodePages(array), sink)
  }

  private func write(_ nodes: [EncodedNode], _ sink: PageSink) throws(WeirFileError) {
    for array in context.auxiliary { try array.writeReady(sink) }
    for node in nodes { try write(node, sink) }
  }

  private func write(_ node: EncodedNode, _ sink: PageSink) throws(WeirFileError) {
    let rows = node.count
    let part = try sink.write(node.page())
    pages.append(
      ColumnDescriptor.DataPage(
        firstRow: writtenRows, rowCount: rows, offset: part.offset, size: part.size, crc: part.crc))
    writtenRows += rows
  }

  /// Writes everything that is left.
  func finish(_ sink: PageSink) throws(WeirFileError) {
    try flush(sink)
    try write(encoder.remainingPages(), sink)
    for array in context.auxiliary { try array.finish(sink) }
  }

  /// Writes the page tables; everything else must have been written.
  func descriptor(_ sink: PageSink) throws(WeirFileError) -> ColumnDescriptor {
    var result = ColumnDescriptor()
    result.pages = pages
    for array in context.auxiliary { result.auxiliary.append(try array.record(sink)) }
    return result
  }
}

/// Bytes that the rows of an array take in memory, without what other slices of its buffers take.
enum RowBytes {
  static func of(_ array: ArrayData) -> Int {
    let validity = array.validity == nil ? 0 : array.length / 8
    switch array.type.layout {
    case .null: return 0
    case .bits: return validity + array.length / 8
    case .fixedWidth(let width): return validity + array.length * width
    case .variableBinary(let width), .list(let width):
      if array.length == 0 { return 0 }
      let (first, last): (Int, Int)
      if width == 4 {
        let offsets = array.offsets(as: Int32.self)
        (first, last) = (Int(offsets[0]), Int(offsets[array.length]))
      } else {
        let offsets = array.offsets(as: Int64.self)
        (first, last) = (Int(offsets[0]), Int(offsets[array.length]))
      }
      let own = validity + array.length * width
      guard let items = array.children.first else { return own + last - first }
      return own + of(items.slice(offset: first, length: last - first))
    case .fixedSizeList(let size):
      return validity
        + of(array.children[0].slice(offset: array.offset * size, length: array.length * size))
    case .struct:
      return array.children.reduce(validity) {
        $0 + of($1.slice(offset: array.offset, length: array.length))
      }
    case .dictionary(let width): return validity + array.length * width
    }
  }
}
