// SPDX-License-Identifier: Apache-2.0

/// Numbers with units as people write them.
package enum Quantity {
  private static let sizes: [(unit: String, bytes: Int64)] = [
    ("B", 1), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
  ]
  private static let durations: [(unit: String, milliseconds: Int64)] = [
    ("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ("w", 7 * 86_400_000),
  ]

  static let sizeForm = "a number with its unit, like 64MB or 512KiB"
  package static let durationForm = "a number with its unit, like 500ms, 30s, 5m, 12h or 7d"
  /// The same for a JSON Schema.
  static let sizePattern = "^[0-9]+(\\.[0-9]+)? ?(B|[kKMGT]i?B)$"
  static let durationPattern = "^[0-9]+(\\.[0-9]+)? ?(ms|s|m|min|h|d|w)$"

  /// `64MB`, `1.5 GiB`: bytes. The unit must be there; its case does not matter.
  static func bytes(_ text: String) -> Int64? {
    guard let (number, unit) = split(text),
      let factor = sizes.first(where: { $0.unit.lowercased() == unit.lowercased() })?.bytes
    else { return nil }
    return product(number, factor)
  }

  /// `30s`, `1.5h`: milliseconds. The unit must be there.
  package static func milliseconds(_ text: String) -> Int64? {
    guard let (number, unit) = split(text),
      let factor = durations.first(where: { $0.unit == unit.lowercased() })?.milliseconds
    else { return nil }
    return product(number, factor)
  }

  private static func split(_ text: String) -> (Double, String)? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "_") }
    let number = digits.replacing("_", with: "")
    guard number.first?.isNumber == true, let value = Double(number) else { return nil }
    let unit = text.dropFirst(digits.count)
    return (value, String(unit.first == " " ? unit.dropFirst() : unit))
  }

  private static func product(_ number: Double, _ factor: Int64) -> Int64? {
    let product = (number * Double(factor)).rounded()
    return product < 9e18 ? Int64(product) : nil
  }
}
