// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Random tables and filters: no file with a matching row is passed over, and on the files that are
/// planned the residual keeps the same rows as the filter.
@Suite struct PlannerPropertyTests {
  @Test(arguments: 0..<12)
  func planningLosesNoRow(_ seed: Int) throws {
    var world = try RandomTable(seed: UInt64(seed) + 1)
    var (planned, passed) = (0, 0)
    for _ in 0..<60 {
      let filter = world.predicate(depth: world.random.int(0...2))
      let bound = try filter.bind(to: world.table.schema.arrowSchema())
      let planner = try world.table.plan(ScanOptions(where: filter))
      var tasks: [String: FileScanTask] = [:]
      while let task = try planner.next() { tasks[task.dataFile.path] = task }
      for (path, batch) in world.batches {
        let wanted = Array(try bound.selection(batch).rows)
        guard let task = tasks[path] else {
          #expect(wanted.isEmpty, "\(filter) passes over \(path)")
          passed += 1
          continue
        }
        planned += 1
        let rows = Array(try task.residual.selection(batch).rows)
        #expect(rows == wanted, "\(filter) leaves \(task.residual.predicate)")
      }
    }
    // The test tests something.
    #expect(planned > 0 && passed > 0)
  }

  @Test func planningIsTheSameEveryTime() throws {
    var world = try RandomTable(seed: 99)
    let filter = world.predicate(depth: 1)
    func paths() throws -> [String] {
      let planner = try world.table.plan(ScanOptions(where: filter))
      var paths: [String] = []
      while let task = try planner.next() { paths.append(task.dataFile.path) }
      return paths
    }
    let first = try paths()
    #expect(try paths() == first)
  }
}

/// A table whose files are described in manifests only; their rows are kept beside.
private struct RandomTable {
  var random: SeededRandom
  let table: Table
  var batches: [String: RecordBatch] = [:]
  private var pool: [[Scalar]] = []
  private var count = 0

  static let fields: [(String, TableType)] = [
    ("i", .int), ("l", .long), ("s", .string), ("d", .date), ("ts", .timestamp),
    ("tz", .timestamptz), ("m", .decimal(precision: 9, scale: 2)), ("f", .double), ("b", .binary),
    ("k", .boolean),
  ]

  init(seed: UInt64) throws {
    random = SeededRandom(seed: seed)
    let test = try TestCatalog(seed: seed)
    let schema = TableSchema(
      Self.fields.enumerated().map { TableField(Int32($0 + 1), $1.0, $1.1) })
    _ = try test.catalog.createTable(test.identifier("t"), TableCreation(schema: schema))
    table = try test.catalog.table(test.identifier("t"))
    for _ in 0..<3 {
      let change = table.transaction()
      let update = change.updateSpec()
      for field in table.spec.fields where random.chance(0.5) { update.removeField(field.name) }
      var used: Set<Int32> = Set(table.spec.fields.flatMap(\.sourceIDs))
      for _ in 0..<random.int(0...2) {
        let index = random.int(0..<Self.fields.count)
        guard used.insert(Int32(index + 1)).inserted else { continue }
        let transform = transform(Self.fields[index].1)
        update.addField(Self.fields[index].0, transform, name: "p\(count)_\(index)")
      }
      try change.commit()
      for _ in 0..<random.int(1...3) { try append() }
    }
  }

  private mutating func transform(_ type: TableType) -> Transform {
    let all: [Transform] = [
      .identity, .bucket(random.int(1...5)), .truncate(random.int(1...4)), .year, .month, .day,
      .hour,
    ]
    return random.pick(all.filter { $0.resultType(of: type) != nil })
  }

  private mutating func value(_ type: TableType) -> Scalar {
    if random.chance(0.15) { return .null }
    switch type {
    case .int: return .int(Int64(random.int(-6...6)))
    case .long: return .int(random.chance(0.1) ? .max : Int64(random.int(-20...20)))
    case .string:
      return .string(
        random.pick(["", "a", "ab", "abc", "abcd", "b", "ä", "äö", "zz", "\u{10ffff}"]))
    case .date: return .int(Int64(random.int(-800...800)))
    case .timestamp, .timestamptz: return .int(Int64(random.int(-90_000...90_000)) * 1_000_000_007)
    case .decimal: return .decimal(Int128(random.int(-500...500)), scale: 2)
    case .double: return .float64(random.pick([-.infinity, -1.5, -0.0, 0, 2.25, 1e9, .nan]))
    case .binary: return .binary(random.pick([[], [0], [255], [255, 255], [1, 2, 3], [1, 2]]))
    default: return .bool(random.chance(0.5))
    }
  }

