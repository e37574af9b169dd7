// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import WeirCatalogSQL
internal import WeirTable

/// A PostgreSQL of its own in a temporary folder, reached by a Unix socket only. It stops, and its
/// folder goes, when this process ends in whatever way: a shell beside it waits for that.
final class PostgresServer: Sendable {
  /// The newest installed `bin` folder; `nil` without PostgreSQL.
  static let binFolder: String? = version == 0 ? nil : "/usr/lib/postgresql/\(version)/bin"

  /// The newest installed version; 0 without PostgreSQL.
  private static let version: Int = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
    return names.compactMap { Int($0) }.max() ?? 0
  }()

  /// Whether a missing PostgreSQL is an error: CI sets this, so that nothing is skipped there.
  static let isRequired = ProcessInfo.processInfo.environment["WEIR_REQUIRE_SERVERS"] != nil

  /// The one that most tests share.
  static let shared: Result<PostgresServer, any Error>? =
    binFolder == nil ? nil : Result { try PostgresServer() }

  let folder: String
  private let process = Mutex<(shell: Process, input: FileHandle)?>(nil)

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// - Parameter syncs: whether commits are flushed to the disk; only timings need it.
  init(syncs: Bool = false) throws {
    var template = Array("/tmp/weir-postgres-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    if getuid() == 0 {
      guard let user = getpwnam("postgres") ?? getpwnam("nobody") else {
        throw Failure(description: "no user that PostgreSQL could run as")
      }
      chown(folder, user.pointee.pw_uid, user.pointee.pw_gid)
    }
    chmod(folder, 0o755)
    // Names of an order other than that of bytes, where it can be had: ours must not depend on it.
    let order = Self.version >= 15 ? ["--locale-provider=icu", "--icu-locale=en"] : []
    try Self.run(
      Self.asUser(
        [
          "\(Self.binFolder!)/initdb", "--no-sync", "-U", "weir", "-A", "trust", "-E", "UTF8",
          "--locale=C.UTF-8", "-D", "\(folder)/data",
        ] + order))
    let settings = """

      listen_addresses = ''
      unix_socket_directories = '\(folder)'
      max_connections = 60
      shared_buffers = 32MB
      fsync = \(syncs ? "on" : "off")
      """
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(folder)/data/postgresql.conf"))
    try file.seekToEnd()
    try file.write(contentsOf: Data(settings.utf8))
    try file.close()
    try start()
  }

  /// Starts the server and waits until it answers.
  func start() throws {
    let shell = Process()
    let input = Pipe()
    let command = """
      '\(Self.binFolder!)/postgres' -D '\(folder)/data' >>'\(folder)/log' 2>&1 &
      cat >/dev/null
      kill -QUIT $! 2>/dev/null
      wait $!
      [ -e '\(folder)/keep' ] || rm -rf '\(folder)'
      """
    let words = Self.asUser(["/bin/sh", "-c", command])
    shell.executableURL = URL(fileURLWithPath: words[0])
    shell.arguments = Array(words.dropFirst())
    shell.standardInput = input
    shell.standardOutput = FileHandle.nullDevice
    shell.standardError = FileHandle.nullDevice
    // No other child may keep the pipe open.
    _ = fcntl(input.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
    try shell.run()
    process.withLock { $0 = (shell, input.fileHandleForWriting) }
    for _ in 0..<600 {
      if (try? Self.run(["\(Self.binFolder!)/pg_isready", "-q", "-h", folder])) != nil { return }
      usleep(50_000)
    }
    throw Failure(description: "PostgreSQL did not start; see \(folder)/log")
  }

  /// Kills the server as a crash would; what it has committed stays.
  func kill() throws {
    _ = FileManager.default.createFile(atPath: "\(folder)/keep", contents: nil)
    let held = process.withLock { held in
      defer { held = nil }
      return held
    }
    try held?.input.close()
    held?.shell.waitUntilExit()
    try FileManager.default.removeItem(atPath: "\(folder)/keep")
  }

  /// Executes SQL with psql and gives what it prints.
  @discardableResult func psql(_ sql: String, database: String = "postgres") throws -> String {
    try Self.run([
      "\(Self.binFolder!)/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder,
      "-U", "weir", "-d", database, "-c", sql,
    ])
  }

  func address(database: String = "postgres") -> String {
    "host=\(folder) user=weir dbname=\(database)"
  }

  /// A new database; gives its address.
  func newDatabase() throws -> String {
    let name = "d" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    try psql("CREATE DATABASE \(name)")
    return address(database: name)
  }

  /// PostgreSQL refuses to run as root.
  private static func asUser(_ words: [String]) -> [String] {
    guard getuid() == 0 else { return words }
    let user = getpwnam("postgres") == nil ? "nobody" : "postgres"
    return ["/usr/sbin/runuser", "-u", user, "--"] + words
  }

  @discardableResult private static func run(_ words: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: words[0])
    process.arguments = Array(words.dropFirst())
    process.currentDirectoryURL = URL(fileURLWithPath: "/tmp")
    let output = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(
      decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(words[0]) failed: \(text)")
    }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
