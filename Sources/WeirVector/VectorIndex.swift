// SPDX-License-Identifier: Apache-2.0

/// Vectors by key, of which the nearest to another vector are found. Nearness is the dot product.
///
/// A value: a copy stays as it is while the original goes on, which is how a version of a model keeps its
/// vectors while the next one is made. Threads may search one value at once.
public protocol VectorIndex: Sendable {
  /// Elements of each vector.
  var dimension: Int { get }
  /// Vectors that it holds.
  var count: Int { get }

  /// Puts a vector in, in place of the key's old one.
  ///
  /// - Throws: for a vector of another length, or with an element that is not finite. Nothing changed.
  mutating func upsert(_ key: VectorKey, _ vector: [Float]) throws(VectorError)

  /// Takes a key's vector out.
  ///
  /// - Returns: whether there was one.
  @discardableResult
  mutating func remove(_ key: VectorKey) -> Bool

  /// The `count` keys whose vectors have the greatest dot product with `vector`, the greatest first and
  /// among equals the least key; fewer when there are no more. An index may miss some, an exact one
  /// does not.
  ///
  /// - Parameter isAllowed: asked of keys that would be among the nearest; those for which it is false
  ///   are passed over.
  /// - Throws: as `upsert`, of `vector`.
  func search(
    _ vector: [Float], count: Int, where isAllowed: ((VectorKey) -> Bool)?
  ) throws(VectorError) -> [VectorHit]
}

/// One of the nearest vectors.
public struct VectorHit: Hashable, Sendable {
  public var key: VectorKey
  /// The dot product.
  public var score: Float

  public init(key: VectorKey, score: Float) {
    self.key = key
    self.score = score
  }
}

/// A vector that does not fit.
public struct VectorError: Error, Sendable, CustomStringConvertible {
  public var message: String
  /// Whose vector it is.
  public var key: VectorKey?

  public init(_ message: String, key: VectorKey? = nil) {
    self.message = message
    self.key = key
  }

  public var description: String { key.map { "the vector of \($0): \(message)" } ?? message }

  /// - Throws: for a vector of another length, or with an element that is not finite.
  package static func check(
    _ vector: [Float], dimension: Int, key: VectorKey? = nil
  ) throws(VectorError) {
    guard vector.count == dimension else {
      throw VectorError("it has \(vector.count) elements, not \(dimension)", key: key)
    }
    // A sum over what is not finite is not finite; one of finite values may be too great as well.
    if vector.reduce(0, +).isFinite { return }
    if let index = vector.firstIndex(where: { !$0.isFinite }) {
      throw VectorError("element \(index) is \(vector[index])", key: key)
    }
  }
}
