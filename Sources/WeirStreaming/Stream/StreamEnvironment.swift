// SPDX-License-Identifier: Apache-2.0

public import WeirTable

/// What streams take from the world around them: the system's, unless a test or a simulation puts its
/// own there.
public struct StreamEnvironment: Sendable {
  public var disk: any Disk
  /// The absolute path of the folder for logs and key indexes.
  public var folder: String
  /// The clock and the randomness.
  public var tables: TableEnvironment
  /// Who this process is, for those who are refused because of it.
  public var owner: String
  /// Threads do the work. Without them the owner of the streams calls `step()`, as a simulation does.
  public var hasThreads = true
  /// Bytes of rows of one stream that may wait for the disk.
  public var queueBytesMax = 64 << 20
  /// Bytes of rows of one shard that the table does not hold yet; more are turned away.
  public var memoryBytesMax = 256 << 20
  /// How logs keep their rows; what the stream says itself counts more.
  public var logOptions = SegmentLogOptions(shard: 0, identity: "")
  /// A log that is missing is begun anew where the table ends, instead of being an error: rows that
  /// were acknowledged and had not come to the table are given up.
  public var startsNewLogs = false
  /// Hears what happens, on any thread; it must not call the streams.
  public var onEvent: @Sendable (StreamEvent) -> Void = { _ in }
  /// Opens the key index of a shard.
  public var openIndex:
    @Sendable (StreamDefinition, Int, StreamEnvironment) throws(StreamError) -> any KeyIndex
  /// Opens the log of a shard.
  public var openLog:
    @Sendable (ShardLogRequest, StreamEnvironment) throws(StreamError) -> any ShardLog

  public init(
    disk: any Disk, folder: String, tables: TableEnvironment = TableEnvironment(), owner: String,
    openLog:
      @escaping @Sendable (ShardLogRequest, StreamEnvironment) throws(StreamError)
      -> any ShardLog = StreamEnvironment.openSegmentLog,
    openIndex:
      @escaping @Sendable (StreamDefinition, Int, StreamEnvironment) throws(StreamError)
      -> any KeyIndex = StreamEnvironment.openMemoryIndex
  ) {
    self.disk = disk
    self.folder = folder
    self.tables = tables
    self.owner = owner
    self.openLog = openLog
    self.openIndex = openIndex
  }

  /// An index in memory, which is rebuilt at every start.
  @Sendable
  public static func openMemoryIndex(
    _ definition: StreamDefinition, _ shard: Int, _ environment: StreamEnvironment
  ) throws(StreamError) -> any KeyIndex {
    MemoryKeyIndex()
  }

  /// A log in segment files, in the stream's folder.
  @Sendable
  public static func openSegmentLog(
    _ request: ShardLogRequest, _ environment: StreamEnvironment
  ) throws(StreamError) -> any ShardLog {
    guard request.definition.log == .segments else {
      throw StreamError(
        .unsupported, "this program keeps logs on its own disk alone",
        stream: "\(request.definition.table)")
    }
    var options = environment.logOptions
    options.shard = request.shard
    options.identity = request.identity
    options.random = environment.tables.random
    options.owner = environment.owner
    options.firstOffset = request.firstOffset
    options.bytesMax = Int(request.definition.logBytesMax)
    // The log lets go of whole segments: with one of its full size it would never have room again.
    options.segmentBytes = min(options.segmentBytes, max(4_096, options.bytesMax / 8))
    let folder = environment.shardFolder(request.definition.table, request.shard)
    guard request.isTables else {
      throw StreamError(
        .damaged,
        "the log of the table's rows is not in this folder, but in another one or in Kafka; go on there, or give up what was not in "
          + "the table yet by starting a new log", shard: request.shard, file: folder)
    }
    return try SegmentLog(environment.disk, folder: folder, options)
  }

  /// - Throws: `damaged` when the folder of a stream has a log from before.
  func refuseLogs(_ definition: StreamDefinition) throws(StreamError) {
    for shard in 0..<definition.shardCount {
      let folder = shardFolder(definition.table, shard)
      var names: [String] = []
      do throws(DiskError) { names = try disk.list(folder) } catch {
        guard error.code == .notFound else { throw StreamError(error) }
      }
      guard names.contains(where: { $0.hasSuffix(".log") }) else { continue }
      throw StreamError(
        .damaged,
        "the table was written from the log of another folder since this one was; move this folder "
          + "away to begin a new log", shard: shard, file: folder)
    }
  }

  /// Takes the lock of a stream's folder, which one process has.
  ///
  /// - Throws: `conflict` at once when another process has it.
  func lockFolder(of table: TableIdentifier) throws(StreamError) -> any DiskLock {
    let folder = streamFolder(table)
    do throws(DiskError) {
      try disk.makeFolder(folder)
      return try disk.lock(folder + "/owner-lock", owner: owner)
    } catch { throw StreamError(error) }
  }

  /// Microseconds since 1970-01-01 UTC.
  public var nowMicroseconds: Int64 { Int64(tables.now() / 1_000) }

  /// Whether a time has come that was at most `longest` microseconds away when it was noted: also when the
  /// clock has been set back since.
  func isDue(_ time: Int64, longest: Int64) -> Bool {
    let now = nowMicroseconds
    return now >= time || time - now > longest
  }

  /// The folder of a stream's shard.
  public func shardFolder(_ table: TableIdentifier, _ shard: Int) -> String {
    let digits = String(shard)
    let number = String(repeating: "0", count: max(0, 5 - digits.utf8.count)) + digits
    return "\(streamFolder(table))/shard-\(number)"
  }

  /// The folder of a stream: its table's name, in which all but letters, digits, `-` and `_` are
  /// percent-encoded.
  public func streamFolder(_ table: TableIdentifier) -> String {
    let names = table.namespace.levels + [table.name]
    return folder + "/" + names.map(Self.fileName).joined(separator: ".")
  }

  private static func fileName(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        result.append(byte)
      default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
