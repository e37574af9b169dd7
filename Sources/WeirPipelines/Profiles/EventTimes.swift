// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// A column of event times, in any unit.
struct EventTimes {
  let column: ArrayData
  private let unit: Int64

  init(_ column: ArrayData, _ name: String) throws(StreamError) {
    guard case .timestamp(let timeUnit, _) = column.type else {
      throw StreamError(
        .invalidArgument, "the event time has type \(column.type), not a timestamp", column: name)
    }
    self.column = column
    unit = timeUnit.perSecond
  }

  /// Microseconds; times before and behind what fits are cut to it.
  func microseconds(_ row: Int) -> Int64 {
    guard case .int(let time) = column.scalar(at: row) else { return 0 }
    if unit == 1_000_000 { return time }
    if unit > 1_000_000 {
      let (whole, rest) = time.quotientAndRemainder(dividingBy: unit / 1_000_000)
      return rest < 0 ? whole - 1 : whole
    }
    let (micros, isBeyond) = time.multipliedReportingOverflow(by: 1_000_000 / unit)
    return isBeyond ? (time < 0 ? .min : .max) : micros
  }
}
