// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// One row of a request log.
struct ServedRequest {
  let id: String
  /// What was served, the first first.
  let items: [Scalar]
  /// Microseconds.
  let knownAt: Int64
  private let batch: RecordBatch
  private let row: Int

  /// Columns of the log that examples are made of.
  static func columns(_ view: FeatureView) -> [String] {
    let first = [
      RequestLog.requestID, RequestLog.surface, view.user.key.name, RequestLog.at,
      RequestLog.modelVersion, RequestLog.items, RequestLog.propensities,
    ]
    let features = (view.user.columns + view.item.columns).map(\.name)
    return first + features + [StreamColumns.knownAt, StreamColumns.shard, StreamColumns.offset]
  }

  /// - Returns: `nil` for a row that says that a request is gone, or that lacks what it needs.
  init?(_ batch: RecordBatch, row: Int) {
    guard case .string(let id)? = batch[RequestLog.requestID]?.scalar(at: row),
      case .list(let items)? = batch[RequestLog.items]?.scalar(at: row),
      case .int? = batch[RequestLog.at]?.scalar(at: row),
      batch[StreamColumns.operation]?.scalar(at: row) ?? .null != .int(1)
    else { return nil }
    self.id = id
    self.items = items
    self.batch = batch
    self.row = row
    if case .int(let time)? = batch[StreamColumns.knownAt]?.scalar(at: row) {
      knownAt = time
    } else {
      knownAt = 0
    }
  }

  /// The example of the item at a position, without labels.
  func example(_ position: Int, _ shape: ExampleShape) -> [Scalar] {
    var result = shape.emptyRow()
    result[ExampleShape.request] = .string(id)
    result[ExampleShape.item] = items[position]
    result[ExampleShape.user] = value(shape.view.user.key.name)
    result[ExampleShape.surface] = value(RequestLog.surface)
    result[ExampleShape.at] = value(RequestLog.at)
    result[ExampleShape.position] = .int(Int64(position))
    result[ExampleShape.modelVersion] = value(RequestLog.modelVersion)
    for (index, field) in shape.view.user.columns.enumerated() {
      result[ExampleShape.userFeatures + index] = value(field.name)
    }
    for (index, field) in shape.view.item.columns.enumerated() {
      result[shape.itemFeatures + index] = value(field.name, of: position)
    }
    result[shape.samplingRate] = .float32(Float(shape.definition.negativeRate))
    result[shape.propensity] = value(RequestLog.propensities, of: position)
    result[shape.source] = .string("served")
    return result
  }

  private func value(_ name: String) -> Scalar { batch[name]?.scalar(at: row) ?? .null }

  /// The value of one item, out of a list with one for each.
  private func value(_ name: String, of position: Int) -> Scalar {
    guard let column = batch[name], case .list = column.type, column.isValid(row) else {
      return .null
    }
    let range = column.itemRange(row)
    guard position < range.count else { return .null }
    return column.children[0].scalar(at: range.lowerBound + position)
  }
}
