// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// From a physical type's PLAIN bytes to Arrow's layout, for types where the two differ.
enum ValueConversion: Equatable {
  /// The bytes are the same; `width` of them a value.
  case none(width: Int)
  /// INT32 to the low 1 or 2 bytes.
  case narrow(width: Int)
  /// INT32 or INT64, sign-extended to 128 bits.
  case decimalFromInteger(width: Int)
  /// Big-endian two's complement of 1...16 bytes, to 128 bits.
  case decimalFromFixed(width: Int)
  /// INT96 (nanoseconds of the day, Julian day) to units since 1970-01-01.
  case int96(TimeUnit)
  /// Days to milliseconds.
  case daysToMilliseconds
  /// Milliseconds to seconds, where a schema says that seconds were written so.
  case millisecondsToSeconds

  /// Bytes of one PLAIN value.
  var inputWidth: Int {
    switch self {
    case .none(let width), .decimalFromInteger(let width), .decimalFromFixed(let width): width
    case .narrow, .daysToMilliseconds: 4
    case .int96: 12
    case .millisecondsToSeconds: 8
    }
  }

  var outputWidth: Int {
    switch self {
    case .none(let width), .narrow(let width): width
    case .decimalFromInteger, .decimalFromFixed: 16
    case .int96, .daysToMilliseconds, .millisecondsToSeconds: 8
    }
  }

  /// Converts `count` values. Safe: `input` holds `count * inputWidth` bytes and `output` has room for
  /// `count * outputWidth`; they do not overlap.
  func apply(
    _ input: UnsafeRawPointer, to output: UnsafeMutableRawPointer, count: Int
  ) throws(ParquetError) {
    switch self {
    case .none(let width): output.copyMemory(from: input, byteCount: count * width)
    case .narrow(let width):
      if width == 1 {
        Self.convert(input, output, count, Int32.self) { UInt8(truncatingIfNeeded: $0) }
      } else {
        Self.convert(input, output, count, Int32.self) { UInt16(truncatingIfNeeded: $0) }
      }
    case .decimalFromInteger(let width):
      if width == 4 {
        Self.convert(input, output, count, Int32.self) { Int128($0) }
      } else {
        Self.convert(input, output, count, Int64.self) { Int128($0) }
      }
    case .decimalFromFixed(let width):
      let target = output.assumingMemoryBound(to: Int128.self)
      for index in 0..<count {
        target[index] = Self.bigEndian(input + index * width, width)
      }
    case .int96(let unit): try Self.int96(input, output, count, unit)
    case .daysToMilliseconds:
      Self.convert(input, output, count, Int32.self) { Int64($0) * 86_400_000 }
    case .millisecondsToSeconds:
      Self.convert(input, output, count, Int64.self) { $0 / 1000 }
    }
  }

  @inline(__always)
  private static func convert<From: BitwiseCopyable, To: BitwiseCopyable>(
    _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, _ count: Int, _: From.Type,
    _ transform: (From) -> To
  ) {
    let target = output.assumingMemoryBound(to: To.self)
    for index in 0..<count {
      target[index] = transform(
        input.loadUnaligned(fromByteOffset: index * MemoryLayout<From>.stride, as: From.self))
    }
  }

  /// A big-endian two's-complement number of `width` (0...16) bytes.
  static func bigEndian(_ bytes: UnsafeRawPointer, _ width: Int) -> Int128 {
    guard width > 0 else { return 0 }
    var value = Int128(bytes.load(as: Int8.self))
    for index in 1..<max(width, 1) {
      value = value << 8 | Int128(bytes.load(fromByteOffset: index, as: UInt8.self))
    }
    return value
  }

  private static func int96(
    _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, _ count: Int, _ unit: TimeUnit
  ) throws(ParquetError) {
    let target = output.assumingMemoryBound(to: Int64.self)
    let perDay = 86_400 * unit.perSecond
    let divisor = 1_000_000_000 / unit.perSecond
    for index in 0..<count {
      let nanoseconds = input.loadUnaligned(fromByteOffset: index * 12, as: Int64.self)
      let julianDay = Int64(input.loadUnaligned(fromByteOffset: index * 12 + 8, as: Int32.self))
      let day = julianDay - 2_440_588
      let (days, overflow) = day.multipliedReportingOverflow(by: perDay)
      let (sum, overflow2) = days.addingReportingOverflow(nanoseconds / divisor)
      if let wrapped = sparkMicroseconds(day, nanoseconds), unit != .nanosecond {
        target[index] = wrapped / (1_000_000 / unit.perSecond)
        continue
      }
      if overflow || overflow2 {
        throw ParquetError(
          .limitExceeded,
          "an INT96 timestamp does not fit 64-bit \(unit.rawValue); read it with int96Unit "
            + ".microsecond or .millisecond")
      }
      target[index] = sum
    }
  }

  /// Days that do not fit 64-bit microseconds come from Spark: it holds microseconds, and its sum with
  /// the Julian epoch overflows in the years beyond 287,000. Undone by the same wrapping; `nil` where
  /// nothing overflows.
  private static func sparkMicroseconds(_ day: Int64, _ nanoseconds: Int64) -> Int64? {
    let (days, overflow) = day.multipliedReportingOverflow(by: 86_400_000_000)
    let (sum, overflow2) = days.addingReportingOverflow(nanoseconds / 1000)
    return overflow || overflow2 ? sum : nil
  }
}
