// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirStorage

/// What can go wrong while events are read from somebody's files.
package struct WorldError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure; more may come in later versions.
  package struct Code: Hashable, Sendable, CustomStringConvertible {
    package let description: String
    private init(_ description: String) { self.description = description }

    /// A file that was named, or that a data set needs, is not there.
    package static let notFound = Code("not found")
    /// The text breaks CSV's rules, or a value does not have its column's form.
    package static let invalidData = Code("invalid data")
    /// The arguments do not fit each other.
    package static let invalidArgument = Code("invalid argument")
    /// The operating system or the storage failed.
    package static let readFailed = Code("read failed")
  }

  package var code: Code
  /// What happened, and what to do about it.
  package var message: String
  package var file: String?
  /// Counted from 1; the line where the record begins.
  package var line: Int?

  package init(_ code: Code, _ message: String, file: String? = nil, line: Int? = nil) {
    self.code = code
    self.message = message
    self.file = file
    self.line = line
  }

  package var description: String {
    var place = file ?? ""
    if let line { place += place.isEmpty ? "line \(line)" : ":\(line)" }
    return place.isEmpty ? message : "\(place): \(message)"
  }
}
