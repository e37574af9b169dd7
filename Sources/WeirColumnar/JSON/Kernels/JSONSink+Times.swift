// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLineText.swift.

/// Dates, times of day and timestamps: in ISO 8601 (RFC 3339), timestamps also as numbers of a stated
/// unit. Decimals that the column's unit cannot hold are cut off, towards the past.
final class JSONTimeSink: JSONSink {
  private enum Kind { case date, time, local, instant }
  private let kind: Kind
  private let perSecond: Int64
  private let numberUnit: TimeUnit?
  private let narrow: PrimitiveBuilder<Int32>?
  private let wide: PrimitiveBuilder<Int64>?

  override var builder: any ArrayBuilder { narrow ?? wide! as any ArrayBuilder }

  init(_ field: Field, _ values: any ArrayBuilder, _ numberUnit: TimeUnit?) {
    switch field.type {
    case .date32: (kind, perSecond) = (.date, 1)
    case .time32(let unit), .time64(let unit): (kind, perSecond) = (.time, unit.perSecond)
    case .timestamp(let unit, nil): (kind, perSecond) = (.local, unit.perSecond)
    case .timestamp(let unit, _): (kind, perSecond) = (.instant, unit.perSecond)
    default: preconditionFailure("\(field.type) is no time")
    }
    self.numberUnit = numberUnit
    narrow = values as? PrimitiveBuilder<Int32>
    wide = values as? PrimitiveBuilder<Int64>
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == 0x22 { return readText(text, position, state) }
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: wanted)
    }
    guard kind == .local || kind == .instant else {
      return state.fail(text, position, wanted: wanted)
    }
    return readNumber(text, position, state)
  }

  private func readNumber(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    guard let numberUnit else {
      return state.fail(
        "\(JSONLineState.token(text, position)) says no unit of time; send \(wanted), or say what "
          + "numbers count (s, ms, us, ns)")
    }
    let number = JSONNumber(text, position, state)
    if number.next < 0 { return -1 }
    // From the number's unit to the column's, both powers of ten.
    let scale = Self.digits(perSecond) - Self.digits(numberUnit.perSecond)
    guard let value = number.scaled(text, by: scale, truncates: true),
      let fitting = Int64(exactly: value)
    else {
      return state.fail("\(JSONLineState.token(text, position)) is out of the range of timestamps")
    }
    wide?.append(fitting)
    return number.next
  }

  private static func digits(_ perSecond: Int64) -> Int {
    switch perSecond {
    case 1: 0
    case 1_000: 3
    case 1_000_000: 6
    default: 9
    }
  }

  private func readText(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    var clock = JSONClock(text: text, at: position + 1)
    guard let value = value(&clock), text[clock.at] == 0x22 else {
      return state.fail(text, position, wanted: wanted)
    }
    if let wide {
      wide.append(value)
    } else {
      guard let value = Int32(exactly: value) else {
        return state.fail(text, position, wanted: wanted)
      }
      narrow?.append(value)
    }
    return clock.at + 1
  }

  @inline(__always)
  private func value(_ clock: inout JSONClock) -> Int64? {
    switch kind {
    case .date: return clock.date()
    case .time: return clock.time(perSecond)
    case .local, .instant:
      guard let days = clock.date() else { return nil }
      let separator = clock.text[clock.at] | 0x20
      guard separator == UInt8(ascii: "t") || separator == 0x20 else { return nil }
      clock.at += 1
      guard var time = clock.time(perSecond) else { return nil }
      if kind == .instant {
        guard let seconds = clock.zone() else { return nil }
        time -= seconds * perSecond
      }
      let (start, overflow) = days.multipliedReportingOverflow(by: 86_400 * perSecond)
      let (sum, sumOverflow) = start.addingReportingOverflow(time)
      if !overflow && !sumOverflow { return sum }
      // The first day of the range begins before it.
      let exact = Int128(days) * Int128(86_400 * perSecond) + Int128(time)
      return Int64(exactly: exact)
    }
  }

  private var wanted: String {
    switch kind {
    case .date: "a date like \"2026-01-31\""
    case .time: "a time like \"22:31:08.5\""
    case .local: "a timestamp like \"2026-01-31T22:31:08.5\""
    case .instant: "a timestamp with its zone like \"2026-01-31T22:31:08.5Z\""
    }
  }
}

/// Goes over the digits of a date or a time.
private struct JSONClock {
  let text: JSONText
  var at: Int

  @inline(__always)
  private mutating func two() -> Int64? {
    let high = text[at] &- 0x30
    guard high < 10 else { return nil }
    let low = text[at + 1] &- 0x30
    guard low < 10 else { return nil }
    at += 2
    return Int64(high) * 10 + Int64(low)
  }

  @inline(__always)
  private mutating func take(_ byte: UInt8) -> Bool {
    guard text[at] == byte else { return false }
    at += 1
    return true
  }

  /// Days since 1970-01-01. Years beyond 9999 have a sign and up to nine digits.
  mutating func date() -> Int64? {
    var year: Int64 = 0
    let sign = text[at]
    if sign == 0x2d || sign == 0x2b {
      at += 1
      var count = 0
      while text[at] &- 0x30 < 10, count < 9 {
        year = year * 10 + Int64(text[at] &- 0x30)
        at += 1
        count += 1
      }
      guard count >= 4 else { return nil }
      if sign == 0x2d { year = -year }
    } else {
      guard let century = two(), let rest = two() else { return nil }
      year = century * 100 + rest
    }
    guard take(0x2d), let month = two(), take(0x2d), let day = two(), month >= 1, month <= 12,
      day >= 1, day <= Self.dayCount(year, month)
    else { return nil }
    return Int64(
      CivilTime.daysSinceEpoch(CivilTime.Date(year: Int(year), month: Int(month), day: Int(day))))
  }

  private static func dayCount(_ year: Int64, _ month: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Units since midnight.
  mutating func time(_ perSecond: Int64) -> Int64? {
    guard let hour = two(), take(0x3a), let minute = two(), hour < 24, minute < 60 else {
      return nil
    }
    var second: Int64 = 0
    var fraction: Int64 = 0
    if take(0x3a) {
      guard let read = two(), read < 60 else { return nil }
      second = read
      if take(0x2e) {
        guard text[at] &- 0x30 < 10 else { return nil }
        var unit = perSecond
        while text[at] &- 0x30 < 10 {
          unit /= 10
          fraction += Int64(text[at] &- 0x30) * unit
          at += 1
        }
      }
    }
    return ((hour * 60 + minute) * 60 + second) * perSecond + fraction
  }

  /// Seconds east of UTC: `Z`, `+02:00`, `+0200` or `+02`.
  mutating func zone() -> Int64? {
    if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return 0 }
    let isWest = text[at] == 0x2d
    guard isWest || text[at] == 0x2b else { return nil }
    at += 1
    guard let hours = two(), hours < 24 else { return nil }
    var minutes: Int64 = 0
    if text[at] != 0x22 {
      _ = take(0x3a)
      guard let read = two(), read < 60 else { return nil }
      minutes = read
    }
    let seconds = hours * 3_600 + minutes * 60
    return isWest ? -seconds : seconds
  }
}
