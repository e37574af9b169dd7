// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirCatalogSQL
internal import WeirTable
internal import _WeirTestSupport

/// Many writers on a few entries: threads of one process, several processes, and processes that are
/// killed while they commit.
@Suite(.serialized) struct LinearizabilityTests {
  let folder = TemporaryFolder()
  static let keyCount = 3

  @Test func theCheckerFindsWhatIsWrong() {
    func findings(_ events: [(HistoryEvent.Action, Int, Int)]) -> Int {
      Linearizability.findings(
        events.map { HistoryEvent(key: 0, action: $0.0, begin: $0.1, end: $0.2) }, keyCount: 1
      ).count
    }
    let good: [(HistoryEvent.Action, Int, Int)] = [
      (.saw("m0"), 0, 1), (.swapped(from: "m0", to: "a"), 0, 9), (.saw("a"), 3, 4),
      (.saw("m0"), 2, 5), (.swapped(from: "a", to: "b"), 6, 12), (.saw("a"), 10, 11),
      (.maybeSwapped(from: "b", to: "c"), 13, 14), (.refused(to: "x"), 13, 14),
    ]
    #expect(findings(good) == 0)
    #expect(findings(good + [(.saw("c"), 14, 15)]) == 0)
    #expect(findings(good + [(.swapped(from: "b", to: "d"), 14, 15)]) == 0)
    // A lost update.
    #expect(findings(good + [(.swapped(from: "a", to: "d"), 6, 15)]) > 0)
    // A stale read.
    #expect(findings(good + [(.saw("a"), 13, 15)]) > 0)
    #expect(findings(good + [(.saw("m0"), 5, 8)]) > 0)
    // A value from nowhere, and a refused one.
    #expect(findings(good + [(.saw("y"), 13, 15)]) > 0)
    #expect(findings(good + [(.swapped(from: "b", to: "x"), 14, 15)]) > 0)
    // A write that is seen before it began.
    #expect(findings([(.saw("a"), 0, 1), (.swapped(from: "m0", to: "a"), 2, 3)]) > 0)
  }

  private func prepare(_ backend: any CatalogBackend) throws {
    try backend.createNamespace(Namespace(["n"]), properties: [:])
    for key in 0..<Self.keyCount {
      #expect(try backend.apply([.insert(entry("t\(key)"))]) == .applied)
    }
  }

  @Test(arguments: BackendKind.available)
  func threadsOfOneProcess(kind: BackendKind) throws {
    let backend = try kind.backend(in: folder)
    try prepare(backend)
    let seed = UInt64.random(in: 0...UInt64.max)
    let all = Mutex<[HistoryEvent]>([])
    inThreads(6) { number in
      var worker = HistoryWorker(
        backend, name: "w\(number)", keyCount: Self.keyCount, seed: seed &+ UInt64(number))
      do {
        for _ in 0..<300 { try worker.step() }
      } catch {
        Issue.record(error)
      }
      all.withLock { $0 += worker.events }
    }
    let events = all.withLock { $0 }
    let findings = Linearizability.findings(events, keyCount: Self.keyCount)
    #expect(findings.isEmpty, "seed \(seed): \(findings.prefix(5))")
    let swapCount = events.count { if case .swapped = $0.action { true } else { false } }
    #expect(swapCount > 300)
  }

  @Test(arguments: BackendKind.databases)
  func severalProcesses(kind: BackendKind) async throws {
    let database = try kind.database(in: folder)
    try prepare(try database.open())
    let seed = UInt64.random(in: 0...UInt64.max / 2)
    let path = folder.path
    async let first: Void = Self.work(database, path, "a", seed, killAfter: nil)
    async let second: Void = Self.work(database, path, "b", seed + 1, killAfter: nil)
    async let third: Void = Self.work(database, path, "c", seed + 2, killAfter: nil)
    _ = await (first, second, third)
    let events = try Self.events(path)
    let findings = Linearizability.findings(events, keyCount: Self.keyCount)
    #expect(findings.isEmpty, "seed \(seed): \(findings.prefix(5))")
    #expect(events.count > 500)
  }

  /// Two processes are killed at some instant while a third goes on.
  @Test(arguments: BackendKind.databases)
  func killedProcesses(kind: BackendKind) async throws {
    let database = try kind.database(in: folder)
    let backend = try database.open()
    try prepare(backend)
    let path = folder.path
    for round in 0..<3 {
      let seed = UInt64.random(in: 0...UInt64.max / 2)
      async let first: Void = Self.work(
        database, path, "a\(round)", seed, killAfter: Int.random(in: 1_000...60_000))
      async let second: Void = Self.work(
        database, path, "b\(round)", seed + 1, killAfter: Int.random(in: 1_000...60_000))
      async let third: Void = Self.work(database, path, "c\(round)", seed + 2, killAfter: nil)
      _ = await (first, second, third)
    }
    var events = try Self.events(path)
    for key in 0..<Self.keyCount {
      let begin = HistoryWorker.now()
      let value = try backend.entry(HistoryWorker.identifier(key))!.metadataLocation
      events.append(
        HistoryEvent(key: key, action: .saw(value), begin: begin, end: HistoryWorker.now()))
    }
    let findings = Linearizability.findings(events, keyCount: Self.keyCount)
    #expect(findings.isEmpty, "\(findings.prefix(5))")
    try backend.checkIntegrity()
  }