  /// Random rows, a file for each partition they fall into.
  private mutating func append() throws {
    let spec = table.spec
    var groups: [[Scalar]: [[Scalar]]] = [:]
    for _ in 0..<random.int(1...12) {
      let row = Self.fields.map { value($0.1) }
      pool.append(row)
      let partition = try spec.fields.map { field in
        let index = Int(field.sourceID) - 1
        return try field.transform.apply(row[index], Self.fields[index].1)
      }
      groups[partition, default: []].append(row)
    }
    let change = table.transaction()
    let files = change.append()
    for (partition, rows) in groups {
      count += 1
      let path = "memory://w/house/data/f\(count).parquet"
      let columns = try Self.fields.enumerated().map { index, field in
        try array(field.1.arrowType, rows.map { $0[index] })
      }
      batches[path] = try RecordBatch(schema: table.schema.arrowSchema(), columns: columns)
      files.add(
        DataFile(
          path: path, specID: spec.specID, partition: partition, recordCount: rows.count,
          fileSizeInBytes: 1_000, metrics: try metrics(rows)))
    }
    try change.commit()
  }

  private mutating func metrics(_ rows: [[Scalar]]) throws -> FileMetrics {
    var metrics = FileMetrics()
    if random.chance(0.2) { return metrics }
    var (values, nulls, nans): ([Int32: Int64], [Int32: Int64], [Int32: Int64]) = ([:], [:], [:])
    var (lower, upper): ([Int32: [UInt8]], [Int32: [UInt8]]) = ([:], [:])
    for (index, field) in Self.fields.enumerated() where random.chance(0.9) {
      let id = Int32(index + 1)
      let column = rows.map { $0[index] }
      let known = column.filter { !$0.isNull && !BoundOrder.isNaN($0) }
        .sorted { BoundOrder.precedes($0, $1) }
      values[id] = Int64(rows.count)
      nulls[id] = Int64(column.count { $0.isNull })
      if field.1 == .double, random.chance(0.7) {
        nans[id] = Int64(column.count { BoundOrder.isNaN($0) })
      }
      guard let first = known.first, let last = known.last else { continue }
      let length = random.int(1...3)
      lower[id] = try SingleValue.encode(
        SingleValue.truncatedLower(first, length: length), as: field.1)
      upper[id] = try SingleValue.truncatedUpper(last, length: length)
        .map { try SingleValue.encode($0, as: field.1) }
    }
    metrics.valueCounts = values
    metrics.nullValueCounts = nulls
    metrics.nanValueCounts = nans
    metrics.lowerBounds = lower
    metrics.upperBounds = upper
    return metrics
  }

  mutating func predicate(depth: Int) -> WeirColumnar.Predicate {
    if depth > 0 {
      let parts = (0..<random.int(2...3)).map { _ in predicate(depth: depth - 1) }
      return switch random.int(0...2) {
      case 0: .and(parts)
      case 1: .or(parts)
      default: .not(parts[0])
      }
    }
    let index = random.int(0..<Self.fields.count)
    let (name, type) = Self.fields[index]
    let term = Term(name)
    switch random.int(0...9) {
    case 0: return .isNull(term)
    case 1: return .notNull(term)
    case 2 where type == .double: return random.chance(0.5) ? .isNaN(term) : .notNaN(term)
    case 3 where type == .string:
      let prefix = random.pick(["a", "ab", "ä", "z", "", "abcdef"])
      return random.chance(0.7) ? .startsWith(term, prefix) : .notStartsWith(term, prefix)
    case 4, 5:
      let values = (0..<random.int(1...4)).compactMap { _ in literal(index, type) }
      guard !values.isEmpty else { return .isNull(term) }
      return random.chance(0.7) ? .isIn(term, values) : .notIn(term, values)
    default:
      guard let literal = literal(index, type) else { return .notNull(term) }
      return .compare(random.pick(WeirColumnar.Predicate.Operator.allCases), term, literal)
    }
  }

  /// Mostly a value that occurs.
  private mutating func literal(_ index: Int, _ type: TableType) -> Literal? {
    let scalar = random.chance(0.7) ? random.pick(pool)[index] : value(type)
    return Literal(scalar, as: type.arrowType)
  }
}
