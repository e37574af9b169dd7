// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirCatalogSQL

/// What can happen to a SQLite file.
@Suite struct SQLiteTests {
  let folder = TemporaryFolder()
  private var path: String { "\(folder.path)/catalog.db" }

  private func open(busyMilliseconds: Int = 30_000) throws -> SQLCatalogBackend {
    var options = SQLiteCatalogOptions(path: path, catalogName: "c")
    options.busyMillisecondsMax = busyMilliseconds
    return try SQLCatalogBackend(options)
  }

  private func filled() throws -> SQLCatalogBackend {
    let backend = try open()
    try backend.createNamespace(Namespace(["n"]), properties: [:])
    #expect(try backend.apply([.insert(entry("t"))]) == .applied)
    return backend
  }

  @Test func commitsAreFlushed() throws {
    let database = try SQLiteDatabase(SQLiteCatalogOptions(path: path))
    #expect(try database.write("PRAGMA synchronous", []).int(0, 0) == 2)
    #expect(try database.write("PRAGMA journal_mode", []).text(0, 0) == "wal")
    #expect(try database.write("PRAGMA foreign_keys", []).int(0, 0) == 1)
    #expect(try database.read("PRAGMA synchronous", []).int(0, 0) == 2)
  }

  @Test func aLockThatOthersHoldIsWaitedForAndThenTold() throws {
    let backend = try filled()
    let impatient = try open(busyMilliseconds: 150)
    let t = entry("t").identifier
    try backend.database.transaction { session throws(SQLFailure) in
      let error = tableError {
        try impatient.apply([.swap(t, .table, from: "m0", to: "m1")])
      }
      #expect(error?.code == .catalog)
      #expect(error?.message.contains("locked for 150 ms") == true)
      // Readers see the last commit meanwhile.
      #expect((try? impatient.entry(t)?.metadataLocation) == "m0")
    }
    #expect(try impatient.apply([.swap(t, .table, from: "m0", to: "m1")]) == .applied)
    #expect(try backend.entry(t)?.metadataLocation == "m1")
  }

  @Test func manyOpenANewFileAtOnce() throws {
    let path = self.path
    inThreads(8) { number in
      do {
        let backend = try SQLCatalogBackend(SQLiteCatalogOptions(path: path))
        try backend.createNamespace(Namespace(["n\(number)"]), properties: [:])
      } catch {
        Issue.record(error)
      }
    }
    let backend = try SQLCatalogBackend(SQLiteCatalogOptions(path: path))
    #expect(backend.catalogName == "default")
    #expect(try backend.listNamespaces(in: nil, after: nil, limit: 99).count == 8)
    #expect(try backend.database.read("SELECT version FROM weir_catalog_schema", []).count == 1)
  }

