// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Examples by the plainest means: for each item of each request a pass over the events that name both.
struct NaiveExamples {
  static let clickWindow: Int64 = 5 * SimulatedFeedback.minute
  static let likeWindow: Int64 = 15 * SimulatedFeedback.minute
  static let labels = [("click", clickWindow), ("like", likeWindow)]

  let requests: [LoggedRow]
  /// By their requests.
  private let events: [Scalar: [LoggedRow]]
  /// The share of examples without a label that are kept.
  let rate: Double

  init(requests: [LoggedRow], events: [LoggedRow], rate: Double) {
    self.requests = requests
    self.events = Dictionary(grouping: events) { $0.values["request_id"] ?? .null }
    self.rate = rate
  }

  private func int(_ row: LoggedRow, _ name: String) -> Int64? {
    if case .int(let value)? = row.values[name] { value } else { nil }
  }

  /// The examples by request and item.
  ///
  func rows() -> [[Scalar]: [String: Scalar]] {
    var result: [[Scalar]: [String: Scalar]] = [:]
    for request in requests {
      guard let id = request.values["request_id"], case .list(let items)? = request.values["items"]
      else { continue }
      for (position, item) in items.enumerated() where result[[id, item]] == nil {
        result[[id, item]] = row(request, id, item, position)
      }
    }
    return result
  }

  private func row(
    _ request: LoggedRow, _ id: Scalar, _ item: Scalar, _ position: Int
  ) -> [String: Scalar]? {
    let start = int(request, "at") ?? 0
    let mine = (events[id] ?? []).filter { $0.values["item_id"] == item }
    var row: [String: Scalar] = [
      "request_id": id, "item_id": item, "position": .int(Int64(position)),
      "source": .string("served"),
    ]
    for name in ["user_id", "surface", "at", "model_version", "user_age"] {
      row[name] = request.values[name] ?? .null
    }
    for (name, list) in [("propensity", "propensities"), ("item_category", "item_category")] {
      if case .list(let values)? = request.values[list] { row[name] = values[position] }
    }
    var isLabelled = false
    for (name, window) in Self.labels {
      let times = mine.filter { $0.values["kind"] == .string(name) }
        .compactMap { int($0, "at") }.filter { $0 <= start + window }
      row[name] = .bool(!times.isEmpty)
      row[name + "_at"] = times.min().map { .int($0) } ?? .null
      isLabelled = isLabelled || !times.isEmpty
    }
    row["sampling_rate"] = .float32(isLabelled ? 1 : Float(rate))
    guard isLabelled || fraction(id, item) < rate else { return nil }
    return row
  }

  /// As the documents say it.
  private func fraction(_ id: Scalar, _ item: Scalar) -> Double {
    guard case .string(let id) = id, case .int(let item) = item else { return 1 }
    let digest = SHA256.digest(of: Array("\(id)\u{1f}\(item)".utf8))
    let bits = digest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Double(bits >> 11) / Double(UInt64(1) << 53)
  }
}
