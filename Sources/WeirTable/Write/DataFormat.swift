// SPDX-License-Identifier: Apache-2.0

/// The formats in which data files are written. Which one is a table's property and may change at any
/// time; files that are there stay as they are, and are read on.
public enum DataFormat: String, Hashable, Sendable, CaseIterable {
  /// What every engine reads.
  case parquet
  /// Weir's own (docs/specs/weir-file.md).
  case weir

  /// The property of a table that says it.
  public static let property = "write.format.default"

  /// How files of the Weir format are written: a property of Weir's own.
  public static let profileProperty = "weir.file.profile"
  /// Columns by whose values rows of Weir files are found without reading others: names with commas
  /// between, `none` for none. Without it they are the table's identifier fields.
  public static let keysProperty = "weir.file.keys"

  /// The values of `profileProperty`, the default first.
  public static let profiles = ["fast", "compact"]
}
