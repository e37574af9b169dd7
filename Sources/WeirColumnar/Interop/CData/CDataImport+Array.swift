// SPDX-License-Identifier: Apache-2.0

package import CWeirKernels

extension CDataImport {
  /// Reads one array of the type that `schema` describes.
  package static func array(
    from source: UnsafeMutablePointer<ArrowArray>, schema: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) -> (field: Field, array: ArrayData) {
    let owned = try take(source)
    let imported = try imported(schema)
    return (imported.field, try array(owned, imported.wire))
  }

  /// Reads a struct array as a batch, with its own schema.
  package static func batch(
    from source: UnsafeMutablePointer<ArrowArray>, schema: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) -> RecordBatch {
    let owned = try take(source)
    let imported = try imported(schema)
    return try batch(owned, imported.wire, schema: try imported.schema())
  }

  /// Reads a struct array as a batch of `schema`, whose columns come as `wire` says.
  static func batch(
    _ source: ImportedArray, _ wire: WireType, schema: Schema
  ) throws(ColumnarError) -> RecordBatch {
    let array = try array(source, wire)
    guard array.nullCount == 0 else {
      throw ColumnarError(
        .unsupported,
        "a record batch cannot have rows that are null as a whole; "
          + "send them as rows with null columns")
    }
    // Without nulls of its own the struct is only its children, cut to its rows.
    return RecordBatch(
      trusted: schema,
      columns: array.children.map { $0.slice(offset: array.offset, length: array.length) },
      rowCount: array.length)
  }

  /// Moves the struct out of the caller's memory; it is released when the last buffer is gone.
  static func take(
    _ source: UnsafeMutablePointer<ArrowArray>
  ) throws(ColumnarError) -> ImportedArray {
    guard source.pointee.release != nil else {
      throw ColumnarError(.invalidArgument, "the Arrow array was released before it was imported")
    }
    let owned = ImportedArray(moving: source)
    source.pointee.release = nil
    return owned
  }

  static func array(
    _ source: ImportedArray, _ wire: WireType
  ) throws(ColumnarError) -> ArrayData {
    // Buffers share the owner, and the owner keeps the struct. Without a buffer it goes right away.
    let owner = BufferOwner(release: { source.release() })
    return try ArrayImporter(owner: owner).array(source.pointer.pointee, wire)
  }
}

/// A moved `ArrowArray`.
///
/// Safe: the struct lies in memory of this object alone; it is only read until `release`, which the
/// interface allows on any thread and which runs once, from the one buffer owner or from `deinit`.
final class ImportedArray: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<ArrowArray>

  init(moving source: UnsafeMutablePointer<ArrowArray>) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: source.pointee)
  }

  deinit {
    release()
    pointer.deallocate()
  }

  func release() {
    if let release = pointer.pointee.release { release(pointer) }
    pointer.pointee.release = nil
  }
}

/// Builds arrays on a producer's memory, level by level.
private struct ArrayImporter {
  let owner: BufferOwner

  func array(_ source: ArrowArray, _ wire: WireType) throws(ColumnarError) -> ArrayData {
    let rows = try WireSize.checked(source.length, "an array's length")
    // Nothing of an empty array's buffers is looked at, so its offset does not matter.
    let offset = rows == 0 ? 0 : try WireSize.checked(source.offset, "an array's offset")
    let layout = wire.type.layout
    try checkCounts(source, wire)
    let children = try children(source, wire)
    var dictionary: ArrayData?
    if let values = wire.dictionary {
      guard let pointer = source.dictionary else {
        throw ColumnarError(.invalidData, "the array's dictionary is missing")
      }
      dictionary = try array(pointer.pointee, values)
    }
    if layout == .null { return ArrayData(type: .null, length: rows) }

    let end = offset + rows
    let validity = try validity(source, end)
    if wire.isView { return try views(source, wire, validity, offset: offset, length: rows) }
    let buffers = try buffers(source, wire.type, offset: offset, end: end)
    try checkChildren(children, wire.type, buffers, end: end)
    return ArrayData(
      type: wire.type, length: rows, offset: offset, validity: validity, buffers: buffers,
      children: children, dictionary: dictionary)
  }

  /// Numbers of buffers and children by type.
  private func checkCounts(_ source: ArrowArray, _ wire: WireType) throws(ColumnarError) {
    let expected =
      switch wire.type.layout {
      case .null: 0
      case .struct, .fixedSizeList: 1
      case .bits, .fixedWidth, .list, .dictionary: 2
      case .variableBinary: 3
      }
    // Some producers still give null arrays the validity buffer that early versions had.
    let fits =
      wire.isView || wire.type == .null
      ? source.n_buffers >= expected : source.n_buffers == expected
    guard fits, source.n_buffers <= Int64(Int32.max), source.n_buffers == 0 || source.buffers != nil
    else {
      throw ColumnarError(
        .invalidData, "the array has \(source.n_buffers) buffers, \(wire.type) needs \(expected)")
    }
    guard source.n_children == Int64(wire.children.count),
      source.n_children == 0 || source.children != nil
    else {
      throw ColumnarError(
        .invalidData,
        "the array has \(source.n_children) children, \(wire.type) needs \(wire.children.count)")
    }
    guard source.null_count >= -1 else {
      throw ColumnarError(.invalidData, "the array's null count is \(source.null_count)")
    }
  }

  private func children(
    _ source: ArrowArray, _ wire: WireType
  ) throws(ColumnarError) -> [ArrayData] {
    var result: [ArrayData] = []
    for (index, child) in wire.children.enumerated() {
      let name = wire.type.children[index].name
      guard let pointer = source.children[index], pointer.pointee.release != nil else {
        throw ColumnarError(.invalidData, "the child is missing or was released", column: name)
      }
      do throws(ColumnarError) {
        result.append(try array(pointer.pointee, child))
      } catch {
        throw error.inColumn(name)
      }
    }
    return result
  }

