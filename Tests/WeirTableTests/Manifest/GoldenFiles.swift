// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

/// Files of `testdata/iceberg`.
enum GoldenFiles {
  static var folder: URL {
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return root.appendingPathComponent("testdata/iceberg")
  }

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent(path)))
  }

  static func buffer(_ path: String) throws -> Buffer { Buffer(try bytes(path)) }

  static func json(_ path: String) throws -> JSONValue { try JSONValue(parsing: try bytes(path)) }

  /// Names in a folder that end with `suffix`.
  static func names(_ subfolder: String, suffix: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(
      atPath: folder.appendingPathComponent(subfolder).path
    ).filter { $0.hasSuffix(suffix) }.sorted()
  }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}
