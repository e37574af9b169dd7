// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// A feature, bound to the columns of the source.
struct FeaturePlan: Sendable {
  let feature: ProfileFeature
  /// Which events count; `nil` for all.
  let filter: BoundPredicate?
  /// For a ratio: the events above and below the line.
  let above: BoundPredicate?
  let below: BoundPredicate?
  /// The columns whose values are kept or summed.
  let valueNames: [String]
  /// The feature's column of the profile's table.
  let field: Field
  /// `nil` for lists.
  let number: FeatureNumber?

  /// The last member of the structs of `last`.
  static let timeName = "event_time"

  init(_ feature: ProfileFeature, _ source: Schema) throws(StreamError) {
    self.feature = feature
    filter = try feature.filter.map { filter throws(StreamError) in
      try Self.bind(filter, source, feature)
    }
    var (above, below): (BoundPredicate?, BoundPredicate?) = (nil, nil)
    var names: [String] = []
    let type: DataType
    switch feature.function {
    case .count: type = .int64
    case .sum(let column), .mean(let column):
      names = [column]
      type = .float64
      guard Self.isNumeric(try Self.field(column, source, feature).type) else {
        throw Self.error(feature, "the column '\(column)' has no numbers", column)
      }
    case .ratio(let of, let to, let prior, let weight):
      above = try Self.bind(of, source, feature)
      below = try Self.bind(to, source, feature)
      guard prior.isFinite, weight.isFinite, weight >= 0 else {
        throw Self.error(feature, "the weight must be a number of at least 0, the prior a number")
      }
      type = .float64
    case .decayedCount(let halfLife):
      guard halfLife > 0 else { throw Self.error(feature, "the half-life must be positive") }
      type = .float64
    case .last(let columns, _):
      names = columns
      type = try Self.listType(names, source, feature)
    case .topK(let columns, let by, _):
      names = columns.contains(by) ? columns : columns + [by]
      type = try Self.listType(names, source, feature)
      guard Self.isNumeric(try Self.field(by, source, feature).type) else {
        throw Self.error(feature, "the column '\(by)' has no numbers", by)
      }
    case .firstTime, .lastTime: type = .timestamp(.microsecond, timeZone: "UTC")
    }
    try Self.check(feature, names)
    self.above = above
    self.below = below
    valueNames = names
    field = Field(feature.name, type)
    number = FeatureNumber(feature.function)
  }

  private static func check(
    _ feature: ProfileFeature, _ names: [String]
  ) throws(StreamError) {
    switch feature.function {
    case .last(_, let count), .topK(_, _, let count):
      guard (1...ProfileFeature.lastCountMax).contains(count) else {
        throw error(
          feature, "keeps \(count) events; it must be 1 to \(ProfileFeature.lastCountMax)")
      }
      for name in feature.distinct where !names.contains(name) {
        throw error(feature, "'distinct' names '\(name)', which is not kept", name)
      }
    default:
      guard feature.distinct.isEmpty else { throw error(feature, "takes no 'distinct'") }
    }
    guard feature.window != nil else { return }
    switch feature.function {
    case .decayedCount, .last, .topK, .firstTime, .lastTime: throw error(feature, "takes no window")
    default: break
    }
  }

  /// For lists of events: the places of the columns that tell them apart, and of the one that orders them.
  var distinctPlaces: [Int] { feature.distinct.compactMap { valueNames.firstIndex(of: $0) } }
  var orderPlace: Int? {
    if case .topK(_, let by, _) = feature.function { valueNames.firstIndex(of: by) } else { nil }
  }

  private static func listType(
    _ columns: [String], _ source: Schema, _ feature: ProfileFeature
  ) throws(StreamError) -> DataType {
    var members: [Field] = []
    for column in columns {
      guard column != timeName, !members.contains(where: { $0.name == column }) else {
        throw error(feature, "the column '\(column)' comes twice", column)
      }
      let field = try field(column, source, feature)
      guard field.type.children.isEmpty else {
        throw error(
          feature, "the column '\(column)' is nested; take columns of single values", column)
      }
      members.append(Field(column, field.type))
    }
    members.append(Field(timeName, .timestamp(.microsecond, timeZone: "UTC"), nullable: false))
    return .list(Field("element", .struct(members), nullable: false))
  }

