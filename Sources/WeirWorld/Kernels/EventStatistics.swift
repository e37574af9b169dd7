// SPDX-License-Identifier: Apache-2.0

// Safe: all pointers come from arrays of a batch that the caller holds, and indices stay below their
// lengths.

package import WeirColumnar

/// Counts what is in a table of events, batch by batch.
///
/// Works on any batches with the common columns of `EventSchema`; `position` and `policy` are looked
/// at when they are there. Memory grows with the number of users, items and days, up to
/// `distinctMax` each; beyond that, new ones are counted as `overflowed`.
package struct EventStatistics {
  package static let distinctMax = 8_000_000

  package struct Item: Sendable {
    /// Events that are no impressions.
    package var count = 0
    package var valueSum = 0.0
    package var valueCount = 0
  }

  /// Impressions and clicks of one position, or of one policy.
  package struct Clicks: Sendable {
    package var impressions = 0
    package var clicks = 0
  }

  package private(set) var rowCount = 0
  package private(set) var firstTime: Int64?
  package private(set) var lastTime: Int64?
  package private(set) var kinds: [String: Int] = [:]
  /// By day since 1970-01-01.
  package private(set) var days: [Int: Int] = [:]
  /// By hour of the day, in UTC.
  package private(set) var hours = [Int](repeating: 0, count: 24)
  package private(set) var users: Set<Int64> = []
  package private(set) var items: [Int64: Item] = [:]
  /// Values by their number of tenths, rounded.
  package private(set) var values: [Int: Int] = [:]
  package private(set) var valueSum = 0.0
  package private(set) var positions: [Int: Clicks] = [:]
  package private(set) var policies: [String: Clicks] = [:]
  package private(set) var overflowed = false

  package init() {}

  /// The names of the columns that are looked at, of those that `schema` has.
  package static func columns(in schema: Schema) -> [String] {
    (EventSchema.common.map(\.name) + ["position", "policy"]).filter { schema[$0] != nil }
  }

  /// - Throws: `invalidArgument` when a common column is missing or of another type.
  package mutating func add(_ batch: RecordBatch) throws(WorldError) {
    let time = try column(batch, EventSchema.eventTime.name) {
      if case .timestamp(.millisecond, _) = $0 { true } else { false }
    }
    let user = try column(batch, EventSchema.userID.name) { $0 == .int64 }
    let item = try column(batch, EventSchema.itemID.name) { $0 == .int64 }
    let event = try Names(try column(batch, EventSchema.event.name, Names.fits))
    let value = try column(batch, EventSchema.value.name) { $0 == .float32 }
    rowCount += batch.rowCount
    addTimes(time)
    addUsers(user)
    addKinds(event)
    addItems(item, event, value)
    addClicks(batch, event)
  }

  private func column(
    _ batch: RecordBatch, _ name: String, _ fits: (DataType) -> Bool
  ) throws(WorldError) -> ArrayData {
    guard let column = batch[name], fits(column.type) else {
      let type = batch[name].map { "is \($0.type)" } ?? "is missing"
      throw WorldError(
        .invalidArgument, "column \"\(name)\" of the table of events \(type)")
    }
    return column
  }

  private mutating func addTimes(_ array: ArrayData) {
    let times = array.values(as: Int64.self)
    for time in times {
      if time < firstTime ?? .max { firstTime = time }
      if time > lastTime ?? .min { lastTime = time }
      let day = EventTime.day(ofMilliseconds: time)
      hours[Int((time - Int64(day) * EventTime.millisecondsPerDay) / 3_600_000)] += 1
      if days.count < EventStatistics.distinctMax { days[day, default: 0] += 1 }
    }
  }

  private mutating func addUsers(_ array: ArrayData) {
    let ids = array.values(as: Int64.self)
    for index in 0..<array.length where array.isValid(index) {
      if users.count < EventStatistics.distinctMax {
        users.insert(ids[index])
      } else if !users.contains(ids[index]) {
        overflowed = true
      }
    }
  }

  private mutating func addKinds(_ event: Names) {
    var counts = [Int](repeating: 0, count: event.names.count)
    for code in event.codes { counts[code] += 1 }
    for (name, count) in zip(event.names, counts) where count > 0 {
      kinds[name, default: 0] += count
    }
  }

  private mutating func addItems(_ item: ArrayData, _ event: Names, _ value: ArrayData) {
    let ids = item.values(as: Int64.self)
    let amounts = value.values(as: Float.self)
    let hasValues = value.nullCount < value.length
    let impression = event.names.firstIndex(of: "impression") ?? -1
    for index in 0..<item.length {
      if items.count == EventStatistics.distinctMax && items[ids[index]] == nil {
        overflowed = true
        continue
      }
      let isImpression = event.codes[index] == impression
      var amount: Double?
      if hasValues && value.isValid(index) {
        let number = Double(amounts[index])
        amount = number
        valueSum += number
        // Far beyond any amount of ours; keeps the conversion from trapping.
        let tenths = Int(max(-1e12, min(1e12, number * 10)).rounded())
        if values.count < EventStatistics.distinctMax { values[tenths, default: 0] += 1 }
      }
      items[ids[index], default: Item()].add(isImpression ? 0 : 1, amount)
    }
  }

  private mutating func addClicks(_ batch: RecordBatch, _ event: Names) {
    guard let impression = event.names.firstIndex(of: "impression") else { return }
    let click = event.names.firstIndex(of: "click") ?? -1
    if let position = batch["position"], position.type == .int8 {
      let places = position.values(as: Int8.self)
      for index in 0..<batch.rowCount where position.isValid(index) {
        let code = event.codes[index]
        if code == impression { positions[Int(places[index]), default: Clicks()].impressions += 1 }
        if code == click { positions[Int(places[index]), default: Clicks()].clicks += 1 }
      }
    }
    if let column = batch["policy"], let policy = try? Names(column) {
      for index in 0..<batch.rowCount {
        let code = event.codes[index]
        let name = policy.names[policy.codes[index]]
        if code == impression { policies[name, default: Clicks()].impressions += 1 }
        if code == click { policies[name, default: Clicks()].clicks += 1 }
      }
    }
  }
}

extension EventStatistics.Item {
  fileprivate mutating func add(_ events: Int, _ value: Double?) {
    count += events
    if let value {
      valueSum += value
      valueCount += 1
    }
  }
}

/// A column of few distinct texts, as numbers of a list of names. Nulls are "null".
private struct Names {
  var names: [String] = []
  var codes: [Int] = []

  static func fits(_ type: DataType) -> Bool {
    switch type {
    case .utf8, .dictionary(_, .utf8, _): true
    default: false
    }
  }

  init(_ array: ArrayData) throws(WorldError) {
    guard Names.fits(array.type) else {
      throw WorldError(.invalidArgument, "a column of text was expected, not \(array.type)")
    }
    codes.reserveCapacity(array.length)
    var known: [String: Int] = [:]
    if case .dictionary = array.type, let values = array.dictionary,
      array.type == EventSchema.category
    {
      names = (0..<values.length).map { values.scalar(at: $0).text(as: .utf8) } + ["null"]
      let indices = array.values(as: Int32.self)
      for row in 0..<array.length {
        codes.append(array.isValid(row) ? Int(indices[row]) : names.count - 1)
      }
      return
    }
    for row in 0..<array.length {
      let name = array.scalar(at: row).text(as: .utf8)
      let code = known[name] ?? names.count
      if code == names.count {
        known[name] = code
        names.append(name)
      }
      codes.append(code)
    }
  }
}
