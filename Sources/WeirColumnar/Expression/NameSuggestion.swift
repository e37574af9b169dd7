// SPDX-License-Identifier: Apache-2.0

/// Finds what somebody may have meant by a name that is not there.
public enum NameSuggestion {
  private static let byteCountMax = 64
  private static let nameCountMax = 2_000

  /// The name with the fewest edits, if they are few for its length; case does not count.
  public static func closest(to wanted: String, _ names: [String]) -> String? {
    let target = Array(wanted.lowercased().utf8.prefix(byteCountMax))
    var best: (distance: Int, name: String)?
    for name in names.prefix(nameCountMax) {
      let candidate = Array(name.lowercased().utf8.prefix(byteCountMax))
      let distance = editDistance(target, candidate)
      if distance <= max(1, max(target.count, candidate.count) / 3),
        best.map({ distance < $0.distance }) ?? true
      {
        best = (distance, name)
      }
    }
    return best?.name
  }

  /// Insertions, deletions and replacements of bytes, and exchanges of neighbours (optimal string
  /// alignment).
  static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var before: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
        row.append(cost)
      }
      (before, last) = (last, row)
    }
    return last[b.count]
  }
}
