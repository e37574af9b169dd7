// SPDX-License-Identifier: Apache-2.0

/// The greatest of some numbers, at most `count`: a heap with the least on top.
struct GreatestBounds {
  private let count: Int
  private var heap: [Float] = []

  /// - Parameter count: positive.
  init(count: Int) {
    self.count = count
    heap.reserveCapacity(count)
  }

  /// What a number must be greater than to be among them.
  var least: Float { heap.count < count ? -.infinity : heap[0] }

  /// The number must be greater than `least`.
  mutating func insert(_ number: Float) {
    if heap.count < count {
      heap.append(number)
      var child = heap.count - 1
      while child > 0, heap[child] < heap[(child - 1) / 2] {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
      return
    }
    var parent = 0
    while 2 * parent + 1 < count {
      var child = 2 * parent + 1
      if child + 1 < count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < number else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = number
  }
}
