// SPDX-License-Identifier: Apache-2.0

/// Builds list and large list arrays: append the items to `items`, then call `appendList()`.
public final class ListBuilder: ArrayBuilder {
  public let type: DataType
  /// Takes the items of the row that the next `appendList()` closes.
  public let items: any ArrayBuilder
  private let itemField: Field
  private let offsets: OffsetsBuilder
  private let validity = ValidityBuilder()

  public var length: Int { validity.length }

  /// - Parameter type: a `list` or `largeList`; another traps.
  public convenience init(_ type: DataType) {
    self.init(type, items: nil)
  }

  /// - Parameter items: the builder to use for the items, `nil` for a new one.
  public init(_ type: DataType, items: (any ArrayBuilder)?) {
    guard case .list(let width) = type.layout, type.children.count == 1 else {
      preconditionFailure("\(type) is no list")
    }
    self.type = type
    self.itemField = type.children[0]
    self.items = items ?? makeBuilder(for: type.children[0].type)
    self.offsets = OffsetsBuilder(width: width)
  }

  public func reserve(_ additional: Int) { offsets.reserve(additional) }

  /// Closes a row: it holds the items that came since the last one.
  public func appendList() throws(ColumnarError) {
    try offsets.append(items.length)
    validity.appendValid()
  }

  public func appendNull() {
    offsets.appendSame()
    validity.appendNull()
  }

  public func appendPlaceholder() {
    offsets.appendSame()
    validity.appendValid()
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .list(let values):
      let start = items.length
      do throws(ColumnarError) {
        for value in values { try items.appendChild(value, itemField) }
        try appendList()
      } catch {
        items.truncate(to: start)
        throw error
      }
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    offsets.truncate(to: length)
    items.truncate(to: offsets.last)
  }

  public func finish() -> ArrayData {
    validity.finish(as: type, buffers: [offsets.finish()], children: [items.finish()])
  }
}

/// Builds fixed-size list arrays: append exactly `size` items to `items`, then call `appendList()`.
public final class FixedSizeListBuilder: ArrayBuilder {
  public let type: DataType
  public let size: Int
  public let items: any ArrayBuilder
  private let itemField: Field
  private let validity = ValidityBuilder()

  public var length: Int { validity.length }

  /// - Parameter type: a `fixedSizeList`; another traps.
  public init(_ type: DataType) {
    guard case .fixedSizeList(let field, let size) = type, size >= 0 else {
      preconditionFailure("\(type) is no fixed-size list")
    }
    self.type = type
    self.size = size
    self.itemField = field
    self.items = makeBuilder(for: field.type)
  }

  public func reserve(_ additional: Int) { items.reserve(additional * size) }

  /// Closes a row; `size` items must have come since the last one (a caller's bug otherwise).
  public func appendList() {
    precondition(items.length == (length + 1) * size, "a row of \(type) needs \(size) items")
    validity.appendValid()
  }

  public func appendNull() {
    appendItemPlaceholders()
    validity.appendNull()
  }

  public func appendPlaceholder() {
    appendItemPlaceholders()
    validity.appendValid()
  }

  private func appendItemPlaceholders() {
    for _ in 0..<size { items.appendPlaceholder() }
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .list(let values) where values.count == size:
      let start = items.length
      do throws(ColumnarError) {
        for value in values { try items.appendChild(value, itemField) }
      } catch {
        items.truncate(to: start)
        throw error
      }
      appendList()
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    items.truncate(to: length * size)
  }

  public func finish() -> ArrayData {
    validity.finish(as: type, children: [items.finish()])
  }
}

/// Builds struct arrays: append one row to each of `fields`, then call `appendStruct()`.
public final class StructBuilder: ArrayBuilder {
  public let type: DataType
  /// One builder for each field.
  public let fields: [any ArrayBuilder]
  private let validity = ValidityBuilder()

  public var length: Int { validity.length }

