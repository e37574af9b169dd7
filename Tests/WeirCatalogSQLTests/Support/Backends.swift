// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import WeirCatalogSQL
internal import WeirTable

/// A backend that a test opens as often as it likes, here or in another process.
enum TestBackend: Sendable, Codable, CustomStringConvertible {
  case sqlite(path: String, name: String)
  case postgres(address: String, name: String)

  func open() throws -> SQLCatalogBackend {
    switch self {
    case .sqlite(let path, let name):
      return try SQLCatalogBackend(SQLiteCatalogOptions(path: path, catalogName: name))
    case .postgres(let address, let name):
      return try SQLCatalogBackend(PostgresCatalogOptions(address: address, catalogName: name))
    }
  }

  var description: String {
    switch self {
    case .sqlite: "SQLite"
    case .postgres: "PostgreSQL"
    }
  }
}

/// The kinds of backends that every test of the conformance suite runs on.
enum BackendKind: String, Sendable, CaseIterable {
  case memory, sqlite, postgres

  /// Those that this machine can run.
  static let available = allCases.filter { $0 != .postgres || PostgresServer.binFolder != nil }
  static let databases = available.filter { $0 != .memory }

  /// A new database of a kind other than memory, in `folder`.
  func database(in folder: TemporaryFolder) throws -> TestBackend {
    let name = "c" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    switch self {
    case .memory: preconditionFailure("memory is no database")
    case .sqlite: return .sqlite(path: "\(folder.path)/catalog.db", name: name)
    case .postgres:
      return .postgres(address: try PostgresServer.shared!.get().address(), name: name)
    }
  }

  /// A new, empty backend.
  func backend(in folder: TemporaryFolder) throws -> any CatalogBackend {
    self == .memory ? MemoryCatalogBackend() : try database(in: folder).open()
  }
}

/// A folder that is removed with everything in it when the object goes.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/weir-catalog-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The code of the `TableError` that `body` throws, `nil` when it throws none.
func tableErrorCode<T>(_ body: () throws -> T) -> TableError.Code? { tableError(body)?.code }

/// The `TableError` that `body` throws, `nil` when it throws none.
func tableError<T>(_ body: () throws -> T) -> TableError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? TableError
  }
}

func entry(
  _ name: String, _ location: String = "m0", in levels: [String] = ["n"],
  _ kind: CatalogEntryKind = .table
) -> CatalogEntry {
  CatalogEntry(
    identifier: TableIdentifier(Namespace(levels), name), kind: kind, metadataLocation: location)
}
