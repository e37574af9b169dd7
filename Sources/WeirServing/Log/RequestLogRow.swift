// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
public import WeirStreaming

/// The row of the request log for one answer, column by column: nothing goes through single values that
/// comes by the hundred.
struct RequestLogRow {
  let answer: Recommendation
  let view: FeatureView
  let user: FeatureRows?
  let ranked: Surface.Ranked
  let scores: [Double]
  let sourceNames: [String]
  /// For each cap the candidates' groups.
  let groups: [[String?]]

  /// - Throws: `invalidArgument` when the log's columns are not those of the view.
  func batch(_ schema: Schema) throws(StreamError) -> RecordBatch {
    var columns: [ArrayData] = []
    do throws(ColumnarError) {
      for field in schema.fields {
        columns.append(try Self.retyped(try column(field), field.type))
      }
      return try RecordBatch(schema: schema, columns: columns, rowCount: 1)
    } catch { throw StreamError(error) }
  }

  private func column(_ field: Field) throws(ColumnarError) -> ArrayData {
    let served = answer.items
    switch field.name {
    case RequestLog.requestID: return try Self.one(field, .string(answer.requestID))
    case RequestLog.surface: return try Self.one(field, .string(answer.surface))
    case view.user.key.name: return try Self.one(field, answer.user.scalar)
    case RequestLog.at: return try Self.one(field, .int(answer.time))
    case RequestLog.modelVersion:
      return try Self.one(field, answer.modelVersion.map { .int($0) } ?? .null)
    case RequestLog.items:
      return Self.list(field, try ids(served.map { ranked.candidates.items[$0.row] }))
    case RequestLog.scores: return Self.list(field, Self.doubles(served.map(\.score)))
    case RequestLog.propensities: return Self.list(field, Self.doubles(served.map(\.propensity)))
    case RequestLog.sources: return Self.list(field, try Self.texts(served.map(\.source)))
    case RequestLog.fallbacks: return Self.list(field, try Self.texts(answer.fallbacks))
    case RequestLog.userOffsets:
      return Self.list(field, Self.longs(user?.offsets.first ?? []))
    case RequestLog.itemOffsets:
      return try Self.one(
        field,
        .list(served.map { .list(ranked.features.offsets[$0.row].map { .int($0) }) }))
    case RequestLog.candidates: return Self.list(field, try candidates(field.type.children[0].type))
    default: break
    }
    if let column = user?.columns[field.name] { return column }
    if let column = ranked.features.columns[field.name] {
      return Self.list(field, try column.take(served.map(\.row)))
    }
    return try Self.one(field, .null)
  }

  private func ids(_ items: [EntityID]) throws(ColumnarError) -> ArrayData {
    do throws(StreamError) {
      return try EntityID.column(items, view.item.key.type)
    } catch { throw ColumnarError(.invalidArgument, error.message) }
  }

  private func candidates(_ type: DataType) throws(ColumnarError) -> ArrayData {
    let all = ranked.candidates
    var children: [ArrayData] = []
    for member in type.children {
      switch member.name {
      case "item": children.append(try ids(all.items))
      case "source": children.append(try Self.texts(all.sources.map { sourceNames[$0] }))
      case "score": children.append(Self.doubles(scores))
      case "retrieved": children.append(Self.doubles(all.scores))
      case "groups":
        let builder = ListBuilder(member.type)
        for candidate in all.items.indices {
          for group in groups {
            try builder.items.append(group[candidate].map { .string($0) } ?? .null)
          }
          try builder.appendList()
        }
        children.append(builder.finish())
      default:
        let builder = makeBuilder(for: member.type)
        for _ in all.items { builder.appendNull() }
        children.append(builder.finish())
      }
    }
    let parts = zip(children, type.children)
    var retyped: [ArrayData] = []
    for (child, member) in parts { retyped.append(try Self.retyped(child, member.type)) }
    return ArrayData(type: type, length: all.items.count, children: retyped)
  }

  // MARK: Arrays

  private static func one(_ field: Field, _ value: Scalar) throws(ColumnarError) -> ArrayData {
    let builder = makeBuilder(for: field.type)
    try builder.append(value)
    return builder.finish()
  }

  /// One row that holds all of `items`.
  private static func list(_ field: Field, _ items: ArrayData) -> ArrayData {
    let offsets = PrimitiveBuilder<Int32>(.int32)
    offsets.append(contentsOf: [0, Int32(items.length)])
    let element = field.type.children.first ?? Field("element", items.type)
    return ArrayData(
      type: .list(Field(element.name, items.type, nullable: element.nullable)), length: 1,
      buffers: [offsets.finish().buffers[0]], children: [items])
  }

  private static func doubles(_ values: [Double]) -> ArrayData {
    let builder = PrimitiveBuilder<Double>(.float64)
    builder.append(contentsOf: values)
    return builder.finish()
  }

  private static func longs(_ values: [Int64]) -> ArrayData {
    let builder = PrimitiveBuilder<Int64>(.int64)
    builder.append(contentsOf: values)
    return builder.finish()
  }

  private static func texts(_ values: [String]) throws(ColumnarError) -> ArrayData {
    let builder = BinaryBuilder(.utf8)
    try builder.append(contentsOf: values)
    return builder.finish()
  }

  /// The same memory under a type that names its fields otherwise.
  private static func retyped(_ array: ArrayData, _ type: DataType) throws(ColumnarError)
    -> ArrayData
  {
    if array.type == type { return array }
    guard array.type.layout == type.layout, array.children.count == type.children.count else {
      throw ColumnarError(
        .invalidArgument, "the request log has type \(type) where the view has \(array.type)")
    }
    var children: [ArrayData] = []
    for (child, field) in zip(array.children, type.children) {
      children.append(try retyped(child, field.type))
    }
    return ArrayData(
      type: type, length: array.length, offset: array.offset, nullCount: array.nullCount,
      validity: array.validity, buffers: array.buffers, children: children,
      dictionary: array.dictionary)
  }
}

extension Surface {
  func logRow(
    _ answer: Recommendation, _ user: FeatureRows?, _ ranked: Ranked, _ scores: [Double]
  ) throws(StreamError) -> RecordBatch? {
    guard let logStream else { return nil }
    return try RequestLogRow(
      answer: answer, view: shape.view, user: user, ranked: ranked, scores: scores,
      sourceNames: definition.sources.map(\.name), groups: groups(ranked.features.columns)
    ).batch(logStream.inputSchema)
  }

  /// Writes an answer's row into the log and returns at once.
  ///
  /// - Parameter completion: called once, on any thread: when the row is durable, or with why it is not.
  public func writeLog(
    of answer: Recommendation, completion: @escaping @Sendable (StreamError?) -> Void
  ) {
    guard let row = answer.log, let logStream else { return completion(nil) }
    logStream.append(StreamAppend(batches: [row])) { result in
      switch result {
      case .success: completion(nil)
      case .failure(let error): completion(error)
      }
    }
  }
}