  /// - Parameter type: a `struct`; another traps.
  public init(_ type: DataType) {
    guard case .struct(let fields) = type else { preconditionFailure("\(type) is no struct") }
    self.type = type
    self.fields = fields.map { makeBuilder(for: $0.type) }
  }

  public func reserve(_ additional: Int) {
    for field in fields { field.reserve(additional) }
  }

  /// Closes a row; each field must have one more row now (a caller's bug otherwise).
  public func appendStruct() {
    for field in fields {
      precondition(field.length == length + 1, "a struct's fields need one value a row")
    }
    validity.appendValid()
  }

  public func appendNull() {
    for field in fields { field.appendPlaceholder() }
    validity.appendNull()
  }

  public func appendPlaceholder() {
    for field in fields { field.appendPlaceholder() }
    validity.appendValid()
  }

  /// Takes `struct` scalars whose members are the fields, in order and by name.
  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .struct(let members) where members.count == fields.count:
      let start = length
      do throws(ColumnarError) {
        for (index, field) in type.children.enumerated() {
          guard members[index].name == field.name else { throw mismatch(scalar) }
          try fields[index].appendChild(members[index].value, field)
        }
      } catch {
        for field in fields where field.length > start { field.truncate(to: start) }
        throw error
      }
      validity.appendValid()
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    for field in fields { field.truncate(to: length) }
  }

  public func finish() -> ArrayData {
    validity.finish(as: type, children: fields.map { $0.finish() })
  }
}

/// Builds map arrays: append entries to `keys` and `values`, then call `appendMap()`.
public final class MapBuilder: ArrayBuilder {
  public let type: DataType
  public let keys: any ArrayBuilder
  public let values: any ArrayBuilder
  private let entryType: DataType
  private let offsets = OffsetsBuilder(width: 4)
  private let validity = ValidityBuilder()

  public var length: Int { validity.length }

  /// - Parameter type: a `map`; another traps.
  public init(_ type: DataType) {
    guard case .map(let entries, _) = type, entries.type.children.count == 2 else {
      preconditionFailure("\(type) is no map")
    }
    self.type = type
    self.entryType = entries.type
    self.keys = makeBuilder(for: entries.type.children[0].type)
    self.values = makeBuilder(for: entries.type.children[1].type)
  }

  public func reserve(_ additional: Int) { offsets.reserve(additional) }

  /// Closes a row: it holds the entries that came since the last one.
  public func appendMap() throws(ColumnarError) {
    precondition(keys.length == values.length, "a map needs as many values as keys")
    try offsets.append(keys.length)
    validity.appendValid()
  }

  public func appendNull() {
    offsets.appendSame()
    validity.appendNull()
  }

  public func appendPlaceholder() {
    offsets.appendSame()
    validity.appendValid()
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .map(let entries):
      let start = keys.length
      do throws(ColumnarError) {
        for entry in entries {
          try keys.appendChild(entry.key, entryType.children[0])
          try values.appendChild(entry.value, entryType.children[1])
        }
        try appendMap()
      } catch {
        keys.truncate(to: start)
        values.truncate(to: start)
        throw error
      }
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    offsets.truncate(to: length)
    keys.truncate(to: offsets.last)
    values.truncate(to: offsets.last)
  }

  public func finish() -> ArrayData {
    let entries = ArrayData(
      type: entryType, length: keys.length, children: [keys.finish(), values.finish()])
    return validity.finish(as: type, buffers: [offsets.finish()], children: [entries])
  }
}

extension ArrayBuilder {
  /// Appends the value of a nested type's child, or of a batch's column.
  func appendChild(_ scalar: Scalar, _ field: Field) throws(ColumnarError) {
    if scalar.isNull && !field.nullable {
      throw ColumnarError(
        .invalidArgument, "the field does not allow nulls", column: field.name)
    }
    do throws(ColumnarError) {
      try append(scalar)
    } catch {
      throw error.inColumn(field.name)
    }
  }
}
