// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A leaf of a file's schema: what one column chunk per row group holds.
public struct ColumnInfo: Sendable {
  /// Position among the leaves; also of its chunk within a row group.
  public let index: Int
  /// Path from the root, with dots.
  public let path: String
  public let physicalType: PhysicalType
  public let logicalType: LogicalType?
  /// The Arrow type that its values are read as.
  public let type: DataType
  /// Whether a list or a map lies above it.
  public let isRepeated: Bool

  let leaf: LeafColumn

  init(_ leaf: LeafColumn, type: DataType) {
    index = leaf.index
    path = leaf.path
    physicalType = leaf.physicalType
    logicalType = leaf.logicalType
    self.type = type
    isRepeated = leaf.repetitionMax > 0
    self.leaf = leaf
  }

  /// A statistic's bytes as a value of `type`; `nil` when they say nothing.
  public func value(ofStatistic bytes: [UInt8]) -> Scalar? {
    var type = type
    if case .dictionary(_, let value, _) = type { type = value }
    guard hasStoredUnit, let bound = Bound(statistic: bytes, leaf: leaf, type: type) else {
      return nil
    }
    switch (bound, type) {
    case (.integer(let value), .bool): return .bool(value != 0)
    case (.integer(let value), .decimal128(_, let scale)): return .decimal(value, scale: scale)
    case (.integer(let value), .uint8), (.integer(let value), .uint16),
      (.integer(let value), .uint32), (.integer(let value), .uint64):
      return .uint(UInt64(truncatingIfNeeded: value))
    case (.integer(let value), _): return .int(Int64(truncatingIfNeeded: value))
    case (.number(let value), .float16): return .float16(Float16(value))
    case (.number(let value), .float32): return .float32(Float(value))
    case (.number(let value), _): return .float64(value)
    case (.bytes(let bytes), .utf8), (.bytes(let bytes), .largeUtf8):
      return .string(String(decoding: bytes, as: UTF8.self))
    case (.bytes(let bytes), _): return .binary(bytes)
    }
  }

  /// False where values are read in another unit than they are stored and counted in.
  var hasStoredUnit: Bool {
    switch (type, leaf.physicalType) {
    case (.date64, _), (.timestamp(.second, _), _), (_, .int96): false
    default: true
    }
  }
}

extension ParquetReader {
  /// All leaves, in file order.
  public var columnInfos: [ColumnInfo] { columns.flatMap(Self.infos) }

  static func infos(_ node: SchemaNode) -> [ColumnInfo] {
    switch node {
    case .leaf(let field, let leaf): [ColumnInfo(leaf, type: field.type)]
    case .structure(_, let children, _): children.flatMap(infos)
    case .list(_, let item, _): infos(item)
    }
  }

  /// The page index of a column chunk; `nil` for what the file does not have.
  public func pageIndex(
    rowGroup: Int, column: Int
  ) throws(ParquetError) -> (columns: ColumnIndex?, offsets: OffsetIndex?) {
    let chunk = metadata.rowGroups[rowGroup].columns[column]
    do throws(ParquetError) {
      return (
        try PageIndexes.columnIndex(of: chunk, reader: self),
        try PageIndexes.offsetIndex(of: chunk, reader: self)
      )
    } catch {
      throw error.adding(file: name, column: columnInfos[column].path, rowGroup: rowGroup)
    }
  }
}
