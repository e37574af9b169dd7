// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirTable

/// What the address of a catalog says.
///
/// - `/data/lake`, `lake`, `./lake`, `file:///data/lake`: a folder with the SQLite file `catalog.db` and
///   the tables in it
/// - `sqlite:/data/c.db`, `sqlite:c.db`; `sqlite:///c.db` and `sqlite:////data/c.db` as SQLAlchemy and
///   PyIceberg write a relative and an absolute path
/// - `postgresql://user@host/database`, `postgres://…`
/// - `http://…`, `https://…`: a REST catalog
/// - `memory:`: nothing that stays
enum CatalogAddress: Equatable {
  /// An absolute path.
  case folder(String)
  /// An absolute path.
  case sqlite(String)
  case postgres(String)
  case rest(String)
  case memory

  init(_ text: String, currentFolder: String = CatalogAddress.currentFolder) throws(TableError) {
    func fail(_ message: String) -> TableError {
      TableError(
        .invalidArgument,
        "'\(CatalogAddress.shown(text))' is no address of a catalog: \(message)")
    }
    func absolute(_ path: String) throws(TableError) -> String {
      guard !path.isEmpty, !path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
        throw fail("its path is empty or holds control characters")
      }
      return path.hasPrefix("/") ? path : "\(currentFolder)/\(path)"
    }
    let scheme = text.utf8.firstIndex(of: UInt8(ascii: ":")).map { text[..<$0].lowercased() } ?? ""
    let rest = String(text.dropFirst(scheme.isEmpty ? 0 : scheme.count + 1))
    switch scheme {
    case "":
      guard !text.isEmpty else {
        throw fail("give a folder, sqlite:FILE, postgresql://… or https://…")
      }
      self = .folder(try absolute(text))
    case "file":
      var path = rest
      if path.hasPrefix("//localhost/") { path = String(path.dropFirst(11)) }
      if path.hasPrefix("///") { path = String(path.dropFirst(2)) }
      guard path.hasPrefix("/"), !path.hasPrefix("//") else {
        throw fail("write file:///folder")
      }
      self = .folder(try absolute(path))
    case "sqlite":
      guard rest.hasPrefix("///") || !rest.hasPrefix("//") else {
        throw fail("write sqlite:FILE")
      }
      self = .sqlite(try absolute(rest.hasPrefix("///") ? String(rest.dropFirst(3)) : rest))
    case "postgresql", "postgres": self = .postgres(text)
    case "http", "https":
      guard rest.hasPrefix("//"), rest.utf8.count > 2 else { throw fail("write \(scheme)://host") }
      self = .rest(text)
    case "memory": self = .memory
    case "s3", "s3a":
      throw fail(
        "a bucket keeps no catalog; connect to a folder, a database or a REST catalog, and give the "
          + "bucket as the property 'warehouse'")
    default:
      // A folder may have a colon in its name.
      if scheme.contains("/") {
        self = .folder(try absolute(text))
      } else {
        throw fail(
          "its scheme '\(scheme)' is not known; known are file, sqlite, postgresql, http, https and "
            + "memory")
      }
    }
  }

  static var currentFolder: String {
    guard let path = getcwd(nil, 0) else { return "/" }
    defer { free(path) }
    return String(cString: path)
  }

  /// `text` without a password in it.
  static func shown(_ text: String) -> String {
    guard let at = text.utf8.lastIndex(of: UInt8(ascii: "@")),
      let scheme = text.utf8.firstIndex(of: UInt8(ascii: ":"))
    else { return printable(text) }
    return printable("\(text[..<scheme])://…\(text[at...])")
  }

  private static func printable(_ text: String) -> String {
    String(
      text.unicodeScalars.prefix(200).map { scalar -> Character in
        scalar.value < 0x20 || scalar.value == 0x7f ? "?" : Character(scalar)
      })
  }
}
