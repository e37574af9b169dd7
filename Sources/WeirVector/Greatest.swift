// SPDX-License-Identifier: Apache-2.0

/// The greatest of some elements, at most `count`: a heap with the least on top.
struct Greatest<Element: Comparable> {
  private let count: Int
  private var heap: [Element] = []

  /// - Parameter count: positive.
  init(count: Int) {
    self.count = count
    heap.reserveCapacity(count)
  }

  /// The one that the next has to exceed; `nil` while there is room.
  var least: Element? { heap.count < count ? nil : heap[0] }

  /// Takes an element where it is among the greatest, in place of the least.
  mutating func insert(_ element: Element) {
    if heap.count < count {
      heap.append(element)
      var child = heap.count - 1
      while child > 0, heap[child] < heap[(child - 1) / 2] {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
      return
    }
    guard heap[0] < element else { return }
    var parent = 0
    while 2 * parent + 1 < count {
      var child = 2 * parent + 1
      if child + 1 < count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < element else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = element
  }

  /// The greatest first.
  var sorted: [Element] { heap.sorted(by: >) }
}
