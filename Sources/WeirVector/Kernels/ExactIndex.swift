// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are those of arrays, within the scope of the one call of C that gets them; the arrays'
// lengths are what the kernels read and write.

internal import CWeirKernels

/// The index that looks at every vector: exact, by bounds first.
///
/// 1. Vectors stand in chunks, as they are and as 8-bit codes (`CodedVectors`), a quarter of the bytes.
/// 2. A search bounds each product by the codes, from below and above. The best `count` lower bounds of
///    keys that the filter allows are a heap with the worst on top: no product below that one is among
///    the best. Rows whose upper bound reaches it, as it is then, are noted.
/// 3. The products of those that reach it at last are computed, some hundreds.
/// 4. Removed vectors leave a free place, which the next new key takes.
///
/// Scores are sums in the order of the elements, the same bits on every processor. Memory: 5 bytes an
/// element, and what keys need.
public struct ExactIndex: VectorIndex {
  public let dimension: Int
  private var rows: [VectorKey: Int32] = [:]
  private var chunks: [VectorChunk] = []
  private var free: [Int32] = []

  static let chunkRows = CodedVectors.rowCount
  public static let countMax = Int(Int32.max)

  public init(dimension: Int) {
    precondition(dimension > 0, "vectors have elements")
    self.dimension = dimension
  }

  public var count: Int { rows.count }

  public mutating func upsert(_ key: VectorKey, _ vector: [Float]) throws(VectorError) {
    try VectorError.check(vector, dimension: dimension, key: key)
    if let row = rows[key] { return change(row) { $0.put(key, vector, $1) } }
    if free.isEmpty {
      let first = chunks.count * Self.chunkRows
      guard first + Self.chunkRows <= Self.countMax else {
        throw VectorError("an index holds at most \(Self.countMax) vectors", key: key)
      }
      chunks.append(VectorChunk(dimension: dimension))
      free = (first..<first + Self.chunkRows).reversed().map { Int32($0) }
    }
    let row = free.removeLast()
    rows[key] = row
    change(row) { $0.put(key, vector, $1) }
  }

  /// Changes a row of a chunk, of a copy where another index has the chunk, too.
  private mutating func change(_ row: Int32, _ body: (VectorChunk, _ place: Int) -> Void) {
    let chunk = Int(row) / Self.chunkRows
    if !isKnownUniquelyReferenced(&chunks[chunk]) { chunks[chunk] = VectorChunk(chunks[chunk]) }
    body(chunks[chunk], Int(row) % Self.chunkRows)
  }

  @discardableResult
  public mutating func remove(_ key: VectorKey) -> Bool {
    guard let row = rows.removeValue(forKey: key) else { return false }
    change(row) { $0.keys[$1] = nil }
    free.append(row)
    return true
  }

  public func search(
    _ vector: [Float], count: Int, where isAllowed: ((VectorKey) -> Bool)? = nil
  ) throws(VectorError) -> [VectorHit] {
    try VectorError.check(vector, dimension: dimension)
    guard count > 0, self.count > 0 else { return [] }
    let count = min(count, self.count)
    var best = Greatest<Ranked>(count: count)
    for (chunk, rows) in zip(chunks, candidates(vector, count, isAllowed)) where !rows.isEmpty {
      let scores = [Float](unsafeUninitializedCapacity: rows.count) { scores, count in
        weir_dot_rows_f32(
          chunk.vectors, dimension, rows, rows.count, vector, scores.baseAddress)
        count = rows.count
      }
      // A product that is no number is nobody's nearest.
      for (row, score) in zip(rows, scores) where !score.isNaN {
        guard let key = chunk.keys[Int(row)] else { continue }
        let hit = Ranked(hit: VectorHit(key: key, score: score))
        if let least = best.least, hit < least { continue }
        if isAllowed?(key) ?? true { best.insert(hit) }
      }
    }
    return best.sorted.map(\.hit)
  }

  /// For each chunk the rows that may be among the best.
  private func candidates(
    _ vector: [Float], _ count: Int, _ isAllowed: ((VectorKey) -> Bool)?
  ) -> [[UInt32]] {
    var space = BoundsSpace(dimension: dimension)
    var bounds = Greatest<Float>(count: count)
    var floor = -Float.infinity
    var result: [[(row: UInt32, upper: Float)]] = []
    result.reserveCapacity(chunks.count)
    for chunk in chunks {
      guard chunk.codes.bounds(vector, &space) else {
        result.append((0..<UInt32(Self.chunkRows)).map { ($0, .infinity) })
        continue
      }
      var noted: [(row: UInt32, upper: Float)] = []
      for row in space.rows(reaching: floor) {
        let (lower, upper) = (space.lower[Int(row)], space.upper[Int(row)])
        guard upper >= floor, let key = chunk.keys[Int(row)] else { continue }
        noted.append((row, upper))
        guard lower > floor, isAllowed?(key) ?? true else { continue }
        bounds.insert(lower)
        floor = bounds.least ?? floor
      }
      result.append(noted)
    }
    return result.map { noted in noted.filter { $0.upper >= floor }.map(\.row) }
  }
}

/// A hit in the order of searches: the greater score, and the lesser key among equals, is greater.
private struct Ranked: Comparable {
  let hit: VectorHit

  static func < (a: Ranked, b: Ranked) -> Bool {
    a.hit.score < b.hit.score || (a.hit.score == b.hit.score && b.hit.key < a.hit.key)
  }
}

// Safe: only `ExactIndex.change` changes one, which it alone has then.
private final class VectorChunk: @unchecked Sendable {
  /// By row; `nil` where a place is free.
  var keys: [VectorKey?]
  /// Behind each other.
  private(set) var vectors: [Float]
  private(set) var codes: CodedVectors

  init(dimension: Int) {
    keys = [VectorKey?](repeating: nil, count: CodedVectors.rowCount)
    vectors = [Float](repeating: 0, count: CodedVectors.rowCount * dimension)
    codes = CodedVectors(dimension: dimension)
  }

  init(_ other: VectorChunk) { (keys, vectors, codes) = (other.keys, other.vectors, other.codes) }

  func put(_ key: VectorKey, _ vector: [Float], _ row: Int) {
    if keys[row] == nil { keys[row] = key }
    for (element, value) in vector.enumerated() { vectors[row * vector.count + element] = value }
    codes.put(row, of: vectors) { keys[$0] != nil }
  }
}
