// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Changes between snapshots, against the difference of full scans.
@Suite struct ChangeScanTests {
  /// What a scan of changes told: per ordinal and type, rows with how often each came.
  private struct Told {
    var rows: [Int: [ChangeType: [String: Int]]] = [:]
    var snapshots: [Int: Int64] = [:]

    init(_ reader: ChangeReader) throws {
      var last = (ordinal: -1, came: false)
      while let batch = try reader.next() {
        try batch.validate(full: true)
        #expect(batch.schema == reader.schema && batch.rowCount > 0)
        let change = Array(batch.columns.suffix(3))
        for (row, text) in ChangeWorld.texts(batch).enumerated() {
          guard case .string(let name) = change[0].scalar(at: row),
            let type = ChangeType(rawValue: name),
            case .int(let ordinal) = change[1].scalar(at: row),
            case .int(let snapshot) = change[2].scalar(at: row)
          else {
            Issue.record("the columns of a change")
            return
          }
          rows[Int(ordinal), default: [:]][type, default: [:]][text, default: 0] += 1
          #expect(snapshots[Int(ordinal), default: snapshot] == snapshot)
          snapshots[Int(ordinal)] = snapshot
          let came = type == .insert || type == .updateAfter
          #expect((Int(ordinal), came ? 1 : 0) >= (last.ordinal, last.came ? 1 : 0))
          last = (Int(ordinal), came)
        }
      }
    }

    func count(_ ordinal: Int, _ types: ChangeType...) -> [String: Int] {
      types.reduce(into: [:]) { sum, type in
        sum.merge(rows[ordinal]?[type] ?? [:]) { $0 + $1 }
      }
    }

    func total(_ types: ChangeType...) -> [String: Int] {
      rows.keys.reduce(into: [:]) { sum, ordinal in
        for type in types { sum.merge(count(ordinal, type)) { $0 + $1 } }
      }
    }
  }

  /// What is in `a` oftener than in `b`.
  private func less(_ a: [String: Int], _ b: [String: Int]) -> [String: Int] {
    var result: [String: Int] = [:]
    for (row, count) in a where count > b[row, default: 0] {
      result[row] = count - b[row, default: 0]
    }
    return result
  }

  @Test(arguments: 0..<8) func randomHistory(_ seed: Int) throws {
    var world = try ChangeWorld(seed: seed, isUnique: false)
    let table = world.table
    for step in 0..<14 {
      try world.change()
      if step == 6 {
        let change = table.transaction()
        change.updateSchema().renameColumn("text", to: "word").addColumn("new", .int)
        try change.commit()
      }
    }
    let current = try #require(table.metadata.currentSnapshotID)
    let line = Array(table.metadata.ancestors(of: current).reversed())
    let states: [Snapshot?] = [nil] + line.map { $0 }
    for _ in 0..<4 {
      let first = world.random.int(0..<states.count - 1)
      let last = world.random.int(first + 1..<states.count)
      var options = ChangeScanOptions(
        from: states[first].map { .id($0.snapshotID) }, to: .id(states[last]!.snapshotID))
      options.batchRowsMax = world.random.pick([3, 65_536])
      options.pairingBytesMax = world.random.pick([640, 1 << 20])
      let schema = table.metadata.schema(of: states[last]!)
      let filter =
        world.random.chance(0.5)
        ? .always(true) : try WeirColumnar.Predicate(parsing: "id < \(world.random.int(1..<15))")
      options.filter = filter
      let all = try (first...last).map { try world.rows(states[$0], schema, where: filter) }
      let what: Comment = "seed \(seed), \(first) to \(last)"

      var ordinal = 0
      let told = try Told(try table.scanChanges(options))
      options.removesCarriedRows = false
      let raw = try Told(try table.scanChanges(options))
      for index in first + 1...last {
        let (old, new) = (all[index - first - 1], all[index - first])
        if states[index]!.operation == .replace {
          #expect(old == new, what)
          continue
        }
        #expect(told.count(ordinal, .insert) == less(new, old), what)
        #expect(told.count(ordinal, .delete) == less(old, new), what)
        #expect(told.snapshots[ordinal] ?? states[index]!.snapshotID == states[index]!.snapshotID)
        let (came, went) = (raw.count(ordinal, .insert), raw.count(ordinal, .delete))
        #expect(less(came, went) == less(new, old) && less(went, came) == less(old, new), what)
        ordinal += 1
      }
      #expect(told.rows.keys.allSatisfy { $0 < ordinal })
      options.isNet = true
      let net = try Told(try table.scanChanges(options))
      #expect(net.total(.insert) == less(all[last - first], all[0]), what)
      #expect(net.total(.delete) == less(all[0], all[last - first]), what)
    }
  }

