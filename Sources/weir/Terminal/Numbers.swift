// SPDX-License-Identifier: Apache-2.0

/// Numbers for people.
enum Numbers {
  /// `1234567` as `1,234,567`
  static func grouped(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var text = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// `1 row`, `1,234 rows`
  static func counted(_ count: Int, _ one: String, _ many: String) -> String {
    "\(grouped(count)) \(count == 1 ? one : many)"
  }

  /// With exactly `decimals` digits behind the point, halves away from zero.
  static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : value < 0 ? "-∞" : "∞" }
    precondition((0...9).contains(decimals), "0 to 9 decimals")
    let scale = (0..<decimals).reduce(1.0) { value, _ in value * 10 }
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let units = Int(scaled)
    let whole = units / Int(scale)
    var text = value < 0 && units > 0 ? "-" : ""
    text += String(whole)
    if decimals > 0 {
      let fraction = String(units % Int(scale))
      text += "." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
    return text
  }

  /// Three digits that matter: `0.0123`, `1.23`, `12.3`, `1,234`.
  static func short(_ value: Double) -> String {
    let magnitude = value.magnitude
    if magnitude >= 100 { return grouped(Int(value.rounded())) }
    if magnitude >= 10 { return fixed(value, 1) }
    if magnitude >= 1 || magnitude == 0 { return fixed(value, 2) }
    return fixed(value, magnitude >= 0.1 ? 3 : 4)
  }

  /// Bytes in decimal units, as drives and networks count them: `812 B`, `1.2 kB`, `34 MB`.
  static func bytes(_ count: Int) -> String {
    scaled(Double(count), ["B", "kB", "MB", "GB", "TB", "PB", "EB"])
  }

  /// `950`, `12 k`, `3.4 M`
  static func compact(_ count: Double) -> String {
    scaled(count, ["", "k", "M", "G", "T"]).trimmedEnd
  }

  private static func scaled(_ value: Double, _ units: [String]) -> String {
    var amount = value
    var unit = 0
    while amount.magnitude >= 999.5 && unit < units.count - 1 {
      amount /= 1_000
      unit += 1
    }
    let decimals = unit > 0 && amount.magnitude < 9.95 ? 1 : 0
    return "\(fixed(amount, decimals)) \(units[unit])"
  }

  static func percent(_ part: Double, of whole: Double, decimals: Int = 1) -> String {
    whole > 0 ? fixed(100 * part / whole, decimals) + "%" : "–"
  }

  /// `0.8 s`, `12 s`, `3 min 20 s`
  static func seconds(_ duration: Duration) -> String {
    let seconds = duration.inSeconds
    if seconds < 0.0995 { return "\(fixed(seconds * 1_000, seconds < 0.00995 ? 1 : 0)) ms" }
    if seconds < 9.95 { return "\(fixed(seconds, 1)) s" }
    if seconds < 119.5 { return "\(fixed(seconds, 0)) s" }
    let whole = Int(seconds.rounded())
    return "\(whole / 60) min \(whole % 60) s"
  }
}

extension String {
  fileprivate var trimmedEnd: String { hasSuffix(" ") ? String(dropLast()) : self }
}

extension Duration {
  /// In seconds.
  var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
