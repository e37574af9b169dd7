// SPDX-License-Identifier: Apache-2.0

/// Pictures of numbers from block characters.
enum Bars {
  private static let eighths: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"]
  private static let levels: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

  /// A bar of at most `width` columns, in steps of an eighth; anything above 0 is visible.
  static func bar(_ value: Double, of maximum: Double, width: Int) -> String {
    guard maximum > 0, value > 0, width > 0 else { return "" }
    let steps = max(1, Int((min(1, value / maximum) * Double(width * 8)).rounded()))
    var text = String(repeating: "█", count: steps / 8)
    if steps % 8 > 0 { text.append(eighths[steps % 8 - 1]) }
    return text
  }

  /// One character per value, scaled to the largest; 0 is a space's width of nothing.
  static func sparkline(_ values: [Int]) -> String {
    guard let maximum = values.max(), maximum > 0 else {
      return String(repeating: " ", count: values.count)
    }
    return String(
      values.map { value in
        if value <= 0 { return " " }
        return levels[min(7, value * 8 / (maximum + 1))]
      })
  }

  /// `values` summed into at most `count` neighbouring groups of equal size; the last may be smaller.
  static func grouped(_ values: [Int], into count: Int) -> (values: [Int], perGroup: Int) {
    guard values.count > count, count > 0 else { return (values, 1) }
    let size = (values.count + count - 1) / count
    let groups = stride(from: 0, to: values.count, by: size).map { start in
      values[start..<min(start + size, values.count)].reduce(0, +)
    }
    return (groups, size)
  }
}