  @Test(arguments: 0..<5) func randomUpdates(_ seed: Int) throws {
    var world = try ChangeWorld(seed: seed + 100, isUnique: true)
    let table = world.table
    for _ in 0..<14 { try world.change() }
    let current = try #require(table.metadata.currentSnapshotID)
    let line = Array(table.metadata.ancestors(of: current).reversed())
    let states: [Snapshot?] = [nil] + line.map { $0 }
    func byID(_ rows: [String: Int]) -> [String: String] {
      Dictionary(
        uniqueKeysWithValues: rows.keys.map {
          ($0.split(separator: " ").first.map(String.init)!, $0)
        })
    }
    var options = ChangeScanOptions(from: nil)
    options.identifiers = seed % 2 == 0 ? [] : ["id"]
    options.pairingBytesMax = 640
    let told = try Told(try table.scanChanges(options))
    options.isNet = true
    let net = try Told(try table.scanChanges(options))
    func expect(_ told: (ChangeType) -> [String: Int], _ old: [String: Int], _ new: [String: Int]) {
      let (before, after) = (byID(old), byID(new))
      let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
      for id in changed {
        switch (before[id], after[id]) {
        case (let old?, let new?):
          #expect(told(.updateBefore)[old] == 1 && told(.updateAfter)[new] == 1, "seed \(seed)")
        case (let old?, nil): #expect(told(.delete)[old] == 1, "seed \(seed)")
        case (nil, let new?): #expect(told(.insert)[new] == 1, "seed \(seed)")
        case (nil, nil): break
        }
      }
      let count = ChangeType.allCases.reduce(0) { $0 + told($1).values.reduce(0, +) }
      let updates = changed.count { before[$0] != nil && after[$0] != nil }
      #expect(count == changed.count + updates, "seed \(seed)")
    }
    var ordinal = 0
    for index in 1..<states.count where states[index]!.operation != .replace {
      let all = try [index - 1, index].map { try world.rows(states[$0], table.schema) }
      expect({ told.count(ordinal, $0) }, all[0], all[1])
      ordinal += 1
    }
    expect({ net.total($0) }, [:], try world.rows(states.last!, table.schema))
    let middle = states[states.count / 2]
    options.from = middle.map { .id($0.snapshotID) }
    let second = try Told(try table.scanChanges(options))
    expect(
      { second.total($0) }, try world.rows(middle, table.schema),
      try world.rows(states.last!, table.schema))
  }
}

/// What the property tests do not reach.
@Suite struct ChangeScanOptionTests {
  private func ids(_ reader: ChangeReader) throws -> [String] {
    var result: [String] = []
    while let batch = try reader.next() {
      result += (0..<batch.rowCount).map { row in
        batch.columns.map { $0.scalar(at: row).text(as: $0.type) }.joined(separator: " ")
      }
    }
    return result
  }

  /// Rows 1 to 4; 2 deleted; 3 updated.
  private func table() throws -> (Table, [Int64]) {
    let world = try ChangeWorld(seed: 1, isUnique: true)
    let table = world.table
    try table.delete(where: .always(true))
    try table.append([try world.batch((1...4).map { (Int64($0), 1, "a") })])
    try table.delete(where: try Predicate(parsing: "id = 2"))
    try table.upsert(BatchList([try world.batch([(3, 1, "b")])]))
    return (table, table.metadata.snapshots.suffix(4).map(\.snapshotID))
  }

