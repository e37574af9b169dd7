// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming

/// A row of the request log.
struct LoggedRequest {
  let requestID: String
  let surface: String
  let user: EntityID
  let time: Int64
  let modelVersion: Int64?
  let items: [EntityID]
  let scores: [Double]
  let propensities: [Double]
  let userOffsets: [Int64]
  let itemOffsets: [[Int64]]
  let candidates: [Candidate]
  /// One row of the user's side, a row for each item of the item's; as served.
  let userFeatures: RecordBatch
  let itemFeatures: RecordBatch
  let isUserKnown: Bool

  struct Candidate {
    var item: EntityID
    var score: Double
    var retrieved: Double
    var groups: [String?]
  }

  /// - Throws: `damaged` for a row that is no log of the view.
  init(_ batch: RecordBatch, row: Int, view: FeatureView) throws(StreamError) {
    func value(_ name: String) throws(StreamError) -> Scalar {
      if let column = batch[name] { return column.scalar(at: row) }
      throw StreamError(.damaged, "the request log lacks the column '\(name)'")
    }
    guard case .string(let requestID) = try value(RequestLog.requestID),
      case .string(let surface) = try value(RequestLog.surface),
      case .int(let time) = try value(RequestLog.at),
      let user = EntityID(try value(view.user.key.name))
    else { throw StreamError(.damaged, "a row of the request log lacks its key, user or time") }
    (self.requestID, self.surface, self.time, self.user) = (requestID, surface, time, user)
    if case .int(let version) = try value(RequestLog.modelVersion) {
      modelVersion = version
    } else {
      modelVersion = nil
    }
    items = Self.items(try value(RequestLog.items)).compactMap { EntityID($0) }
    scores = Self.items(try value(RequestLog.scores)).map(Self.double)
    propensities = Self.items(try value(RequestLog.propensities)).map(Self.double)
    userOffsets = Self.longs(try value(RequestLog.userOffsets))
    itemOffsets = Self.items(try value(RequestLog.itemOffsets)).map(Self.longs)
    candidates = Self.items(try value(RequestLog.candidates)).compactMap(Self.candidate)
    let fallbacks = Self.items(try value(RequestLog.fallbacks))
    isUserKnown = !fallbacks.contains(.string("user_failed"))
    let count = items.count
    guard scores.count == count, propensities.count == count, itemOffsets.count == count else {
      throw StreamError(.damaged, "the lists of request '\(requestID)' are not of one length")
    }
    var columns: [ArrayData] = []
    do throws(ColumnarError) {
      for field in view.user.columns {
        let builder = makeBuilder(for: field.type)
        try builder.append(batch[field.name]?.scalar(at: row) ?? .null)
        columns.append(builder.finish())
      }
      userFeatures = try RecordBatch(schema: Schema(view.user.columns), columns: columns)
      columns = []
      for field in view.item.columns {
        let builder = makeBuilder(for: field.type)
        let values = Self.items(batch[field.name]?.scalar(at: row) ?? .null)
        for place in 0..<count {
          try builder.append(place < values.count ? values[place] : .null)
        }
        columns.append(builder.finish())
      }
      itemFeatures = try RecordBatch(
        schema: Schema(view.item.columns), columns: columns, rowCount: count)
    } catch { throw StreamError(error) }
  }

  private static func items(_ value: Scalar) -> [Scalar] {
    if case .list(let items) = value { items } else { [] }
  }

  private static func longs(_ value: Scalar) -> [Int64] {
    items(value).map { if case .int(let value) = $0 { value } else { -1 } }
  }

  private static func double(_ value: Scalar) -> Double {
    if case .float64(let value) = value { value } else { .nan }
  }

  private static func candidate(_ value: Scalar) -> Candidate? {
    guard case .struct(let members) = value else { return nil }
    func member(_ name: String) -> Scalar {
      members.first { $0.name == name }?.value ?? .null
    }
    guard let item = EntityID(member("item")) else { return nil }
    return Candidate(
      item: item, score: double(member("score")), retrieved: double(member("retrieved")),
      groups: items(member("groups")).map {
        if case .string(let text) = $0 { text } else { nil }
      })
  }
}