  @Test func whatIsNoDatabaseIsTold() throws {
    #expect(
      tableErrorCode {
        try SQLCatalogBackend(SQLiteCatalogOptions(path: "\(folder.path)/missing/c.db"))
      } == .catalog)
    var options = SQLiteCatalogOptions(path: "\(folder.path)/none.db")
    options.createsFile = false
    #expect(tableErrorCode { try SQLCatalogBackend(options) } == .catalog)
    #expect(!FileManager.default.fileExists(atPath: options.path))
    #expect(tableErrorCode { try SQLCatalogBackend(SQLiteCatalogOptions(path: "")) } != nil)
    #expect(
      tableErrorCode { try SQLCatalogBackend(SQLiteCatalogOptions(path: folder.path)) } == .catalog)
    let text = "\(folder.path)/text.db"
    try String(repeating: "This is no database. ", count: 500)
      .write(toFile: text, atomically: true, encoding: .utf8)
    let error = tableError { try SQLCatalogBackend(SQLiteCatalogOptions(path: text)) }
    #expect(error?.code == .damaged)
    #expect(error?.file == text)
  }

  @Test func damageIsFound() throws {
    do {
      let backend = try filled()
      for number in 0..<200 { _ = try backend.apply([.insert(entry("t\(number)"))]) }
      try backend.checkIntegrity()
      backend.close()
    }
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    let size = try file.seekToEnd()
    for page in stride(from: UInt64(4_096), to: size, by: 4_096) {
      try file.seek(toOffset: page + 8)
      try file.write(contentsOf: Data(repeating: 0xa5, count: 2_000))
    }
    try file.close()
    #expect(
      tableErrorCode {
        let backend = try open()
        _ = try backend.entry(entry("t7").identifier)
        try backend.checkIntegrity()
      } == .damaged)
  }

  @Test func aNewerLayoutIsNotTouched() throws {
    let backend = try filled()
    _ = try backend.database.write("UPDATE weir_catalog_schema SET version = 2", [])
    let error = tableError { try open() }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("newer Weir") == true)
  }

  @Test func aReplacedFileIsNoticed() throws {
    let backend = try filled()
    try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
    let t = entry("t").identifier
    #expect(tableErrorCode { try backend.entry(t) } == .catalog)
    #expect(
      tableErrorCode { try backend.apply([.swap(t, .table, from: "m0", to: "m1")]) } == .catalog)
    try FileManager.default.moveItem(atPath: path + ".old", toPath: path)
    #expect(try backend.entry(t)?.metadataLocation == "m0")
  }

  @Test func theOnlyCatalogOfAFileIsTaken() throws {
    _ = try filled()
    let backend = try SQLCatalogBackend(SQLiteCatalogOptions(path: path))
    #expect(backend.catalogName == "c")
    let other = try SQLCatalogBackend(SQLiteCatalogOptions(path: path, catalogName: "d"))
    try other.createNamespace(Namespace(["n"]), properties: [:])
    let error = tableError { try SQLCatalogBackend(SQLiteCatalogOptions(path: path)) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("(c, d)") == true)
  }

  @Test func aClosedCatalogSaysSo() throws {
    let backend = try filled()
    backend.close()
    #expect(tableErrorCode { try backend.entry(entry("t").identifier) } == .catalog)
  }

  /// Needs a file system that only root can make.
  @Test(.enabled(if: getuid() == 0, "only root can mount a small file system"))
  func aFullDiskKeepsWhatThereIs() throws {
    let disk = "\(folder.path)/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
    guard mount("none", disk, "tmpfs", 0, "size=400k") == 0 else { return }
    defer { umount(disk) }
    let backend = try SQLCatalogBackend(SQLiteCatalogOptions(path: "\(disk)/catalog.db"))
    try backend.createNamespace(Namespace(["n"]), properties: [:])
    _ = try backend.apply([.insert(entry("t"))])
    let t = entry("t").identifier
    var location = "m0"
    var failure: TableError?
    let long = String(repeating: "x", count: 3_000)
    for number in 0..<1_000 where failure == nil {
      let next = "m\(number + 1)-\(long)"
      failure = tableError {
        guard try backend.apply([.swap(t, .table, from: location, to: next)]) == .applied else {
          throw TableError(.conflict, "lost")
        }
        _ = try backend.apply([.insert(entry("t\(number)", next))])
      }
      location = try backend.entry(t)!.metadataLocation
    }
    #expect(failure?.code == .catalog)
    #expect(failure?.message.contains("full") == true, "\(String(describing: failure))")
    // It goes on where it was as soon as there is room.
    #expect(mount("none", disk, "tmpfs", UInt(MS_REMOUNT), "size=4m") == 0)
    #expect(try backend.apply([.swap(t, .table, from: location, to: "room")]) == .applied)
    try backend.checkIntegrity()
    // A file that can only be read is read.
    backend.close()
  }

  @Test(.enabled(if: getuid() == 0, "only root can mount a file system to read only"))
  func aFileThatCanOnlyBeReadIsNotWritten() throws {
    let disk = "\(folder.path)/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
    guard mount("none", disk, "tmpfs", 0, "size=4m") == 0 else { return }
    defer { umount2(disk, Int32(MNT_DETACH)) }
    var options = SQLiteCatalogOptions(path: "\(disk)/catalog.db")
    do {
      let backend = try SQLCatalogBackend(options)
      try backend.createNamespace(Namespace(["n"]), properties: [:])
    }
    #expect(mount("none", disk, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), "size=4m") == 0)
    options.createsFile = false
    let error = tableError {
      let backend = try SQLCatalogBackend(options)
      try backend.createNamespace(Namespace(["m"]), properties: [:])
    }
    #expect(error?.code == .forbidden || error?.code == .catalog, "\(String(describing: error))")
  }

  @Test func aForkedChildIsToldToOpenItsOwn() async {
    let path = self.path
    await #expect(processExitsWith: .success) { [path = path as String] in
      let backend = try SQLCatalogBackend(SQLiteCatalogOptions(path: path))
      try backend.createNamespace(Namespace(["n"]), properties: [:])
      // Safe: Swift hides `fork`; the child only makes three calls and leaves.
      let fork = unsafeBitCast(
        dlsym(nil, "fork"), to: (@convention(c) () -> pid_t).self)
      let child = fork()
      if child == 0 {
        let old = tableError { try backend.listNamespaces(in: nil, after: nil, limit: 9) }
        let new = tableError { try SQLCatalogBackend(SQLiteCatalogOptions(path: path)) }
        let isRight =
          old?.message.contains("forked") == true && new?.message.contains("forked") == true
        _exit(isRight ? 0 : 1)
      }
      var status: Int32 = 0
      waitpid(child, &status, 0)
      #expect(status == 0)
      try backend.createNamespace(Namespace(["m"]), properties: [:])
    }
  }
}
