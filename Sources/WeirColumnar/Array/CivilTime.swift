// SPDX-License-Identifier: Apache-2.0

/// The proleptic Gregorian calendar on plain integers: no time zones, no leap seconds.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (civil_from_days and
/// days_from_civil), https://howardhinnant.github.io/date_algorithms.html.
package enum CivilTime {
  package struct Date: Hashable, Sendable {
    /// Astronomical: year 0 is 1 BC.
    package var year: Int
    /// 1 ... 12
    package var month: Int
    /// 1 ... 31
    package var day: Int

    package init(year: Int, month: Int, day: Int) {
      self.year = year
      self.month = month
      self.day = day
    }
  }

  /// The date `days` after 1970-01-01, for `days` within ±2^61.
  package static func date(daysSinceEpoch days: Int) -> Date {
    let shifted = days + 719_468  // days since 0000-03-01
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return Date(
      year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
      day: dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }

  /// Days from 1970-01-01 to `date`, which must be a real date.
  package static func daysSinceEpoch(_ date: Date) -> Int {
    let year = date.month <= 2 ? date.year - 1 : date.year
    let era = floorDivide(year, 400)
    let yearOfEra = year - era * 400
    let marchMonth = date.month > 2 ? date.month - 3 : date.month + 9
    let dayOfYear = (153 * marchMonth + 2) / 5 + date.day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// Division that rounds towards minus infinity; `divisor` is positive.
  package static func floorDivide(_ value: Int, _ divisor: Int) -> Int {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }

  /// Appends `2026-01-31`; years before 0 or after 9999 with a sign, as ISO 8601 expands them.
  static func appendDate(daysSinceEpoch days: Int, to text: inout String) {
    let date = date(daysSinceEpoch: days)
    if date.year < 0 {
      text += "-"
    } else if date.year > 9_999 {
      text += "+"
    }
    appendPadded(date.year.magnitude, 4, to: &text)
    text += "-"
    appendPadded(UInt(date.month), 2, to: &text)
    text += "-"
    appendPadded(UInt(date.day), 2, to: &text)
  }

  /// Appends `13:05:09.000120` with as many decimals as the unit has; `value` counts units since
  /// midnight and lies within one day.
  static func appendTimeOfDay(_ value: Int, _ unit: TimeUnit, to text: inout String) {
    let perSecond = Int(unit.perSecond)
    let second = value / perSecond
    appendPadded(UInt(second / 3_600), 2, to: &text)
    text += ":"
    appendPadded(UInt(second / 60 % 60), 2, to: &text)
    text += ":"
    appendPadded(UInt(second % 60), 2, to: &text)
    let digits =
      switch unit {
      case .second: 0
      case .millisecond: 3
      case .microsecond: 6
      case .nanosecond: 9
      }
    if digits > 0 {
      text += "."
      appendPadded(UInt(value % perSecond), digits, to: &text)
    }
  }

  /// Appends `2026-01-31T13:05:09.000120`; `value` counts units since 1970-01-01T00:00:00.
  static func appendTimestamp(_ value: Int, _ unit: TimeUnit, to text: inout String) {
    let perDay = 86_400 * Int(unit.perSecond)
    let days = floorDivide(value, perDay)
    appendDate(daysSinceEpoch: days, to: &text)
    text += "T"
    // Wrapping: for the very first day of Int64's range days * perDay alone would overflow.
    appendTimeOfDay(value &- days &* perDay, unit, to: &text)
  }

  private static func appendPadded(_ value: UInt, _ digits: Int, to text: inout String) {
    let plain = String(value)
    for _ in 0..<max(0, digits - plain.utf8.count) { text += "0" }
    text += plain
  }
}
