// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStreaming

/// What names a user or an item: the value of a table's only key column.
public enum EntityID: Sendable {
  case int(Int64)
  /// Compared by its bytes.
  case text(String)

  /// Whether keys of a type can be named.
  public static func fits(_ type: DataType) -> Bool {
    switch type {
    case .int32, .int64, .utf8: true
    default: false
    }
  }

  /// `nil` for nulls and for what names nothing.
  public init?(_ value: Scalar) {
    switch value {
    case .int(let value): self = .int(value)
    case .string(let value): self = .text(value)
    default: return nil
    }
  }

  public var scalar: Scalar {
    switch self {
    case .int(let value): .int(value)
    case .text(let value): .string(value)
    }
  }
}

extension EntityID: Hashable {
  public static func == (left: EntityID, right: EntityID) -> Bool {
    switch (left, right) {
    case (.int(let left), .int(let right)): left == right
    case (.text(let left), .text(let right)):
      left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .int(let value): hasher.combine(value)
    case .text(let value): hasher.combine(value)
    }
  }

  /// What dictionaries ask first: numbers are mixed with one multiplication, by a number that nobody
  /// outside of the process knows. (A list looks up some 3,000 of them; `Hasher` takes five times as long.)
  public func _rawHashValue(seed: Int) -> Int {
    guard case .int(let value) = self else {
      var hasher = Hasher()
      hasher.combine(seed)
      hash(into: &hasher)
      return hasher.finalize()
    }
    let mixed = UInt64(bitPattern: value) ^ UInt64(truncatingIfNeeded: seed) ^ Self.secret.first
    let product = mixed.multipliedFullWidth(by: Self.secret.second)
    return Int(truncatingIfNeeded: product.high ^ product.low)
  }

  private static let secret = (
    first: UInt64.random(in: .min ... .max), second: UInt64.random(in: .min ... .max) | 1
  )
}

extension EntityID: Comparable {
  public static func < (left: EntityID, right: EntityID) -> Bool {
    switch (left, right) {
    case (.int(let left), .int(let right)): left < right
    case (.text(let left), .text(let right)): left.utf8.lexicographicallyPrecedes(right.utf8)
    case (.int, .text): true
    case (.text, .int): false
    }
  }
}

extension EntityID: CustomStringConvertible {
  public var description: String {
    switch self {
    case .int(let value): "\(value)"
    case .text(let value): value
    }
  }
}

extension EntityID {
  /// The values of rows of a column; nulls are left out.
  static func list(_ column: ArrayData, _ rows: Range<Int>) -> [EntityID] {
    var result: [EntityID] = []
    result.reserveCapacity(rows.count)
    if column.type == .int64, column.nullCount == 0 {
      let values = column.values(as: Int64.self)
      for row in rows { result.append(.int(values[row])) }
      withExtendedLifetime(column) {}
      return result
    }
    for row in rows {
      if let id = EntityID(column.scalar(at: row)) { result.append(id) }
    }
    return result
  }

  /// A column of keys.
  ///
  /// - Throws: `invalidArgument` for one that the type cannot hold.
  static func column(_ ids: [EntityID], _ type: DataType) throws(StreamError) -> ArrayData {
    if type == .int64 {
      let builder = PrimitiveBuilder<Int64>(.int64)
      builder.reserve(ids.count)
      for id in ids {
        guard case .int(let value) = id else {
          throw StreamError(.invalidArgument, "'\(id)' is text, and keys are whole numbers")
        }
        builder.append(value)
      }
      return builder.finish()
    }
    let builder = makeBuilder(for: type)
    do throws(ColumnarError) {
      for id in ids { try builder.append(id.scalar) }
    } catch { throw StreamError(error) }
    return builder.finish()
  }
}