  private static func bind(
    _ predicate: Predicate, _ source: Schema, _ feature: ProfileFeature
  ) throws(StreamError) -> BoundPredicate {
    do throws(ColumnarError) {
      return try predicate.bind(to: source)
    } catch { throw self.error(feature, error.message, error.column) }
  }

  private static func field(
    _ name: String, _ source: Schema, _ feature: ProfileFeature
  ) throws(StreamError) -> Field {
    if let field = source[name] { return field }
    let close = NameSuggestion.closest(to: name, source.fields.map(\.name))
    throw error(
      feature,
      "the source has no column '\(name)'"
        + (close.map { "; did you mean '\($0)'?" } ?? ""), name)
  }

  private static func isNumeric(_ type: DataType) -> Bool {
    switch type {
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .float16, .float32,
      .float64, .decimal128:
      true
    default: false
    }
  }

  private static func error(
    _ feature: ProfileFeature, _ message: String, _ column: String? = nil
  ) -> StreamError {
    StreamError(.invalidArgument, "the feature '\(feature.name)': \(message)", column: column)
  }

  /// A number as a double; `nil` for null and for what is none.
  static func double(_ value: Scalar) -> Double? {
    switch value {
    case .int(let value): Double(value)
    case .uint(let value): Double(value)
    case .float16(let value): Double(value)
    case .float32(let value): Double(value)
    case .float64(let value): value
    case .decimal(let value, let scale): Double(value) / tenToThe(scale)
    default: nil
    }
  }

  private static func tenToThe(_ scale: Int) -> Double {
    (0..<max(0, scale)).reduce(1.0) { power, _ in power * 10 }
  }
}

/// The events of one batch as a profile's features see them.
struct ProfileEvents {
  /// Rows that count, ascending.
  let rows: [Int]
  private let batch: RecordBatch
  private let times: EventTimes
  private let knownAts: ArrayData
  private let shards: ArrayData
  private let offsets: ArrayData
  /// By feature: which rows count, as bool arrays; `nil` for all.
  private var masks: [ArrayData?] = []
  private var above: [ArrayData?] = []
  private var below: [ArrayData?] = []
  private var values: [[ArrayData]] = []

  /// - Parameter batch: with the source's columns, and those that say where a row is and when it was
  ///   known.
  init(
    _ batch: RecordBatch, eventTime: String, entity: [String], filter: BoundPredicate?,
    _ plans: [FeaturePlan]
  ) throws(StreamError) {
    self.batch = batch
    times = try EventTimes(Self.column(batch, eventTime), eventTime)
    knownAts = try Self.column(batch, StreamColumns.knownAt)
    shards = try Self.column(batch, StreamColumns.shard)
    offsets = try Self.column(batch, StreamColumns.offset)
    var keys: [ArrayData] = []
    for name in entity { keys.append(try Self.column(batch, name)) }
    do throws(ColumnarError) {
      let selected = try filter?.selection(batch).rows ?? Array(0..<batch.rowCount)
      let times = times
      // Events of nobody, or of no time, belong to no profile.
      rows = selected.filter { row in
        times.column.isValid(row) && keys.allSatisfy { $0.isValid(row) }
      }
      for plan in plans {
        masks.append(try plan.filter?.selection(batch).mask)
        above.append(try plan.above?.selection(batch).mask)
        below.append(try plan.below?.selection(batch).mask)
        values.append(plan.valueNames.compactMap { batch[$0] })
      }
    } catch { throw StreamError(error) }
  }

  private static func column(_ batch: RecordBatch, _ name: String) throws(StreamError) -> ArrayData
  {
    if let column = batch[name] { return column }
    throw StreamError(.invalidArgument, "the events lack the column", column: name)
  }

  private func int(_ column: ArrayData, _ row: Int) -> Int64 {
    if case .int(let value) = column.scalar(at: row) { value } else { 0 }
  }

