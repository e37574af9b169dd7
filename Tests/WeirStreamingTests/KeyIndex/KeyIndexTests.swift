// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Key indexes against a dictionary, by random batches; the one on disk through restarts and damage.
@Suite struct KeyIndexTests {
  struct Known: Equatable {
    var state: KeyState
    var path: String
    var row: UInt32
    var version: [UInt8]
    var bytes: [UInt8]
  }

  private func randomKey(_ random: inout SeededRandom) -> [UInt8] {
    // Short ones come again; the empty key is one too.
    let length = random.chance(0.05) ? 0 : random.chance(0.05) ? random.int(0...300) : 2
    return (0..<length).map { _ in UInt8(random.pick([0, 1, 2, 0x7f, 0xff])) }
  }

  private func batch(
    _ number: Int, _ random: inout SeededRandom, _ known: inout [[UInt8]: Known]
  ) throws -> IndexBatch {
    let paths = (0..<random.int(1...3)).map { "f\(number)-\($0)" } + (number > 0 ? ["f0-0"] : [])
    let keys = Set((0..<random.int(0...60)).map { _ in randomKey(&random) })
      .sorted { $0.lexicographicallyPrecedes($1) }
    var states: [KeyState] = []
    var locations: [RowLocation] = []
    var (versions, rows): ([[UInt8]?], [[UInt8]?]) = ([], [])
    for key in keys {
      let state: KeyState = random.pick([.present, .present, .present, .deleted, .absent])
      let file = random.int(0..<paths.count)
      let row = UInt32(truncatingIfNeeded: random.next())
      let version = random.bytes(random.int(0...12))
      let bytes = random.bytes(random.int(0...100))
      states.append(state)
      locations.append(RowLocation(file: UInt32(file), row: row))
      versions.append(version)
      rows.append(bytes)
      known[key] =
        state == .absent
        ? nil : Known(state: state, path: paths[file], row: row, version: version, bytes: bytes)
    }
    return IndexBatch(
      position: IndexPosition(snapshotID: Int64(number), offset: Int64(number * 10)),
      files: paths, keys: try bytesArray(keys), states: states, locations: locations,
      versions: try bytesArray(versions), rows: try bytesArray(rows))
  }

