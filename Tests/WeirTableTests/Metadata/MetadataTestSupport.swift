// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirTable

/// Files of `testdata/iceberg/metadata`, and metadata that other implementations' tests read.
enum MetadataFiles {
  static func own(_ name: String) throws -> JSONValue {
    let data = try Data(contentsOf: URL(fileURLWithPath: "testdata/iceberg/metadata/\(name)"))
    return try JSONValue(parsing: [UInt8](data))
  }

  /// The folder of iceberg-rust's test data, beside the repository where a developer keeps it.
  static var conformance: String? {
    let named = ProcessInfo.processInfo.environment["WEIR_CONFORMANCE"]
    let candidates = [named, "../shared/conformance", "../../shared/conformance"]
    return candidates.compactMap { $0.map { $0 + "/iceberg/testdata" } }.first {
      FileManager.default.fileExists(atPath: $0)
    }
  }

  /// Tests of those files are skipped, and say so, where they are not.
  static var needsConformance: ConditionTrait {
    .enabled(
      if: conformance != nil,
      "iceberg-rust's files are not at ../shared/conformance; WEIR_CONFORMANCE names their folder")
  }

  static func conformance(_ path: String) -> [UInt8]? {
    guard let folder = conformance else { return nil }
    return FileManager.default.contents(atPath: "\(folder)/\(path)").map { [UInt8]($0) }
  }
}

extension JSONValue {
  /// Without members that are null, empty lists and objects, and -1 for "no snapshot": what metadata
  /// may leave out without saying anything else.
  var withoutNothing: JSONValue {
    switch self {
    case .array(let items): .array(items.map(\.withoutNothing))
    case .object(let members):
      .object(
        JSONObject(
          members.compactMap { name, value -> (String, JSONValue)? in
            if value.isNull || value == [] || value == .object([:]) { return nil }
            if name == "current-snapshot-id" && value == -1 { return nil }
            return (name, value.withoutNothing)
          }))
    default: self
    }
  }

  /// Members of `self` (in depth) that `other` lacks or has otherwise, by path.
  func differences(from other: JSONValue?, _ path: String = "") -> [String] {
    guard let other else { return ["\(path): \(text), missing"] }
    switch (self, other) {
    case (.object(let a), .object(let b)):
      return a.flatMap { $0.1.differences(from: b[$0.0], path + "." + $0.0) }
    case (.array(let a), .array(let b)) where a.count == b.count:
      return zip(a.indices, zip(a, b)).flatMap { $1.0.differences(from: $1.1, "\(path)[\($0)]") }
    default: return self == other ? [] : ["\(path): \(text) is now \(other.text)"]
    }
  }
}

/// The code and message of the error that `body` throws.
func failure(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as TableError {
    return "\(error.code): \(error)"
  } catch {
    return "\(error)"
  }
}
