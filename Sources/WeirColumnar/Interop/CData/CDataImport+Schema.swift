// SPDX-License-Identifier: Apache-2.0

package import CWeirKernels

/// Takes schemas, arrays and streams from another library of this process by the Arrow C data
/// interface, without copying columns.
///
/// Every function takes its struct over: it is released, or will be, also when an error is thrown, and
/// the caller must not touch it again. The producer's pointers are trusted, as the interface demands;
/// counts, lengths and offsets are checked.
///
/// Safe: what is taken over is read only until it is released.
package enum CDataImport {
  /// Reads a struct type as a schema.
  package static func schema(
    from source: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) -> Schema {
    try imported(source).schema()
  }

  /// Reads one column's type, name and metadata.
  package static func field(
    from source: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) -> Field {
    try imported(source).field
  }

  static func imported(
    _ source: UnsafeMutablePointer<ArrowSchema>
  ) throws(ColumnarError) -> ImportedField {
    guard source.pointee.release != nil else {
      throw ColumnarError(.invalidArgument, "the Arrow schema was released before it was imported")
    }
    defer { source.pointee.release?(source) }
    return try ImportedField(source.pointee, depth: 0)
  }
}

/// A field that came through the C data interface, with how its arrays will come.
struct ImportedField: Sendable {
  let field: Field
  let wire: WireType

  init(_ source: ArrowSchema, depth: Int) throws(ColumnarError) {
    let name = source.name.map { String(cString: $0) } ?? ""
    guard depth <= WireType.depthMax else { throw WireType.tooDeep() }
    do throws(ColumnarError) {
      guard source.release != nil else {
        throw ColumnarError(.invalidArgument, "a part of the Arrow schema was released")
      }
      let wire = try Self.wire(source, depth: depth)
      let (id, metadata) = FieldMetadata.incoming(try CDataMetadata.decode(source.metadata))
      self.wire = wire
      field = Field(
        name, wire.type, nullable: source.flags & Int64(ARROW_FLAG_NULLABLE) != 0, id: id,
        metadata: metadata)
    } catch {
      throw depth == 0 && name.isEmpty ? error : error.inColumn(name)
    }
  }

  /// The field's children as the columns of a schema.
  func schema() throws(ColumnarError) -> Schema {
    guard case .struct(let fields) = field.type else {
      throw ColumnarError(
        .invalidArgument, "a schema must be of a struct type, this one is \(field.type)")
    }
    return Schema(fields, metadata: field.metadata)
  }

  private static func wire(_ source: ArrowSchema, depth: Int) throws(ColumnarError) -> WireType {
    guard let format = source.format else {
      throw ColumnarError(.invalidArgument, "the Arrow schema has no format")
    }
    let children = try children(source, depth: depth)
    let own = try wire(
      String(cString: format), children,
      keysSorted: source.flags & Int64(ARROW_FLAG_MAP_KEYS_SORTED) != 0)
    guard let dictionary = source.dictionary else { return own }
    let values = try ImportedField(dictionary.pointee, depth: depth + 1).wire
    let type = try WireType.dictionary(
      index: own.type, values: values.type,
      ordered: source.flags & Int64(ARROW_FLAG_DICTIONARY_ORDERED) != 0)
    return WireType(type, dictionary: values)
  }

  private static func wire(
    _ format: String, _ children: [ImportedField], keysSorted: Bool
  ) throws(ColumnarError) -> WireType {
    let parsed = try CDataFormat.parse(format)
    let wires = children.map(\.wire)
    let expected: Int? =
      switch parsed {
      case .leaf, .view: 0
      case .list, .largeList, .fixedSizeList, .map: 1
      case .struct: nil
      }
    guard expected == nil || children.count == expected else {
      throw ColumnarError(
        .invalidData, "the format \"\(format)\" comes with \(children.count) children")
    }
    return switch parsed {
    case .leaf(let type): WireType(type)
    case .view(let type): WireType(type, isView: true)
    case .list: WireType(.list(children[0].field), children: wires)
    case .largeList: WireType(.largeList(children[0].field), children: wires)
    case .fixedSizeList(let size):
      WireType(.fixedSizeList(children[0].field, size: size), children: wires)
    case .struct: WireType(.struct(children.map(\.field)), children: wires)
    case .map:
      WireType(
        try WireType.map(entries: children[0].field, keysSorted: keysSorted), children: wires)
    }
  }

  private static func children(
    _ source: ArrowSchema, depth: Int
  ) throws(ColumnarError) -> [ImportedField] {
    guard source.n_children != 0 else { return [] }
    guard source.n_children > 0, source.n_children <= Int64(Int32.max), let list = source.children
    else {
      throw ColumnarError(.invalidData, "the Arrow schema says \(source.n_children) children")
    }
    var children: [ImportedField] = []
    for index in 0..<Int(source.n_children) {
      guard let child = list[index] else {
        throw ColumnarError(.invalidData, "child \(index) of the Arrow schema is missing")
      }
      children.append(try ImportedField(child.pointee, depth: depth + 1))
    }
    return children
  }
}
