// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import NIOCore
internal import Synchronization
internal import Testing

@testable internal import WeirHTTP

@Suite struct WorkerPoolTests {
  /// What became of calls, in the order of their ends.
  final class Ends: Sendable {
    private let ends = Mutex<[String]>([])
    let changed = DispatchSemaphore(value: 0)

    func add(_ name: String, _ result: Result<String, WorkerPool.Refusal>) {
      let text =
        switch result {
        case .success(let text): text
        case .failure(let refusal): "\(refusal)"
        }
      ends.withLock { $0.append("\(name) \(text)") }
      changed.signal()
    }

    func wait(for count: Int) -> [String] {
      for _ in 0..<count { changed.wait() }
      return ends.withLock { $0 }
    }
  }

  @Test func aFullQueueRefuses() async {
    let pool = WorkerPool(threadCount: 1, waitingCountMax: 1)
    pool.start()
    let gate = DispatchSemaphore(value: 0)
    let started = DispatchSemaphore(value: 0)
    let ends = Ends()
    let later = NIODeadline.now() + .hours(1)
    pool.submit(deadline: later) {
      started.signal()
      gate.wait()
      return "done"
    } completion: {
      ends.add("first", $0)
    }
    await Task.detached { started.waitForIt() }.value
    pool.submit(deadline: later) {
      "done"
    } completion: {
      ends.add("second", $0)
    }
    pool.submit(deadline: later) {
      "done"
    } completion: {
      ends.add("third", $0)
    }
    #expect(await Task.detached { ends.wait(for: 1) }.value == ["third full"])
    gate.signal()
    #expect(
      await Task.detached { ends.wait(for: 2) }.value
        == ["third full", "first done", "second done"])
    // There is room again.
    pool.submit(deadline: later) {
      "done"
    } completion: {
      ends.add("fourth", $0)
    }
    #expect(await Task.detached { ends.wait(for: 1) }.value.last == "fourth done")
    await pool.stop()
    pool.submit(deadline: later) {
      "done"
    } completion: {
      ends.add("fifth", $0)
    }
    #expect(await Task.detached { ends.wait(for: 1) }.value.last == "fifth stopped")
  }

  @Test func whatWaitedTooLongIsNotStarted() async {
    let pool = WorkerPool(threadCount: 1, waitingCountMax: 1)
    pool.start()
    let ends = Ends()
    pool.submit(deadline: .now() - .seconds(1)) {
      "done"
    } completion: {
      ends.add("it", $0)
    }
    #expect(await Task.detached { ends.wait(for: 1) }.value == ["it overdue"])
    await pool.stop()
  }
}

extension DispatchSemaphore {
  /// `wait()`, from a function that is not asynchronous.
  fileprivate func waitForIt() { wait() }
}
