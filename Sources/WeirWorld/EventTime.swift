// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Times of events: milliseconds since 1970-01-01 in UTC, from text and to dates.
package enum EventTime {
  package static let millisecondsPerDay: Int64 = 86_400_000

  /// The day since 1970-01-01 that holds a time, also before 1970.
  package static func day(ofMilliseconds time: Int64) -> Int {
    CivilTime.floorDivide(Int(time), Int(millisecondsPerDay))
  }

  private static func daysIn(month: Int, year: Int) -> Int {
    switch month {
    case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Reads `YYYY-MM-DD`, then optionally `T` or a space and `HH:MM[:SS[.fraction]]`, then
  /// optionally `Z`, `+HH:MM` or `-HH:MM`; UTC when no zone is given. `nil` for anything else.
  /// Fractions are cut to milliseconds.
  package static func milliseconds(parsing bytes: ArraySlice<UInt8>) -> Int64? {
    var scan = DigitScanner(bytes)
    guard let year = scan.number(4), scan.skip(0x2d), let month = scan.number(2),
      scan.skip(0x2d), let day = scan.number(2), (1...12).contains(month),
      day >= 1, day <= daysIn(month: month, year: year)
    else { return nil }
    let date = CivilTime.Date(year: year, month: month, day: day)
    var result = Int64(CivilTime.daysSinceEpoch(date)) * millisecondsPerDay
    if scan.isAtEnd { return result }
    guard scan.skip(0x54) || scan.skip(0x20), let hour = scan.number(2), hour < 24,
      scan.skip(0x3a), let minute = scan.number(2), minute < 60
    else { return nil }
    result += Int64(hour * 3_600_000 + minute * 60_000)
    if scan.skip(0x3a) {
      guard let second = scan.number(2), second < 60 else { return nil }
      result += Int64(second * 1_000)
      if scan.skip(0x2e) {
        guard let fraction = scan.millisecondFraction() else { return nil }
        result += Int64(fraction)
      }
    }
    return scan.zoneMinutes().map { result - Int64($0) * 60_000 }
  }
}

/// Reads fixed runs of ASCII digits.
private struct DigitScanner {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  var isAtEnd: Bool { position == bytes.endIndex }

  mutating func skip(_ byte: UInt8) -> Bool {
    guard position < bytes.endIndex, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  mutating func number(_ digits: Int) -> Int? {
    guard bytes.endIndex - position >= digits else { return nil }
    var value = 0
    for index in position..<position + digits {
      let digit = bytes[index] &- 0x30
      guard digit <= 9 else { return nil }
      value = value * 10 + Int(digit)
    }
    position += digits
    return value
  }

  /// One or more digits behind the point, as milliseconds.
  mutating func millisecondFraction() -> Int? {
    var value = 0
    var count = 0
    while position < bytes.endIndex, bytes[position] &- 0x30 <= 9 {
      if count < 3 { value = value * 10 + Int(bytes[position] - 0x30) }
      count += 1
      position += 1
    }
    switch count {
    case 0: return nil
    case 1: return value * 100
    case 2: return value * 10
    default: return value
    }
  }

  /// The rest as a zone; 0 for none, `nil` when it is not one.
  mutating func zoneMinutes() -> Int? {
    if isAtEnd { return 0 }
    if skip(0x5a) { return isAtEnd ? 0 : nil }
    let sign: Int
    if skip(0x2b) { sign = 1 } else if skip(0x2d) { sign = -1 } else { return nil }
    guard let hour = number(2), hour < 24 else { return nil }
    _ = skip(0x3a)
    guard let minute = number(2), minute < 60, isAtEnd else { return nil }
    return sign * (hour * 60 + minute)
  }
}