  private func validity(_ source: ArrowArray, _ end: Int) throws(ColumnarError) -> Buffer? {
    guard source.length > 0, source.null_count != 0, source.n_buffers > 0 else { return nil }
    guard source.buffers[0] != nil else {
      guard source.null_count < 0 else {
        throw ColumnarError(
          .invalidData, "the array has \(source.null_count) nulls but no validity buffer")
      }
      return nil
    }
    return try buffer(source, 0, count: Bitmap.byteCount(end), alignment: 1)
  }

  /// The buffers behind the validity, for the rows up to `end`.
  private func buffers(
    _ source: ArrowArray, _ type: DataType, offset: Int, end: Int
  ) throws(ColumnarError) -> [Buffer] {
    let empty = source.length == 0
    let alignment = type.valueAlignment
    func sized(_ count: Int) throws(ColumnarError) -> Buffer {
      empty ? Buffer() : try buffer(source, 1, count: count, alignment: alignment)
    }
    switch type.layout {
    case .null, .struct, .fixedSizeList: return []
    case .bits: return [try sized(Bitmap.byteCount(end))]
    case .fixedWidth(let width): return [try sized(try WireSize.bytes(end, width))]
    case .dictionary(let width): return [try sized(try WireSize.bytes(end, width))]
    case .list(let width): return [try sized(try WireSize.bytes(end + 1, width))]
    case .variableBinary(let width):
      let offsets = try sized(try WireSize.bytes(end + 1, width))
      if empty { return [offsets, Buffer()] }
      let count = try Self.end(offsets, width, from: offset, to: end)
      return [offsets, try buffer(source, 2, count: count, alignment: 1)]
    }
  }

  /// The last offset, which is the size of what the offsets point into.
  private static func end(
    _ offsets: Buffer, _ width: Int, from first: Int, to last: Int
  ) throws(ColumnarError) -> Int {
    func offset(_ index: Int) -> Int64 {
      // Safe: `offsets` holds `last + 1` of them.
      width == 4
        ? Int64(offsets.base.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
        : offsets.base.loadUnaligned(fromByteOffset: index * 8, as: Int64.self)
    }
    defer { withExtendedLifetime(offsets) {} }
    guard offset(first) >= 0, offset(first) <= offset(last) else {
      throw ColumnarError(
        .invalidData, "the offsets run from \(offset(first)) to \(offset(last))")
    }
    return try WireSize.checked(offset(last), "the last offset")
  }

  private func checkChildren(
    _ children: [ArrayData], _ type: DataType, _ buffers: [Buffer], end: Int
  ) throws(ColumnarError) {
    guard let first = children.first, end > 0 else { return }
    let needed: Int
    switch type.layout {
    case .struct: needed = end
    case .fixedSizeList(let size): needed = try WireSize.bytes(end, size)
    case .list(let width):
      guard buffers[0].count > 0 else { return }
      needed = try Self.end(buffers[0], width, from: end, to: end)
    default: return
    }
    for (index, child) in children.enumerated() where child.length < needed {
      throw ColumnarError(
        .invalidData, "the child has \(child.length) rows, its parent needs \(needed)",
        column: type.children[index].name)
    }
    if case .map = type, first.nullCount > 0 || first.children[0].nullCount > 0 {
      throw ColumnarError(.invalidData, "a map has null entries or keys")
    }
  }

  /// One buffer of the producer, or a copy where the pointer is not aligned for its values.
  private func buffer(
    _ source: ArrowArray, _ index: Int, count: Int, alignment: Int
  ) throws(ColumnarError) -> Buffer {
    guard count > 0 else { return Buffer() }
    guard let base = source.buffers[index] else {
      throw ColumnarError(.invalidData, "buffer \(index) of \(count) bytes is missing")
    }
    if alignment > 1 && UInt(bitPattern: base) % UInt(alignment) != 0 {
      return Buffer(copying: UnsafeRawBufferPointer(start: base, count: count))
    }
    return Buffer(owner: owner, base: base, count: count)
  }

  private func views(
    _ source: ArrowArray, _ wire: WireType, _ validity: Buffer?, offset: Int, length: Int
  ) throws(ColumnarError) -> ArrayData {
    if length == 0 { return ArrayData(type: wire.type, length: 0, buffers: [Buffer(), Buffer()]) }
    // Validity, views, any number of data buffers, and the sizes of these.
    guard source.n_buffers >= 3 else {
      throw ColumnarError(.invalidData, "an array of views has \(source.n_buffers) buffers")
    }
    let dataCount = Int(source.n_buffers) - 3
    let sizes = try buffer(source, dataCount + 2, count: dataCount * 8, alignment: 8)
      .array(of: Int64.self)
    var data: [Buffer] = []
    for (index, size) in sizes.enumerated() {
      let count = try WireSize.checked(size, "the size of a data buffer")
      data.append(try buffer(source, index + 2, count: count, alignment: 1))
    }
    let views = try buffer(
      source, 1, count: try WireSize.bytes(offset + length, 16), alignment: 1)
    let converted = try ViewConversion.convert(
      views: views, validity: validity, offset: offset, length: length, data: data,
      bytesMax: WireSize.lengthMax)
    return ArrayData(
      type: wire.type, length: length,
      validity: validity.map { ViewConversion.rebased($0, offset: offset, length: length) },
      buffers: [converted.offsets, converted.bytes])
  }
}
