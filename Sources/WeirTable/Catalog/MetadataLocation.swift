// SPDX-License-Identifier: Apache-2.0

/// Where tables and their metadata files are, by name.
package enum MetadataLocation {
  /// `LOCATION/metadata`, or what the property `write.metadata.path` says; no `/` at its end.
  static func folder(tableLocation: String, properties: StringMap) -> String {
    properties["write.metadata.path"].map(trimmed) ?? trimmed(tableLocation) + "/metadata"
  }

  /// `LOCATION/data`, or what the property `write.data.path` says; no `/` at its end.
  static func dataFolder(tableLocation: String, properties: StringMap) -> String {
    properties["write.data.path"].map(trimmed) ?? trimmed(tableLocation) + "/data"
  }

  /// `00001-UUID.metadata.json`, with `.gz` before `.metadata` for a compressed one.
  static func fileName(version: Int, uuid: String, isCompressed: Bool) -> String {
    let digits = String(version)
    let padding = String(repeating: "0", count: max(0, 5 - digits.count))
    return "\(padding)\(digits)-\(uuid)\(isCompressed ? ".gz" : "").metadata.json"
  }

  /// The number at the start of a metadata file's name; -1 when there is none.
  static func version(of location: String) -> Int {
    let name = location.utf8.split(separator: UInt8(ascii: "/")).last ?? Substring().utf8
    let digits = name.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard name.dropFirst(digits.count).first == UInt8(ascii: "-"), digits.count <= 12 else {
      return -1
    }
    return Int(String(decoding: digits, as: UTF8.self)) ?? -1
  }

  /// A folder of its own for a new table: a table that gets the name later, after a rename or a drop,
  /// must not share it, or the clean-up of one would remove files of the other.
  static func tableLocation(in parent: String, name: String, unique: UInt64) -> String {
    let digits = String(unique & 0xffff_ffff, radix: 16)
    let suffix = String(repeating: "0", count: 8 - digits.count) + digits
    return "\(trimmed(parent))/\(segment(name))-\(suffix)"
  }

  /// `WAREHOUSE/level/level`.
  package static func namespaceLocation(warehouse: String, _ namespace: Namespace) -> String {
    ([trimmed(warehouse)] + namespace.levels.map(segment)).joined(separator: "/")
  }

  /// A name fit for a path: letters, digits, `_`, `-`, `=` and dots inside stay, other bytes become
  /// `%XX`; cut to 120 bytes.
  static func segment(_ name: String) -> String {
    let hex = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
        UInt8(ascii: "="):
        result.append(byte)
      case UInt8(ascii: ".") where !result.isEmpty:
        result.append(byte)
      default:
        result += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
      }
      if result.count >= 118 { break }
    }
    return String(decoding: result, as: UTF8.self)
  }

  static func trimmed(_ location: String) -> String {
    var text = location[...]
    while text.utf8.count > 1, text.utf8.last == UInt8(ascii: "/") { text = text.dropLast() }
    return String(text)
  }
}
