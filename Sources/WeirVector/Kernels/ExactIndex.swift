// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are those of arrays, within the scope of the one call of C that gets them; the arrays'
// lengths are what the kernels read and write.

internal import CWeirKernels

/// The index that looks at every vector: exact, at some 10 GB of vectors a second and core.
///
/// 1. Vectors stand in chunks of `chunkRows`, within which `weir_dot_tiles_f32` finds each in a lane.
/// 2. A search takes the scores of a chunk, keeps those that reach the least of the best so far, and of
///    these asks the filter. The best are a heap with the worst on top.
/// 3. Removed vectors leave a free place, which the next new key takes.
///
/// Scores are sums in the order of the elements, the same bits on every processor.
public struct ExactIndex: VectorIndex {
  public let dimension: Int
  private var rows: [VectorKey: Int32] = [:]
  /// By row; `nil` where a place is free.
  private var keys: [[VectorKey?]] = []
  private var chunks: [[Float]] = []
  private var free: [Int32] = []

  static let chunkRows = 1_024
  private static let tileRows = 64
  public static let countMax = Int(Int32.max)

  public init(dimension: Int) {
    precondition(dimension > 0, "vectors have elements")
    self.dimension = dimension
  }

  public var count: Int { rows.count }

  public mutating func upsert(_ key: VectorKey, _ vector: [Float]) throws(VectorError) {
    try VectorError.check(vector, dimension: dimension, key: key)
    if let row = rows[key] { return put(vector, Int(row)) }
    if free.isEmpty {
      let first = chunks.count * Self.chunkRows
      guard first + Self.chunkRows <= Self.countMax else {
        throw VectorError("an index holds at most \(Self.countMax) vectors", key: key)
      }
      chunks.append([Float](repeating: 0, count: Self.chunkRows * dimension))
      keys.append([VectorKey?](repeating: nil, count: Self.chunkRows))
      free = (first..<first + Self.chunkRows).reversed().map { Int32($0) }
    }
    let row = free.removeLast()
    rows[key] = row
    keys[Int(row) / Self.chunkRows][Int(row) % Self.chunkRows] = key
    put(vector, Int(row))
  }

  @discardableResult
  public mutating func remove(_ key: VectorKey) -> Bool {
    guard let row = rows.removeValue(forKey: key) else { return false }
    keys[Int(row) / Self.chunkRows][Int(row) % Self.chunkRows] = nil
    free.append(row)
    return true
  }

  private mutating func put(_ vector: [Float], _ row: Int) {
    let place = row % Self.chunkRows
    let first = place / Self.tileRows * Self.tileRows * dimension + place % Self.tileRows
    let (chunk, dimension) = (row / Self.chunkRows, dimension)
    for element in 0..<dimension {
      chunks[chunk][first + element * Self.tileRows] = vector[element]
    }
  }

  public func search(
    _ vector: [Float], count: Int, where isAllowed: ((VectorKey) -> Bool)? = nil
  ) throws(VectorError) -> [VectorHit] {
    try VectorError.check(vector, dimension: dimension)
    guard count > 0, self.count > 0 else { return [] }
    var best = BestHits(count: min(count, self.count))
    var scores = [Float](repeating: 0, count: Self.chunkRows)
    var indices = [UInt32](repeating: 0, count: Self.chunkRows)
    for (chunk, keys) in zip(chunks, keys) {
      chunk.withUnsafeBufferPointer { tiles in
        weir_dot_tiles_f32(
          tiles.baseAddress, Self.chunkRows / Self.tileRows, vector, dimension, &scores)
      }
      let found = weir_select_at_least_f32(scores, Self.chunkRows, best.least, &indices)
      for index in indices.prefix(found) {
        guard let key = keys[Int(index)] else { continue }
        let hit = VectorHit(key: key, score: scores[Int(index)])
        guard best.takes(hit), isAllowed?(key) ?? true else { continue }
        best.insert(hit)
      }
    }
    return best.sorted
  }
}
