// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What one request holds of a budget, until it is let go.
final class ByteShare: Sendable {
  private let budget: ByteBudget
  private let held = Atomic<Int>(0)

  init(_ budget: ByteBudget) { self.budget = budget }

  deinit { budget.give(held.load(ordering: .relaxed)) }

  func take(_ count: Int) throws(RESTError) {
    guard budget.take(count) else {
      throw .overloaded("the requests that are worked on hold \(budget.byteCountMax) bytes already")
    }
    held.add(count, ordering: .relaxed)
  }
}
