// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What random schemas and arrays may hold.
public struct RandomOptions: Sendable {
  /// Types without children to choose from; `allLeafTypes` by default.
  public var leafTypes: [DataType] = RandomOptions.allLeafTypes
  /// Levels of nesting: 0 makes flat columns only.
  public var depthMax = 3
  public var lists = true
  public var largeLists = true
  public var fixedSizeLists = true
  public var structs = true
  public var maps = true
  public var dictionaries = true
  /// Chance that a field forbids nulls.
  public var requiredRate = 0.3
  /// Share of nulls in arrays that have some.
  public var nullRate = 0.2
  /// Arrays start at odd offsets, within larger buffers and children, and null rows hide garbage.
  public var slices = true
  /// The types' smallest and largest values, NaN, infinities, -0.0.
  public var extremes = true
  /// Items of one list, at most.
  public var itemsMax = 4
  /// Bytes of one string or binary value, at most (about).
  public var bytesMax = 20

  public init() {}

  /// One of each type without children and parameters' most important values.
  public static let allLeafTypes: [DataType] = [
    .null, .bool, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
    .float16, .float32, .float64,
    .decimal128(precision: 9, scale: 2), .decimal128(precision: 18, scale: 0),
    .decimal128(precision: 38, scale: 10),
    .date32, .date64, .time32(.second), .time32(.millisecond), .time64(.microsecond),
    .time64(.nanosecond),
    .timestamp(.second, timeZone: nil), .timestamp(.millisecond, timeZone: "UTC"),
    .timestamp(.microsecond, timeZone: "UTC"), .timestamp(.nanosecond, timeZone: nil),
    .duration(.millisecond), .duration(.nanosecond),
    .utf8, .largeUtf8, .binary, .largeBinary, .fixedSizeBinary(1), .fixedSizeBinary(7),
    .fixedSizeBinary(16),
  ]
}

extension SeededRandom {
  /// A type of at most `depth` levels of nesting (`options.depthMax` when `nil`).
  public mutating func type(_ options: RandomOptions = RandomOptions(), depth: Int? = nil)
    -> DataType
  {
    let depth = depth ?? options.depthMax
    if depth > 0 && chance(0.4), let nested = nestedType(options, depth: depth) { return nested }
    let leaf = pick(options.leafTypes)
    if options.dictionaries && leaf != .null && chance(0.1) {
      return .dictionary(
        index: pick([.int8, .int16, .int32, .int64, .uint8, .uint16, .uint32]), value: leaf,
        ordered: false)
    }
    return leaf
  }

  private mutating func nestedType(_ options: RandomOptions, depth: Int) -> DataType? {
    var kinds: [Int] = []
    if options.lists { kinds.append(0) }
    if options.largeLists { kinds.append(1) }
    if options.fixedSizeLists { kinds.append(2) }
    if options.structs { kinds.append(3) }
    if options.maps { kinds.append(4) }
    guard !kinds.isEmpty else { return nil }
    switch pick(kinds) {
    case 0: return .list(field("item", options, depth: depth - 1))
    case 1: return .largeList(field("item", options, depth: depth - 1))
    case 2: return .fixedSizeList(field("item", options, depth: depth - 1), size: int(1...3))
    case 3:
      return .struct((0..<int(1...3)).map { field("f\($0)", options, depth: depth - 1) })
    default:
      var keys = options
      keys.leafTypes = options.leafTypes.filter { $0 != .null }
      keys.dictionaries = false
      let value = field("value", options, depth: depth - 1)
      return .map(
        key: type(keys, depth: 0), value: value.type, valueNullable: value.nullable)
    }
  }

  /// A field of a random type.
  public mutating func field(_ name: String, _ options: RandomOptions, depth: Int? = nil) -> Field {
    let type = type(options, depth: depth)
    return Field(name, type, nullable: type == .null || !chance(options.requiredRate))
  }

  /// A schema of `columns` fields (1 to 6 when `nil`), called c0, c1, …
  public mutating func schema(_ options: RandomOptions = RandomOptions(), columns: Int? = nil)
    -> Schema
  {
    let count = columns ?? int(1...6)
    return Schema((0..<count).map { field("c\($0)", options) })
  }

  /// A batch of `rows` random rows.
  public mutating func batch(
    _ schema: Schema, rows: Int, _ options: RandomOptions = RandomOptions()
  ) -> RecordBatch {
    let columns = schema.fields.map {
      array($0.type, rows, nullable: $0.nullable, options)
    }
    do {
      return try RecordBatch(schema: schema, columns: columns, rowCount: rows)
    } catch {
      preconditionFailure("the generator made a wrong batch: \(error)")
    }
  }
}

/// The rows of `array`, for comparison by a naive oracle.
public func rows(_ array: ArrayData) -> [Scalar] {
  (0..<array.length).map { array.scalar(at: $0) }
}

/// The rows of `batch`, each with one value for each column.
public func rows(_ batch: RecordBatch) -> [[Scalar]] {
  (0..<batch.rowCount).map { row in batch.columns.map { $0.scalar(at: row) } }
}

/// An array of `type` that holds `rows`, through the type's builder.
public func array(_ type: DataType, _ rows: [Scalar]) throws(ColumnarError) -> ArrayData {
  let builder = makeBuilder(for: type)
  for row in rows { try builder.append(row) }
  return builder.finish()
}
