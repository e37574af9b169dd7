// SPDX-License-Identifier: Apache-2.0

/// Vectors by key, to look up: embeddings of users and of items.
///
/// A value whose copies share what did not change, in chunks of `chunkRows` vectors: a version of a
/// model costs what it changes.
public struct VectorTable: Sendable {
  public let dimension: Int
  private var rows: [VectorKey: Int32] = [:]
  private var chunks: [Chunk] = []
  public static let countMax = Int(Int32.max)

  /// Vectors behind each other, and the stamp of each.
  private struct Chunk {
    static let rowCount = 256
    var keys: [VectorKey] = []
    var stamps: [Int64] = []
    var values: [Float] = []
  }

  public init(dimension: Int) {
    precondition(dimension > 0, "vectors have elements")
    self.dimension = dimension
  }

  public var count: Int { rows.count }

  /// Puts a vector in, in place of the key's old one unless that one has a greater stamp.
  ///
  /// - Parameter stamp: the version that it is of, for `stamp(of:)`.
  /// - Returns: whether the table holds it now.
  /// - Throws: for a vector of another length, with an element that is not finite, or over `countMax`.
  @discardableResult
  public mutating func upsert(
    _ key: VectorKey, _ vector: [Float], stamp: Int64 = 0
  ) throws(VectorError) -> Bool {
    try VectorError.check(vector, dimension: dimension, key: key)
    if let row = rows[key] {
      let (chunk, place) = (Int(row) / Chunk.rowCount, Int(row) % Chunk.rowCount)
      guard chunks[chunk].stamps[place] <= stamp else { return false }
      let first = place * dimension
      chunks[chunk].values.replaceSubrange(first..<first + dimension, with: vector)
      chunks[chunk].stamps[place] = stamp
      return true
    }
    guard rows.count < Self.countMax else {
      throw VectorError("a table holds at most \(Self.countMax) vectors", key: key)
    }
    if rows.count % Chunk.rowCount == 0 { chunks.append(Chunk()) }
    let last = chunks.count - 1
    chunks[last].keys.append(key)
    chunks[last].stamps.append(stamp)
    chunks[last].values += vector
    rows[key] = Int32(rows.count)
    return true
  }

  public subscript(key: VectorKey) -> [Float]? {
    guard let (chunk, place) = place(key) else { return nil }
    return Array(chunks[chunk].values[place * dimension..<(place + 1) * dimension])
  }

  /// The stamp with which the key's vector was put in.
  public func stamp(of key: VectorKey) -> Int64? {
    place(key).map { chunks[$0.chunk].stamps[$0.place] }
  }

  /// Adds the key's vector to the end of `values`; zeros when there is none.
  ///
  /// - Returns: whether there is one.
  @discardableResult
  public func append(_ key: VectorKey?, to values: inout [Float]) -> Bool {
    guard let key, let (chunk, place) = place(key) else {
      values.append(contentsOf: repeatElement(0, count: dimension))
      return false
    }
    values += chunks[chunk].values[place * dimension..<(place + 1) * dimension]
    return true
  }

  /// Every vector, in the order in which their keys first came.
  public func visit<E: Error>(
    _ body: (_ key: VectorKey, _ vector: [Float], _ stamp: Int64) throws(E) -> Void
  ) throws(E) {
    for chunk in chunks {
      for (place, key) in chunk.keys.enumerated() {
        let vector = Array(chunk.values[place * dimension..<(place + 1) * dimension])
        try body(key, vector, chunk.stamps[place])
      }
    }
  }

  /// The keys that came first, at most `count`.
  public func firstKeys(_ count: Int) -> [VectorKey] {
    var result: [VectorKey] = []
    for chunk in chunks where result.count < count {
      result += chunk.keys.prefix(count - result.count)
    }
    return result
  }

  private func place(_ key: VectorKey) -> (chunk: Int, place: Int)? {
    rows[key].map { (Int($0) / Chunk.rowCount, Int($0) % Chunk.rowCount) }
  }
}
