// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirWorld

/// What `weir import` reads.
struct ImportSource {
  private let path: String
  private let part: String
  private let rows: Int
  private let seed: UInt64

  init(_ path: String, _ part: String, rows: Int, seed: UInt64) {
    self.path = path
    self.part = part
    self.rows = rows
    self.seed = seed
  }

  func open() throws -> any RecordBatchReader {
    if path == "synthetic" {
      var settings = WorldSettings()
      settings.seed = seed
      return try open(SyntheticWorld.dataSet(settings, eventCount: rows))
    }
    var about = stat()
    guard stat(path, &about) == 0 else {
      throw CommandFailure("\(path): there is no such file or folder")
    }
    guard about.st_mode & S_IFMT == S_IFDIR else {
      return try InputFile.rows(path, columns: nil, batchRows: 32_768).reader
    }
    if let movies = RealData.movielens(path) { return try open(movies) }
    let found = try RealData.find(in: path)
    guard found.count == 1, let only = found.first else {
      throw CommandFailure(
        "\(path) holds \(found.count) data sets",
        hint: "Take one: \(found.map { "\(path)/\($0.name)" }.joined(separator: ", ")).")
    }
    return try open(only)
  }

  private func open(_ dataSet: DataSet) throws -> any RecordBatchReader {
    guard let table = dataSet[table: part] else {
      throw CommandFailure(
        "\(dataSet.title) has no table '\(part)'",
        hint: "It has: \(dataSet.tables.map(\.name).joined(separator: ", ")).")
    }
    return try table.open()
  }
}

/// Which rows, and to what time they are moved. Microseconds since 1970.
struct ImportRange {
  let after: Int64?
  let before: Int64?
  /// What `before`, or else the last row's time, becomes.
  let end: Int64?
  /// When all rows were known.
  let knownAt: Int64?
  let filter: BoundPredicate?
  /// What is told to the service of it: not a time that passes.
  let text: String

  init(
    after: String?, before: String?, end: String?, knownAt: String?, filter: String?, schema: Schema
  ) throws {
    self.knownAt = try knownAt.map { try Self.microseconds($0, "--known-at") }
    self.filter = try filter.map { try Predicate(parsing: $0).bind(to: schema) }
    self.after = try after.map { try Self.microseconds($0, "--after") }
    self.before = try before.map { try Self.microseconds($0, "--before") }
    if end == "now" {
      var now = timespec()
      clock_gettime(CLOCK_REALTIME, &now)
      self.end = Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000
    } else {
      self.end = try end.map { try Self.microseconds($0, "--end") }
    }
    text = "\(after ?? "")/\(before ?? "")/\(end ?? "")/\(knownAt ?? "")/\(filter ?? "")"
  }

  private static func microseconds(_ text: String, _ option: String) throws -> Int64 {
    guard let (nanoseconds, isZoned) = LiteralText.timestamp(text), isZoned,
      let time = Int64(exactly: nanoseconds / 1_000)
    else {
      throw CommandFailure(
        "\(option) '\(text)' is no time with its zone", hint: "Write one like 2026-01-31T12:00:00Z."
      )
    }
    return time
  }
}
