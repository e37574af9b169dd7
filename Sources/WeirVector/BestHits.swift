// SPDX-License-Identifier: Apache-2.0

/// The best hits so far, at most `count`: a heap with the worst on top.
struct BestHits {
  private let count: Int
  private var heap: [VectorHit] = []

  /// - Parameter count: positive.
  init(count: Int) {
    self.count = count
    heap.reserveCapacity(count)
  }

  /// No hit with a lower score is taken any more.
  var least: Float { heap.count < count ? -.infinity : heap[0].score }

  func takes(_ hit: VectorHit) -> Bool {
    // A product that is no number is nobody's nearest.
    !hit.score.isNaN && (heap.count < count || Self.isWorse(heap[0], hit))
  }

  /// The hit must be one that it takes.
  mutating func insert(_ hit: VectorHit) {
    if heap.count < count {
      heap.append(hit)
      var child = heap.count - 1
      while child > 0, Self.isWorse(heap[child], heap[(child - 1) / 2]) {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
      return
    }
    heap[0] = hit
    var parent = 0
    while true {
      var worst = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && Self.isWorse(heap[child], heap[worst]) {
        worst = child
      }
      if worst == parent { return }
      heap.swapAt(parent, worst)
      parent = worst
    }
  }

  /// The best first.
  var sorted: [VectorHit] { heap.sorted { Self.isWorse($1, $0) } }

  private static func isWorse(_ a: VectorHit, _ b: VectorHit) -> Bool {
    a.score < b.score || (a.score == b.score && b.key < a.key)
  }
}
