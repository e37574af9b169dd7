// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Dates and times in ISO 8601 as Iceberg's JSON writes them.
enum ISOTime {
  /// Days, microseconds or nanoseconds by the type; `nil` when `text` is no such value, is out of
  /// range, or has more decimals than the type.
  static func value(_ text: String, _ type: TableType) -> Int64? {
    var reader = Reader(bytes: Array(text.utf8)[...])
    let perSecond: Int64
    switch type {
    case .date:
      guard let days = reader.date(), reader.isAtEnd, let value = Int32(exactly: days) else {
        return nil
      }
      return Int64(value)
    case .time:
      guard let micros = reader.time(1_000_000), reader.isAtEnd else { return nil }
      return micros
    case .timestamp, .timestamptz: perSecond = 1_000_000
    case .timestampNs, .timestamptzNs: perSecond = 1_000_000_000
    default: return nil
    }
    guard let days = reader.date(), reader.take("T") || reader.take(" "),
      let time = reader.time(perSecond)
    else { return nil }
    let hasZone = type == .timestamptz || type == .timestamptzNs
    if hasZone {
      guard reader.take("Z") || reader.take("+00:00") || reader.take("-00:00") else { return nil }
    }
    guard reader.isAtEnd else { return nil }
    let (scaled, overflow) = Int64(days).multipliedReportingOverflow(by: 86_400 * perSecond)
    if overflow {
      // The first day of the range begins before it.
      let (next, nextOverflow) = Int64(days + 1).multipliedReportingOverflow(by: 86_400 * perSecond)
      let (sum, sumOverflow) = next.addingReportingOverflow(time - 86_400 * perSecond)
      return nextOverflow || sumOverflow ? nil : sum
    }
    let (sum, sumOverflow) = scaled.addingReportingOverflow(time)
    return sumOverflow ? nil : sum
  }

  private struct Reader {
    var bytes: ArraySlice<UInt8>

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func take(_ text: String) -> Bool {
      guard bytes.starts(with: text.utf8) else { return false }
      bytes = bytes.dropFirst(text.utf8.count)
      return true
    }

    mutating func digits(_ count: ClosedRange<Int>) -> (value: Int64, count: Int)? {
      var value: Int64 = 0
      var read = 0
      while read < count.upperBound, let byte = bytes.first, byte >= 0x30, byte < 0x3a {
        value = value * 10 + Int64(byte - 0x30)
        bytes.removeFirst()
        read += 1
      }
      return read >= count.lowerBound ? (value, read) : nil
    }

    mutating func date() -> Int? {
      var negative = false
      var yearDigits = 4...4
      if take("-") {
        negative = true
        yearDigits = 4...9
      } else if take("+") {
        yearDigits = 4...9
      }
      guard let year = digits(yearDigits)?.value, take("-"), let month = digits(2...2)?.value,
        take("-"), let day = digits(2...2)?.value, (1...12).contains(month), day >= 1
      else { return nil }
      let date = CivilTime.Date(
        year: Int(negative ? -year : year), month: Int(month), day: Int(day))
      let days = CivilTime.daysSinceEpoch(date)
      // A day that its month does not have comes back as another.
      return CivilTime.date(daysSinceEpoch: days) == date ? days : nil
    }

    mutating func time(_ perSecond: Int64) -> Int64? {
      guard let hour = digits(2...2)?.value, take(":"), let minute = digits(2...2)?.value,
        hour < 24, minute < 60
      else { return nil }
      var second: Int64 = 0
      var fraction: Int64 = 0
      if take(":") {
        guard let read = digits(2...2)?.value, read < 60 else { return nil }
        second = read
        if take(".") {
          let places = perSecond == 1_000_000 ? 6 : 9
          guard let (value, count) = digits(1...9) else { return nil }
          fraction = value
          for _ in count..<max(count, places) { fraction *= 10 }
          // More decimals than the type has are fine as zeros only.
          for _ in places..<max(count, places) {
            guard fraction % 10 == 0 else { return nil }
            fraction /= 10
          }
        }
      }
      return ((hour * 60 + minute) * 60 + second) * perSecond + fraction
    }
  }
}
