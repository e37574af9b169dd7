// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Who writes a stream: one folder of logs at a time.
///
/// The table says it in its properties `weir.stream.owner` (the id of the folder, and who has it) and
/// `weir.stream.owner-until` (milliseconds since 1970). Whoever holds the same folder (its logs have a
/// lock) goes on at once; another folder has to wait until the lease is over. A process that was
/// overtaken commits nothing any more: every flush checks the owner.
///
/// Another folder also has another log. `weir.stream.log` says in which folder the log is that the
/// table's offsets are about; whoever has a log of their own from before cannot go on with it.
struct StreamLease: Sendable {
  static let ownerProperty = "weir.stream.owner"
  static let untilProperty = "weir.stream.owner-until"
  /// The log that the table's offsets belong to: the id of its folder, or its name.
  static let logProperty = "weir.stream.log"
  /// For how long a lease is taken; milliseconds. It is renewed after a third of that.
  static let durationMilliseconds: Int64 = 30_000

  /// The folder's id.
  let id: String
  /// The log's: it may be one that has nothing to do with the folder.
  var logID: String
  private let owner: String

  /// Reads the folder's id; a folder without one gets it.
  init(_ environment: StreamEnvironment) throws(StreamError) {
    owner = environment.owner
    do throws(DiskError) {
      let disk = environment.disk
      try disk.makeFolder(environment.folder)
      let path = environment.folder + "/folder-id"
      // Also one that is there is written again: whether its name is durable nobody knows, for a sync may
      // have failed before, and a folder that loses its id has lost its logs.
      let made = try Self.read(disk, path) ?? environment.tables.uuid()
      let temporary = path + ".new"
      if try disk.list(environment.folder).contains("folder-id.new") { try disk.delete(temporary) }
      let file = try disk.create(temporary)
      try file.write(Buffer(Array(made.utf8)), at: 0)
      try file.sync()
      try disk.rename(temporary, to: path)
      try disk.syncFolder(environment.folder)
      id = made
      logID = made
    } catch { throw StreamError(error) }
  }

  private static func read(_ disk: any Disk, _ path: String) throws(DiskError) -> String? {
    let file: any DiskFile
    do throws(DiskError) {
      file = try disk.open(path)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
    let bytes = try file.read(at: 0, count: 64).array(of: UInt8.self)
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  /// Takes the lease, or renews it.
  ///
  /// - Throws: `conflict` while somebody else has it.
  func take(_ table: Table, _ environment: StreamEnvironment) throws(StreamError) {
    do throws(TableError) {
      try table.refresh()
      let before = table.metadata
      let wasMine = isMine(before)
      let now = environment.nowMicroseconds / 1_000
      let transaction = table.transaction()
      transaction.check { (metadata: TableMetadata) throws(TableError) in
        try check(metadata, now)
      }
      transaction.setProperties([
        Self.ownerProperty: "\(id) \(owner)",
        Self.untilProperty: String(now + Self.durationMilliseconds),
      ])
      try transaction.commit()
      guard !wasMine else { return }
      // Of two that took it at once, the later one has it.
      environment.tables.sleep(50_000_000)
      try check(try table.refresh(), now)
    } catch { throw StreamError(error) }
  }

  /// Gives the lease back; a failure only lets others wait longer.
  func release(_ table: Table) {
    guard isMine(table.metadata) else { return }
    let transaction = table.transaction()
    transaction.removeProperties([Self.ownerProperty, Self.untilProperty])
    _ = try? transaction.commit()
  }

  func isMine(_ metadata: TableMetadata) -> Bool {
    metadata.properties[Self.ownerProperty]?.hasPrefix(id + " ") ?? false
  }

  /// Checks that nobody else has taken the stream, be their lease over or not.
  ///
  /// - Throws: `conflict`.
  func checkOwner(_ metadata: TableMetadata) throws(TableError) {
    let isOthers = metadata.properties[Self.ownerProperty] != nil && !isMine(metadata)
    guard isOthers || !isLogMine(metadata), !Defect.staleLease.isPlanted else { return }
    let owner = metadata.properties[Self.ownerProperty] ?? "it has ended since"
    throw TableError(
      .conflict,
      "another process has taken the stream over (\(owner)): this one writes no more of its rows to "
        + "the table; stop it")
  }

  /// Whether the table's offsets are about the log in this folder; also before there were any.
  func isLogMine(_ metadata: TableMetadata) -> Bool {
    metadata.properties[Self.logProperty].map { $0 == logID } ?? true
  }

  /// Notes that the table's offsets are about the log in this folder from now on.
  func claimLog(_ table: Table) throws(StreamError) {
    guard table.metadata.properties[Self.logProperty] != logID else { return }
    let transaction = table.transaction()
    transaction.check { (metadata: TableMetadata) throws(TableError) in
      guard isMine(metadata) else { throw TableError(.conflict, "the lease was lost") }
    }
    transaction.setProperties([Self.logProperty: logID])
    if table.metadata.properties[Self.logProperty] != nil {
      // A new snapshot keeps out a commit of the one before that is under way: catalogs check which
      // snapshot a commit was built on, and not what the properties are.
      transaction.append().set(
        StreamOffsets.property, table.metadata.properties[StreamOffsets.property] ?? "{}")
    }
    do throws(TableError) { try transaction.commit() } catch { throw StreamError(error) }
  }

  private func check(_ metadata: TableMetadata, _ now: Int64) throws(TableError) {
    guard let holder = metadata.properties[Self.ownerProperty], !isMine(metadata) else { return }
    let until = metadata.properties[Self.untilProperty].flatMap { Int64($0) } ?? 0
    guard until > now else { return }
    throw TableError(
      .conflict,
      "the stream is written by another process (\(holder)), whose lease ends in "
        + "\((until - now + 999) / 1_000) s unless it renews it; stop that process, or wait")
  }
}
