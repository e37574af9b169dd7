// SPDX-License-Identifier: Apache-2.0

package import CWeirKernels

/// Hands schemas, arrays and streams to another library of this process by the Arrow C data interface.
///
/// Nothing is copied but names and metadata. The structs given are overwritten; whoever gets them must
/// call their `release` once, from any thread.
package enum CDataExport {
  /// Writes `schema` as a struct type, the way record batches travel.
  ///
  /// - Throws: `invalidArgument` when a name has a zero character, which C strings cannot hold.
  package static func export(
    _ schema: Schema, to target: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) {
    var field = Field("", .struct(schema.fields), nullable: false)
    field.metadata = schema.metadata
    for child in schema.fields { try checkNames(child) }
    ExportedSchema.make(field, at: target)
  }

  /// Writes the name, type, nullability and metadata of `field`.
  package static func export(
    _ field: Field, to target: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) {
    try checkNames(field)
    ExportedSchema.make(field, at: target)
  }

  private static func checkNames(_ field: Field) throws(ColumnarError) {
    do throws(ColumnarError) {
      guard !field.name.utf8.contains(0) else {
        throw ColumnarError(
          .invalidArgument, "a name with a zero character cannot pass the C data interface")
      }
      try checkNames(field.type)
    } catch {
      throw error.inColumn(field.name)
    }
  }

  private static func checkNames(_ type: DataType) throws(ColumnarError) {
    if case .timestamp(_, let zone?) = type, zone.utf8.contains(0) {
      throw ColumnarError(.invalidArgument, "the time zone has a zero character")
    }
    if case .dictionary(_, let values, _) = type { try checkNames(values) }
    for child in type.children { try checkNames(child) }
  }
}

/// The memory behind one exported `ArrowSchema`. Each level has its own, so that a consumer may move a
/// child out and release the parent.
///
/// Safe: the pointers are allocated in `init`, never shared, and freed in `deinit`, which the struct's
/// `release` triggers: it gives back the one reference that `private_data` holds.
private final class ExportedSchema {
  private let format: UnsafeMutablePointer<CChar>
  private let name: UnsafeMutablePointer<CChar>
  private let metadata: UnsafeMutablePointer<CChar>?
  private let children: UnsafeMutableBufferPointer<UnsafeMutablePointer<ArrowSchema>?>
  private let dictionary: UnsafeMutablePointer<ArrowSchema>?

  private init(_ field: Field) {
    format = Self.cString(CDataFormat.text(of: field.type))
    name = Self.cString(field.name)
    metadata = CDataMetadata.encode(FieldMetadata.outgoing(field)).map(Self.copy)
    let fields = field.type.children
    children = .allocate(capacity: fields.count)
    for (index, child) in fields.enumerated() {
      let target = UnsafeMutablePointer<ArrowSchema>.allocate(capacity: 1)
      Self.make(child, at: target)
      children.initializeElement(at: index, to: target)
    }
    if case .dictionary(_, let values, _) = field.type {
      let target = UnsafeMutablePointer<ArrowSchema>.allocate(capacity: 1)
      Self.make(Field("", values), at: target)
      dictionary = target
    } else {
      dictionary = nil
    }
  }

  deinit {
    format.deallocate()
    name.deallocate()
    metadata?.deallocate()
    for case let child? in children + [dictionary] {
      if let release = child.pointee.release { release(child) }
      child.deallocate()
    }
    children.deallocate()
  }

  static func make(_ field: Field, at target: UnsafeMutablePointer<ArrowSchema>) {
    let owner = ExportedSchema(field)
    var flags: Int64 = field.nullable ? Int64(ARROW_FLAG_NULLABLE) : 0
    if case .dictionary(_, _, true) = field.type { flags |= Int64(ARROW_FLAG_DICTIONARY_ORDERED) }
    if case .map(_, true) = field.type { flags |= Int64(ARROW_FLAG_MAP_KEYS_SORTED) }
    target.initialize(
      to: ArrowSchema(
        format: UnsafePointer(owner.format), name: UnsafePointer(owner.name),
        metadata: owner.metadata.map { UnsafePointer($0) }, flags: flags,
        n_children: Int64(owner.children.count),
        children: owner.children.isEmpty ? nil : owner.children.baseAddress,
        dictionary: owner.dictionary, release: releaseSchema,
        private_data: Unmanaged.passRetained(owner).toOpaque()))
  }

  private static func cString(_ text: String) -> UnsafeMutablePointer<CChar> {
    copy(text.utf8.map { CChar(bitPattern: $0) } + [0])
  }

  private static func copy(_ bytes: [CChar]) -> UnsafeMutablePointer<CChar> {
    let target = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
    _ = target.initialize(from: bytes)
    return target.baseAddress!
  }
}

private func releaseSchema(_ schema: UnsafeMutablePointer<ArrowSchema>?) {
  guard let schema, schema.pointee.release != nil, let owner = schema.pointee.private_data else {
    return
  }
  schema.pointee.release = nil
  schema.pointee.private_data = nil
  Unmanaged<ExportedSchema>.fromOpaque(owner).release()
}
