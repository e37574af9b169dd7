// SPDX-License-Identifier: Apache-2.0

/// Reads JSON text (RFC 8259, UTF-8) strictly: one value, no comments, no trailing commas, no NaN.
///
/// A name that an object has twice keeps its last value, at its first place. Half a surrogate pair
/// cannot be a string and is refused.
public struct JSONParser: Sendable {
  /// Bounds on what is accepted.
  public struct Limits: Sendable {
    /// Arrays and objects within each other.
    public var depthMax: Int
    /// Bytes of text.
    public var byteCountMax: Int
    /// Values, each item of an array and each member of an object being one. In memory a value may
    /// take 20 times as much as its text.
    public var valueCountMax: Int

    public init(
      depthMax: Int = 128, byteCountMax: Int = 256 << 20, valueCountMax: Int = .max
    ) {
      self.depthMax = depthMax
      self.byteCountMax = byteCountMax
      self.valueCountMax = valueCountMax
    }
  }

  public var limits: Limits

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// The value that `bytes` say.
  public func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
    try check(bytes.count)
    return try bytes.withUnsafeBufferPointer { bytes throws(JSONError) in
      var reader = JSONReader(bytes, limits)
      return try reader.readDocument()
    }
  }

  public func parse(_ buffer: Buffer) throws(JSONError) -> JSONValue {
    try check(buffer.count)
    return try buffer.withUnsafeBytes { bytes throws(JSONError) in
      var reader = JSONReader(bytes, limits)
      return try reader.readDocument()
    }
  }

  public func parse(_ text: String) throws(JSONError) -> JSONValue {
    try parse([UInt8](text.utf8))
  }

  private func check(_ byteCount: Int) throws(JSONError) {
    guard byteCount <= limits.byteCountMax else {
      throw JSONError(
        .limit, "JSON text of \(byteCount) bytes; at most \(limits.byteCountMax) are accepted")
    }
  }
}

extension JSONValue {
  /// Reads JSON text within the usual limits.
  public init(parsing bytes: [UInt8]) throws(JSONError) { self = try JSONParser().parse(bytes) }

  /// Reads JSON text within the usual limits.
  public init(parsing text: String) throws(JSONError) { self = try JSONParser().parse(text) }
}
