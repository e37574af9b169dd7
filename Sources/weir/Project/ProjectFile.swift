// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import WeirColumnar
internal import WeirProject
internal import WeirStorage

/// A project file on disk.
struct ProjectFile {
  let path: String

  /// - Parameter path: the file, or its folder.
  init(_ path: String) {
    var isFolder = false
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
    self.path = isFolder ? "\(folder)/weir.yaml" : path
  }

  /// - Throws: `CommandFailure` when it cannot be read, `ProjectProblems` when it is wrong.
  func read() throws -> Project {
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure(
        "\(path): there is no such file", hint: "docs/project.md shows how one looks.")
    }
    let source = try InputFile.open(path)
    guard source.size <= 4 << 20 else { throw CommandFailure("\(path): the file is too large") }
    let bytes = try source.read(0..<source.size).array(of: UInt8.self)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CommandFailure("\(path): the file is not UTF-8")
    }
    return try Project(parsing: text, file: path)
  }

  /// A path of the file as the process sees it: relative ones count from the file's folder.
  func resolved(_ other: String) -> String {
    if other.hasPrefix("/") { return other }
    guard let slash = path.lastIndex(of: "/") else { return other }
    return path[...slash] + other
  }
}
