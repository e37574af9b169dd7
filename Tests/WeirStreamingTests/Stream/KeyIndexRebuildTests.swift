// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

#if canImport(Glibc)
  internal import Glibc
#endif

/// Does something behind an erasure's commit, while the snapshot that indexes know is still there.
private final class CommitAndThen: ErasureCommitter {
  private let body: @Sendable () throws -> Void

  init(_ body: @escaping @Sendable () throws -> Void) { self.body = body }

  func commit(
    _ commit: (
      [(name: String, value: String)], ((TableMetadata) throws(TableError) -> Void)?
    ) throws(TableError) -> TableMetadata
  ) throws(TableError) {
    _ = try commit([], nil)
    do { try body() } catch { throw TableError(.storage, "\(error)") }
  }
}

/// Key indexes on disk are brought to the table's snapshot, from whatever state they are in, and hold then
/// what one holds that is made anew.
@Suite struct KeyIndexRebuildTests {
  private static func definition(_ merge: MergeEngine) -> StreamDefinition {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([
        Field("id", .int64, nullable: false), Field("at", .int64), Field("name", .utf8),
      ]))
    definition.primaryKey = ["id"]
    definition.merge = merge
    definition.shardCount = 2
    return definition
  }

  private static var full: CompactionOptions {
    var options = CompactionOptions()
    options.isFull = true
    return options
  }

  /// All that an index knows, as text.
  private func content(_ index: any KeyIndex) throws -> [String] {
    let reader = try index.reader()
    var result: [String] = []
    try index.forEach(batchRows: 100) { keys, rows in
      for row in 0..<keys.length {
        let place = rows.locations[row]
        // The layout's number leads the row, and is the index's own.
        let bytes = (rows.rows?.byteArray(row) ?? []).dropFirst(2)
        result.append(
          "\(keys.byteArray(row)) \(rows.states[row]) \(reader.path(of: place.file) ?? "") "
            + "\(place.row) \(rows.versions.byteArray(row)) \(Array(bytes))")
      }
      return true
    }
    return result
  }

  private func check(_ stream: StreamTable) throws {
    let state = stream.published.withLock { $0 }
    for shard in stream.shards {
      let fresh = MemoryKeyIndex()
      try KeyIndexRebuild(
        stream.table, state.layout, state.metadata, stream.environment.tables.manifestCache
      ).bring(fresh, shard: shard.number, to: state.covered.ends[shard.number])
      let index = try #require(shard.index)
      #expect(index.position == fresh.position)
      let (found, wanted) = (try content(index), try content(fresh))
      #expect(found == wanted)
    }
  }

  private static func system(_ command: String) { _ = Glibc.system(command) }

  @Test(arguments: 0..<12 as Range<UInt64>) func indexesOfAnyStateAreBroughtUp(seed: UInt64) throws
  {
    var random = SeededRandom(seed: seed)
    let folder = IndexFolder()
    defer { Self.system("rm -rf \(folder.path)/*") }
    let world = try StreamWorld(seed: seed)
    var definition = Self.definition(
      random.pick([
        .lastWrite(sequence: ["at"]), .lastWrite(sequence: []), .firstRow(sequence: ["at"]),
        .partialUpdate([SequenceGroup(sequence: ["at"], columns: ["name"])]),
      ]))
    definition.format = seed % 2 == 0 ? .weir : .parquet
    let path = folder.path
    var stream: StreamTable?
    for _ in 0..<25 {
      if stream == nil {
        stream = try world.open(definition) { (_, shard, _) throws(StreamError) in
          try RocksKeyIndex.open(folder: "\(path)/\(shard)", cacheBytes: 1 << 20)
        }
      }
      switch random.int(0..<10) {
      case 0..<5: try stream?.put(Self.rows(&random))
      case 5, 6: try stream?.flush()
      case 7 where random.chance(0.5):
        // Somebody else brings files together, with a map or by rewriting.
        let table = try world.catalog.table(definition.table)
        try table.compact(Self.full.forStream(table.metadata))
      case 8 where random.chance(0.6): try stream?.compact(Self.full)
      case 7:
        // Somebody else.
        let key = Int128(random.int(0..<12))
        try world.catalog.table(definition.table)
          .delete(where: .compare(.equal, Term("id"), .integer(key)))
      case 8:
        world.clock.advance(random.int(1..<4) * 86_400_000_000_000)
        _ = try? stream?.expireTombstones()
      default:
        _ = try? stream?.flush()
        stream?.close()
        stream = nil
        for shard in 0..<2 {
          Self.change("\(path)/\(shard)", copy: "\(path)/copy-\(shard)", &random)
        }
      }
      if let stream { try settle(stream) }
    }
  }

  private static func rows(_ random: inout SeededRandom) -> [[Scalar]] {
    (0..<random.int(1..<20)).map { _ in
      let isDelete = random.chance(0.25)
      return [
        .int(Int64(random.int(0..<12))), .int(Int64(random.int(0..<30))),
        isDelete ? .null : .string("n\(random.int(0..<9))"), .int(isDelete ? 1 : 0),
      ]
    }
  }

  /// What becomes of an index that nobody has open.
  private static func change(_ index: String, copy: String, _ random: inout SeededRandom) {
    switch random.int(0..<6) {
    case 0: system("rm -rf \(index)")
    case 1: system("for f in \(index)/*.sst; do test -f $f && echo damage > $f; done")
    case 2: system("rm -f \(index)/MANIFEST*")
    case 3: system("rm -rf \(copy); cp -r \(index) \(copy)")
    case 4: system("test -d \(copy) && rm -rf \(index) && cp -r \(copy) \(index)")
    default: break
    }
  }

  /// Damage that is found by reading only is mended by the flush that finds it.
  private func settle(_ stream: StreamTable) throws {
    do { try check(stream) } catch let error as StreamError {
      #expect(error.code == .damaged)
      try stream.put([[.int(1), .int(99), .string("after")]])
      try stream.flush()
      try check(stream)
    }
  }

  @Test func anIndexOfAnEarlierSnapshotReadsNewFilesAlone() throws {
    let world = try StreamWorld()
    let stream = try world.open(Self.definition(.lastWrite(sequence: ["at"])))
    for round in 0..<6 {
      try stream.put((0..<40).map { [.int(Int64($0 + 40 * round)), .int(1), .string("a")] })
      try stream.flush()
    }
    let old = try #require(stream.shards[0].index)
    let before = stream.published.withLock { $0 }
    let table = try world.catalog.table(stream.table.identifier)
    try table.delete(where: .compare(.equal, Term("id"), .integer(3)))
    let after = table.metadata
    let way = try KeyIndexRebuild(
      stream.table, before.layout, after, stream.environment.tables.manifestCache
    ).bring(old, shard: 0, to: before.covered.ends[0])
    guard case .replayed(let files) = way else {
      Issue.record("it was \(way)")
      return
    }
    #expect(files <= 1)
  }

  @Test func anIndexFollowsCompactionsByTheirMaps() throws {
    let world = try StreamWorld()
    let stream = try world.open(Self.definition(.lastWrite(sequence: ["at"])))
    for round in 0..<6 {
      try stream.put(
        (0..<40).map { [.int(Int64($0 + 20 * round)), .int(1), .string("a\(round)")] })
      try stream.flush()
    }
    let before = try stream.rows(["id", "name"])
    // Of this process: while it writes the files, rows are replaced and deleted.
    let own = try StreamCompaction(stream, Self.full)
    while try own.rewrite() {}
    try stream.put([[.int(7), .int(2), .string("b")], [.int(8), .int(3), .null, .int(1)]])
    try stream.flush()
    try own.commit()
    #expect(own.result.sourceCount >= 12 && own.result.followedDeleteCount == 2)
    try check(stream)
    #expect(try stream.rows(["id", "name"]).count == before.count - 1)
    // Of another one, twice.
    let state = stream.published.withLock { $0 }
    let table = try world.catalog.table(stream.table.identifier)
    for columns in [["name"], ["id"]] {
      var options = Self.full
      options.sortColumns = columns
      options.deletedShare = 0
      options.fullShare = 2
      options.isFull = true
      try table.compact(options.forStream(table.metadata))
    }
    let index = try #require(stream.shards[0].index)
    let way = try KeyIndexRebuild(
      stream.table, state.layout, table.metadata, stream.environment.tables.manifestCache
    ).bring(index, shard: 0, to: state.covered.ends[0])
    guard case .moved(let rows) = way else {
      Issue.record("it was \(way)")
      return
    }
    #expect(rows > 0)
  }

  @Test func tombstonesAreForgottenAfterTheirTime() throws {
    let world = try StreamWorld()
    var definition = Self.definition(.lastWrite(sequence: ["at"]))
    definition.tombstoneRetentionSeconds = 1_000
    var stream = try world.open(definition)
    try stream.put([[.int(1), .int(5), .string("a")], [.int(2), .int(5), .string("b")]])
    try stream.flush()
    try stream.put([[.int(1), .int(10), .null, .int(1)]])
    try stream.flush()
    // An older version comes late.
    try stream.put([[.int(1), .int(7), .string("late")]])
    #expect(try stream.rows(["id"]).count == 1)
    try stream.flush()
    world.clock.advance(900_000_000_000)
    #expect(try !stream.expireTombstones())
    try stream.put([[.int(1), .int(8), .string("late")]])
    #expect(try stream.rows(["id"]).count == 1)
    try stream.flush()
    world.clock.advance(200_000_000_000)
    // By the stream itself, when there is nothing else to do.
    while stream.step() {}
    #expect(try !stream.expireTombstones())
    let planner = try ScanPlanner(stream.table.refresh(), stores: stream.table.stores)
    while let task = try planner.next() { #expect(!task.isTombstones) }
    try check(stream)
    try stream.put([[.int(1), .int(6), .string("as new")]])
    #expect(try stream.rows(["id"]).count == 2)
    try stream.flush()
    stream.close()
    stream = try world.open(definition)
    #expect(try stream.rows(["id"]).count == 2)
    try check(stream)
  }

  /// An erasure brings old tombstones of other keys to a new file: they must win neither over newer ones,
  /// nor over rows.
  @Test(arguments: [false, true]) func theNewestTombstoneCounts(isAnew: Bool) throws {
    let world = try StreamWorld()
    let definition = Self.definition(.lastWrite(sequence: ["at"]))
    func rows(_ ids: ClosedRange<Int64>, _ at: Int64, isDeleted: Bool = false) -> [[Scalar]] {
      ids.map { [.int($0), .int(at), .null, .int(isDeleted ? 1 : 0)] }
    }
    var stream = try world.open(definition)
    for batch in [
      rows(1...9, 10), rows(1...9, 20, isDeleted: true),
      rows(1...1, 30, isDeleted: true) + rows(2...2, 40), rows(0...0, 1),
    ] {
      try stream.put(batch)
      try stream.flush()
    }
    let (older, opened) = (rows(1...2, 25), stream)
    var options = ErasureOptions()
    if !isAnew {
      options.committer = CommitAndThen {
        // Somebody else's change: there is more than the erasure's row map to follow.
        let table = try world.catalog.table(definition.table)
        try table.delete(where: .compare(.equal, Term("id"), .integer(0)))
        try opened.put(older)
        try opened.flush()
        try opened.put(older)
      }
    }
    try TableErasure(
      world.catalog.table(definition.table),
      ErasureTarget(where: .compare(.greaterOrEqual, Term("id"), .integer(3))), options
    ).run()
    if isAnew {
      stream.close()
      stream = try world.open(definition)
      try stream.put(older)
    }
    let filter = Predicate.compare(.greater, Term("id"), .integer(0))
    #expect(
      try stream.rows(["id", "at"], where: filter) == ["\(Scalar.int(2)) \(Scalar.int(40))"])
    try stream.flush()
    try check(stream)
  }
}