  @Test func columnsComeInTheOrderAskedFor() throws {
    let (table, states) = try table()
    var options = ChangeScanOptions(
      from: .id(states[0]), columns: ["_change_type", "text", "_change_ordinal", "id"])
    options.identifiers = []
    let reader = try table.scanChanges(options)
    #expect(reader.schema.fields.map(\.name) == options.columns!)
    #expect(reader.schema.fields[0].id == 2_147_483_543)
    #expect(
      try ids(reader) == [
        "INSERT a 0 1", "INSERT a 0 2", "INSERT a 0 3", "INSERT a 0 4", "DELETE a 1 2",
        "UPDATE_BEFORE a 2 3", "UPDATE_AFTER b 2 3",
      ])
    options.columns = ["id"]
    options.limit = 2
    #expect(
      try ids(try table.scanChanges(options)) == [
        "1 INSERT 0 \(states[1])", "2 INSERT 0 \(states[1])",
      ])
    options.columns = ["_commit_snapshot_id"]
    options.limit = nil
    options.to = .id(states[2])
    options.from = .id(states[1])
    #expect(try ids(try table.scanChanges(options)) == ["\(states[2])"])
    options.from = options.to
    #expect(try ids(try table.scanChanges(options)) == [])
  }

  @Test func theFilterSeesBothHalvesOfUpdates() throws {
    let (table, states) = try table()
    var options = ChangeScanOptions(
      from: .id(states[2]), columns: ["id", "_change_type"],
      where: try Predicate(parsing: "text = 'b'"))
    #expect(try ids(try table.scanChanges(options)) == ["3 INSERT"])
    options.identifiers = ["id"]
    #expect(try ids(try table.scanChanges(options)) == ["3 UPDATE_AFTER"])
  }

  @Test func wrongQuestions() throws {
    let (table, states) = try table()
    func code(_ change: (inout ChangeScanOptions) -> Void) -> TableError.Code? {
      var options = ChangeScanOptions(from: .id(states[0]))
      change(&options)
      return tableErrorCode { _ = try ids(try table.scanChanges(options)) }
    }
    #expect(code { $0.from = .id(7) } == .notFound)
    #expect(code { ($0.from, $0.to) = (.id(states[2]), .id(states[1])) } == .invalidArgument)
    #expect(code { $0.columns = ["nothere"] } == .notFound)
    #expect(code { $0.columns = ["_deleted"] } == .invalidArgument)
    #expect(code { $0.identifiers = ["nothere"] } == .notFound)
    #expect(code { $0.identifiers = ["tags"] } == .invalidArgument)
    // The rows of a snapshot are not told apart by the text.
    try table.overwrite(
      BatchList([try ChangeWorld(seed: 1, isUnique: true).batch([(8, 1, "a"), (9, 1, "a")])]))
    #expect(code { $0.identifiers = ["text"] } == .invalidArgument)
    #expect(code { $0.identifiers = ["id"] } == nil)
    let change = table.transaction()
    change.updateSchema().addColumn("_change_type", .string)
    try change.commit()
    #expect(code { _ in } == .invalidArgument)
    #expect(code { $0.columns = ["id"] } == nil)
  }

  @Test func otherBranches() throws {
    let (table, states) = try table()
    let branch = table.transaction()
    branch.createBranch("side", at: states[1])
    try branch.commit()
    let world = try ChangeWorld(seed: 1, isUnique: true)
    try table.append(BatchList([try world.batch([(50, nil, "x")])]), branch: "side")
    let options = ChangeScanOptions(
      from: .id(states[1]), to: .reference("side"), columns: ["id", "_change_type"])
    #expect(try ids(try table.scanChanges(options)) == ["50 INSERT"])
    let wrong = ChangeScanOptions(from: .reference("side"))
    #expect(tableErrorCode { _ = try table.scanChanges(wrong) } == .invalidArgument)
  }
}