  /// A process that makes steps and writes each down before the next. With `killAfter`, in
  /// microseconds, it goes on until it is killed.
  private static func work(
    _ database: TestBackend, _ path: String, _ name: String, _ seed: UInt64, killAfter: Int?
  ) async {
    let expected: ExitTest.Condition = killAfter == nil ? .success : .signal(SIGKILL)
    await #expect(processExitsWith: expected) {
      [
        database = database as TestBackend, path = path as String, name = name as String,
        seed = seed as UInt64, killAfter = killAfter as Int?
      ] in
      let backend = LoggingBackend(
        try database.open(), path: "\(path)/history-\(name)", keyCount: Self.keyCount)
      var worker = HistoryWorker(backend, name: name, keyCount: Self.keyCount, seed: seed)
      var delay = UInt32(killAfter ?? 0)
      if killAfter != nil {
        var thread = pthread_t()
        pthread_create(
          &thread, nil,
          { argument in
            usleep(argument!.load(as: UInt32.self))
            kill(getpid(), SIGKILL)
            return nil
          }, &delay)
      }
      var written = 0
      for step in 0... {
        if killAfter == nil && step >= 250 { break }
        try worker.step()
        backend.write(worker.events[written...].map(\.line).joined())
        written = worker.events.count
      }
    }
  }

  /// What the processes have written. A swap that was begun and has no outcome in the file may have
  /// taken place until any later time.
  private static func events(_ path: String) throws -> [HistoryEvent] {
    var events: [HistoryEvent] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: path)
    where name.hasPrefix("history-") {
      let text = try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      let own = lines.compactMap { HistoryEvent(line: $0) }
      let answered = Set(
        own.compactMap { event -> String? in
          switch event.action {
          case .swapped(_, let to), .maybeSwapped(_, let to), .refused(let to): to
          case .saw: nil
          }
        })
      events += own
      for line in lines where line.hasPrefix("begin ") {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 4, !answered.contains(words[3]), let key = Int(words[1]) else {
          continue
        }
        events.append(
          HistoryEvent(
            key: key, action: .maybeSwapped(from: words[2], to: words[3]), begin: 0, end: .max))
      }
    }
    return events
  }
}

/// Writes to a file what a swap is about to do, so that it is known of a process that is killed.
private final class LoggingBackend: CatalogBackend {
  private let base: SQLCatalogBackend
  private let file: Int32

  init(_ base: SQLCatalogBackend, path: String, keyCount: Int) {
    self.base = base
    file = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
  }

  func write(_ text: String) {
    let bytes = Array(text.utf8)
    precondition(Glibc.write(file, bytes, bytes.count) == bytes.count)
  }

  func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome {
    var lines = ""
    for change in changes {
      guard case .swap(let identifier, _, let from, let to) = change else { continue }
      lines += "begin \(identifier.name.dropFirst()) \(from) \(to)\n"
    }
    write(lines)
    return try base.apply(changes, recording: recording)
  }

  func entry(_ identifier: TableIdentifier) throws(TableError) -> CatalogEntry? {
    try base.entry(identifier)
  }
  func createNamespace(_ namespace: Namespace, properties: [String: String]) throws(TableError) {}
  func namespaceProperties(_ namespace: Namespace) throws(TableError) -> [String: String]? { nil }
  func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges {
    NamespacePropertyChanges(updated: [], removed: [], missing: [])
  }
  func dropNamespace(_ namespace: Namespace) throws(TableError) {}
  func listNamespaces(
    in parent: Namespace?, after: String?, limit: Int
  ) throws(TableError) -> [Namespace] { [] }
  func listEntries(
    in namespace: Namespace, kind: CatalogEntryKind, after: String?, limit: Int
  ) throws(TableError) -> [String] { [] }
  func reserveIdempotencyKey(
    _ key: String, fingerprint: String, leaseMilliseconds: Int64, now: Int64
  ) throws(TableError) -> IdempotencyReservation { .reserved }
  func recordIdempotency(_ record: IdempotencyRecord) throws(TableError) {}
  func releaseIdempotencyKey(_ key: String) throws(TableError) {}
}
