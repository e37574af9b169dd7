// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What a replay found.
public struct ReplayReport: Sendable {
  public var requestID: String
  public var surface: String
  /// Values that were made again: features, scores, places.
  public var valueCount = 0
  /// How many of them differ in a bit.
  public var mismatchCount = 0
  /// The first of those, in words.
  public var firstDifference: String?
  /// Values that are taken from the log: features that are not made of events.
  public var takenCount = 0

  init(_ requestID: String, _ surface: String) {
    self.requestID = requestID
    self.surface = surface
  }

  mutating func compare(_ what: @autoclosure () -> String, _ served: Scalar, _ again: Scalar) {
    valueCount += 1
    guard !served.hasBits(of: again) else { return }
    mismatchCount += 1
    if firstDifference == nil {
      firstDifference = "\(what()): served \(served.shown), made again \(again.shown)"
    }
  }
}

extension Scalar {
  /// Whether two values are the same to the last bit: 0.0 is not -0.0.
  func hasBits(of other: Scalar) -> Bool {
    switch (self, other) {
    case (.float64(let one), .float64(let other)): one.bitPattern == other.bitPattern
    case (.float32(let one), .float32(let other)): one.bitPattern == other.bitPattern
    case (.list(let one), .list(let other)):
      one.count == other.count && zip(one, other).allSatisfy { $0.hasBits(of: $1) }
    case (.struct(let one), .struct(let other)):
      one.count == other.count && zip(one, other).allSatisfy { $0.value.hasBits(of: $1.value) }
    default: self == other
    }
  }

  fileprivate var shown: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .uint(let value): "\(value)"
    case .float32(let value): "\(value)"
    case .float64(let value): "\(value)"
    case .string(let value): "'\(value.prefix(80))'"
    case .list(let items):
      "[" + items.prefix(8).map(\.shown).joined(separator: ", ")
        + (items.count > 8 ? ", … \(items.count) in all]" : "]")
    default: "\(self)"
    }
  }
}