  func shard(_ row: Int) -> Int { Int(int(shards, row)) }
  func offset(_ row: Int) -> Int64 { int(offsets, row) }
  /// Microseconds.
  func knownAt(_ row: Int) -> Int64 { int(knownAts, row) }

  /// Microseconds.
  func time(_ row: Int) -> Int64 { times.microseconds(row) }

  private func isTrue(_ mask: ArrayData?, _ row: Int) -> Bool {
    guard let mask else { return true }
    return mask.scalar(at: row) == .bool(true)
  }

  /// Whether the row counts for a feature at all.
  func counts(_ row: Int, for feature: Int) -> Bool { isTrue(masks[feature], row) }
  func isAbove(_ row: Int, for feature: Int) -> Bool { isTrue(above[feature], row) }
  func isBelow(_ row: Int, for feature: Int) -> Bool { isTrue(below[feature], row) }

  func values(_ row: Int, for feature: Int) -> [Scalar] {
    values[feature].map { $0.scalar(at: row) }
  }
}

extension ProfileState {
  /// Takes an event in. One at an offset that is behind the state's position was taken before.
  ///
  /// - Returns: whether the state changed.
  mutating func apply(_ row: Int, of events: ProfileEvents, _ plans: [FeaturePlan]) -> Bool {
    let (shard, offset) = (events.shard(row), events.offset(row))
    guard offset >= positions[shard] ?? 0 || Defect.pipelineForgetsDuplicates.isPlanted else {
      return false
    }
    take(row, of: events, plans)
    return true
  }

  /// Takes an event in that was not taken before; events may come in any order.
  mutating func take(_ row: Int, of events: ProfileEvents, _ plans: [FeaturePlan]) {
    let (shard, offset) = (events.shard(row), events.offset(row))
    let time = events.time(row)
    let known = events.knownAt(row)
    positions[shard] = max(positions[shard] ?? 0, offset + 1)
    knownAt = max(knownAt, known)
    // A clock that is wrong must not push all else out of the windows.
    let (limit, isBeyond) = known.addingReportingOverflow(Self.futureMicrosecondsMax)
    guard isBeyond || time <= limit else { return }
    latest = max(latest, time)
    for feature in plans.indices {
      if events.counts(row, for: feature) { add(row, of: events, plans[feature], feature, time) }
      guard case .tiles(var run) = features[feature] else { continue }
      features[feature] = .tiles(TileRun(nil))
      run.expire(latest)
      features[feature] = .tiles(run)
    }
  }

  /// Events that happen later than this after they were known are not counted.
  static let futureMicrosecondsMax: Int64 = 86_400 * 1_000_000

  private mutating func add(
    _ row: Int, of events: ProfileEvents, _ plan: FeaturePlan, _ feature: Int, _ time: Int64
  ) {
    switch features[feature] {
    case .decayed(var sum):
      sum.add(1, time: time)
      features[feature] = .decayed(sum)
    case .times(let earliest, let latest):
      features[feature] = .times(
        earliest: min(earliest ?? time, time), latest: max(latest ?? time, time))
    case .last(var last):
      features[feature] = .times(earliest: nil, latest: nil)
      last.add(
        LastEvents.Entry(
          time: time, shard: events.shard(row), offset: events.offset(row),
          values: events.values(row, for: feature)))
      features[feature] = .last(last)
    case .tiles(var run):
      switch plan.feature.function {
      case .sum, .mean:
        guard let value = events.values(row, for: feature).first.flatMap(FeaturePlan.double),
          value.isFinite
        else { return }
        run.add(time: time) { tile in
          tile.count += 1
          tile.sum.add(value)
        }
      case .ratio:
        let (isAbove, isBelow) = (
          events.isAbove(row, for: feature), events.isBelow(row, for: feature)
        )
        guard isAbove || isBelow else { return }
        run.add(time: time) { tile in
          tile.count += isAbove ? 1 : 0
          tile.others += isBelow ? 1 : 0
        }
      default: run.add(time: time) { $0.count += 1 }
      }
      features[feature] = .tiles(run)
    }
  }
}
