// SPDX-License-Identifier: Apache-2.0

extension TableIdentifier {
  /// `namespace.name`, where the namespace may have dots, too: the last one divides.
  public init(parsing text: String) throws(TableError) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 1, !parts.contains("") else {
      throw TableError(
        .invalidArgument, "'\(text)' is no name of a table: write namespace.table")
    }
    self.init(Namespace(Array(parts.dropLast())), parts[parts.count - 1])
  }
}

extension Namespace {
  /// Names with dots between them.
  public init(parsing text: String) throws(TableError) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard !parts.contains("") else {
      throw TableError(
        .invalidArgument, "'\(text)' is no name of a namespace: write names with dots between")
    }
    self.init(parts)
  }
}
