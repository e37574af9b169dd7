// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import WeirConnect
internal import WeirStorage
internal import WeirTable

/// The folder of a catalog server: the tables, and `catalog.db` with their names unless those are kept
/// elsewhere. A program on the same machine may open the folder itself meanwhile.
struct DataFolder {
  /// As a location: some clients take a path without a scheme for one of another file system.
  let location: String
  /// Absolute.
  let path: String

  /// Makes the folder when it is not there.
  init(_ folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw CommandFailure("\(folder): the folder cannot be made: \(error)")
    }
    guard let absolute = realpath(folder, nil) else {
      throw CommandFailure("\(folder): the folder cannot be found")
    }
    defer { free(absolute) }
    path = String(cString: absolute)
    location = "file://\(path)"
  }

  /// The catalog at `address`, or the one in this folder. Its tables lie at `tables`, or in the folder
  /// without it, or in `others`.
  func open(_ address: String?, tables: String?, others: [String]) throws -> Connection {
    var options = ConnectionOptions()
    options.confinedTo = [tables ?? location] + others
    return try Connection.open(
      address ?? path, properties: ["warehouse": tables ?? location], options: options)
  }
}