  private func check(
    _ reader: any KeyIndexReader, _ known: [[UInt8]: Known], _ random: inout SeededRandom
  ) throws {
    var keys = (0..<40).map { _ in randomKey(&random) }
    let isSorted = random.chance(0.5)
    if isSorted { keys = Set(keys).sorted { $0.lexicographicallyPrecedes($1) } }
    let withRows = random.chance(0.7)
    let found = try reader.get(try bytesArray(keys), isSorted: isSorted, withRows: withRows)
    for (place, key) in keys.enumerated() {
      let expected = known[key]
      #expect(found.states[place] == expected?.state ?? .absent)
      guard let expected else {
        if withRows { #expect(found.rows?.isNull(place) == true) }
        continue
      }
      #expect(reader.path(of: found.locations[place].file) == expected.path)
      #expect(found.locations[place].row == expected.row)
      #expect(found.versions.byteArray(place) == expected.version)
      if withRows { #expect(found.rows?.byteArray(place) == expected.bytes) }
    }
    if !withRows { #expect(found.rows == nil) }
  }

  private func all(_ index: any KeyIndex, batchRows: Int) throws -> [[UInt8]: [UInt8]] {
    var result: [[UInt8]: [UInt8]] = [:]
    var last: [UInt8]?
    try index.forEach(batchRows: batchRows) { (keys, rows) throws(StreamError) in
      for row in 0..<keys.length {
        let key = keys.byteArray(row)
        if let last { #expect(last.lexicographicallyPrecedes(key)) }
        last = key
        result[key] = rows.rows?.byteArray(row)
      }
      return true
    }
    return result
  }

  @Test(arguments: 0..<8) func memory(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    try play(MemoryKeyIndex(), &random) { $0 }
  }

  @Test(arguments: 0..<8) func rocks(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let folder = IndexFolder()
    try play(try RocksKeyIndex(folder: folder.path + "/", cacheBytes: 1 << 20), &random) { index in
      index.close()
      return try RocksKeyIndex(folder: folder.path + "/", cacheBytes: 1 << 20)
    }
  }

  private func play(
    _ start: any KeyIndex, _ random: inout SeededRandom,
    restart: (any KeyIndex) throws -> any KeyIndex
  ) throws {
    var index = start
    var known: [[UInt8]: Known] = [:]
    #expect(index.position == nil)
    let schema = Schema([Field("a", .int64, id: 7), Field("b", .list(of: .utf8))])
    #expect(try index.layout(for: schema) == 0)
    for number in 0..<30 {
      let before = known
      var reader: (any KeyIndexReader)? = try index.reader()
      do {
        let staged = try index.stage(batch(number, &random, &known))
        try check(try index.reader(), before, &random)
        if random.chance(0.5) {
          // Nobody sees it before it is published.
          let position = index.position
          try index.prepare(staged)
          #expect(index.position == position)
          try check(try index.reader(), before, &random)
          #expect(try all(index, batchRows: 10) == before.mapValues(\.bytes))
        }
        try index.publish(staged)
      }
      #expect(
        index.position == IndexPosition(snapshotID: Int64(number), offset: Int64(number * 10)))
      if let reader { try check(reader, before, &random) }
      reader = nil  // It keeps the index open.
      try check(try index.reader(), known, &random)
      if random.chance(0.1) {
        let position = IndexPosition(snapshotID: 777, offset: Int64(number))
        if random.chance(0.5), let staged = try index.stageMove(to: position) {
          try index.prepare(staged)
          #expect(index.position?.snapshotID == Int64(number))
          try index.publish(staged)
        } else {
          try index.move(to: position)
        }
        #expect(index.position?.snapshotID == 777)
      }
      if random.chance(0.03) {
        try index.clear()
        known = [:]
        #expect(index.position == nil)
        index = try restart(index)
        #expect(index.position == nil)
        #expect(try all(index, batchRows: 10).isEmpty)
      }
      #expect(try index.layout(for: schema) == 0)
      #expect(try index.reader().layout(0) == schema)
      try check(try index.reader(), known, &random)
      if random.chance(0.2), number > 0 { index = try restart(index) }
    }
    #expect(try all(index, batchRows: 7) == known.mapValues(\.bytes))
    _ = try index.layout(for: Schema([Field("z", .int8)]))
    index.close()
  }

  /// Batches that go to the disk in several steps, and are merged.
  @Test func largeBatches() throws {
    var random = SeededRandom(seed: 5)
    let folder = IndexFolder()
    var known: [[UInt8]: [UInt8]] = [:]
    do {
      let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
      for number in 0..<9 {
        let keys = Set(
          (0..<150).map { _ in [UInt8(random.int(0...3)), UInt8(random.int(0...255))] }
        )
        .sorted { $0.lexicographicallyPrecedes($1) }
        let rows = keys.map { _ in random.bytes(random.int(10_000...40_000)) }
        for (key, row) in zip(keys, rows) { known[key] = row }
        let place = RowLocation(file: 0, row: UInt32(number))
        let none = [[UInt8]?](repeating: [], count: keys.count)
        try index.apply(
          IndexBatch(
            position: IndexPosition(snapshotID: Int64(number), offset: Int64(number)),
            files: ["f\(number)"], keys: try bytesArray(keys),
            states: [KeyState](repeating: .present, count: keys.count),
            locations: [RowLocation](repeating: place, count: keys.count),
            versions: try bytesArray(none), rows: try bytesArray(rows)))
      }
      #expect(try all(index, batchRows: 50) == known)
      index.close()
    }
    let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
    #expect(try all(index, batchRows: 50) == known)
    index.close()
  }

  /// After a crash between the two steps the index is that of the batch, and says so.
  @Test func whatWasPreparedIsThereAfterACrash() throws {
    var random = SeededRandom(seed: 1)
    let folder = IndexFolder()
    var known: [[UInt8]: Known] = [:]
    do {
      let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
      try index.apply(batch(0, &random, &known))
      try index.prepare(index.stage(batch(1, &random, &known)))
      #expect(index.position == IndexPosition(snapshotID: 0, offset: 0))
      index.close()
    }
    let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
    #expect(index.position == IndexPosition(snapshotID: 1, offset: 10))
    #expect(try all(index, batchRows: 10) == known.mapValues(\.bytes))
    index.close()
  }

  /// Every byte of a database may be wrong: an error or the right answer, never another one.
  @Test(arguments: 0..<30) func damage(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let folder = IndexFolder()
    var known: [[UInt8]: Known] = [:]
    // What the index held at each position: without its latest notes it is an earlier one of itself.
    var history: [Int64?: [[UInt8]: Known]] = [nil: [:]]
    do {
      let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
      for number in 0..<3 {
        try index.apply(batch(number, &random, &known))
        history[Int64(number)] = known
      }
      index.close()
    }
    // RocksDB's own log of messages and its lock are not read.
    let files = folder.names.filter {
      $0.hasSuffix(".sst") || $0.hasPrefix("MANIFEST") || $0 == "CURRENT"
    }
    let file = random.pick(files)
    let kind = random.int(0..<3)
    folder.change(file) { bytes in
      switch kind {
      case 0: bytes.removeLast(min(bytes.count, random.int(1...bytes.count)))
      case 1: bytes[random.int(0..<bytes.count)] ^= UInt8(random.int(1...255))
      default: bytes = []
      }
    }
    if seed % 10 == 9 { folder.change("CURRENT") { $0 = [] } }
    do {
      let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
      let expected = history[index.position?.snapshotID] ?? [:]
      #expect(try all(index, batchRows: 16) == expected.mapValues(\.bytes))
      try check(try index.reader(), expected, &random)
      index.close()
    } catch let error as StreamError {
      #expect([.damaged, .storage].contains(error.code), "\(error)")
    }
    // What cannot be opened is replaced; what was opened can be cleared.
    let again = try RocksKeyIndex.open(folder: folder.path, cacheBytes: 1 << 20)
    try again.clear()
    known = [:]
    try again.apply(batch(7, &random, &known))
    try check(try again.reader(), known, &random)
    again.close()
  }

  /// What a crash left of a batch that was taken in is another name of the database's own file.
  @Test func leftoversAreNotWrittenOver() throws {
    var random = SeededRandom(seed: 3)
    let folder = IndexFolder()
    var known: [[UInt8]: Known] = [:]
    do {
      let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
      try index.apply(batch(0, &random, &known))
      index.close()
    }
    for name in folder.names where name.hasSuffix(".sst") {
      #expect(link("\(folder.path)/\(name)", "\(folder.path)/staged-1") == 0)
    }
    let index = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
    #expect(!folder.names.contains("staged-1"))
    for name in folder.names where name.hasSuffix(".sst") {
      #expect(link("\(folder.path)/\(name)", "\(folder.path)/staged-1") == 0)
    }
    try index.apply(batch(1, &random, &known))
    try check(try index.reader(), known, &random)
    index.close()
    let again = try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
    #expect(try all(again, batchRows: 7) == known.mapValues(\.bytes))
    again.close()
  }

  @Test func oneProcessAtATime() throws {
    let folder = IndexFolder()
    let first = try RocksKeyIndex(folder: folder.path)
    let error = #expect(throws: StreamError.self) { try RocksKeyIndex(folder: folder.path) }
    #expect(error?.code == .conflict, "\(String(describing: error))")
    first.close()
    try RocksKeyIndex(folder: folder.path).close()
    let closed = #expect(throws: StreamError.self) { try first.reader() }
    #expect(closed?.code == .closed)
  }
}
