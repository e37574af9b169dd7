// SPDX-License-Identifier: Apache-2.0

/// The format of a data or delete file.
///
/// Names are read in any mix of cases and written in capitals, as the Java implementation does.
public enum FileFormat: Hashable, Sendable, CustomStringConvertible {
  case parquet
  case avro
  case orc
  /// Weir's own (docs/specs/weir-file.md).
  case weir
  /// Deletion vectors.
  case puffin
  /// A name that this version does not know, as it was read.
  case other(String)

  public init(name: String) {
    switch name.lowercased() {
    case "parquet": self = .parquet
    case "avro": self = .avro
    case "orc": self = .orc
    case "weir": self = .weir
    case "puffin": self = .puffin
    default: self = .other(name)
    }
  }

  /// The ending of names of files.
  public var fileExtension: String { description.lowercased() }

  /// As manifests hold it, such as `PARQUET`.
  public var description: String {
    switch self {
    case .parquet: "PARQUET"
    case .avro: "AVRO"
    case .orc: "ORC"
    case .weir: "WEIR"
    case .puffin: "PUFFIN"
    case .other(let name): name
    }
  }
}
