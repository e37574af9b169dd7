// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import _WeirTestSupport

/// What becomes of the calls that one process makes to disk, store and catalog.
final class Fate: Sendable {
  enum Answer: Sendable {
    case proceed
    /// Nothing is done, and the caller hears of an error.
    case failBefore
    /// It is done, and the caller hears of an error.
    case failAfter
    /// It is done twice: the network brought the request a second time.
    case twice
    /// The caller hears of an error, and it is done some time later, when nobody expects it.
    case late
    case dieBefore, dieAfter, losePower
  }

  private struct State {
    var random: SeededRandom
    /// Calls until something happens; never when `nil`.
    var callsLeft: Int?
    /// Whether what happens may be the end of the process.
    var kills = true
    var isDead = false
    var lostPower = false
    var callCount = 0
  }

  private let state: Mutex<State>

  init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed))) }

  var isDead: Bool { state.withLock { $0.isDead } }
  /// Whether it died with its machine.
  var lostPower: Bool { state.withLock { $0.lostPower } }
  var callCount: Int { state.withLock { $0.callCount } }

  /// Lets so many calls through, and has one fault happen then; none with `nil`.
  ///
  /// - Parameter kills: whether it may be the end of the process.
  func arm(_ calls: Int?, kills: Bool = true) {
    state.withLock { ($0.callsLeft, $0.kills) = (calls, kills) }
  }

  func kill() { state.withLock { $0.isDead = true } }

  func next() -> Answer {
    state.withLock { state in
      if state.isDead { return .dieBefore }
      state.callCount += 1
      guard let left = state.callsLeft else { return .proceed }
      state.callsLeft = left - 1
      guard left <= 0 else { return .proceed }
      state.callsLeft = nil
      let answer: Answer =
        switch state.random.int(0..<(state.kills ? 14 : 6)) {
        case 0, 1: .failBefore
        case 2: .failAfter
        case 3: .twice
        case 4, 5: .late
        case 6, 7: .dieBefore
        case 8, 9, 10: .dieAfter
        default: .losePower
        }
      switch answer {
      case .dieBefore, .dieAfter: state.isDead = true
      case .losePower: (state.isDead, state.lostPower) = (true, true)
      default: break
      }
      return answer
    }
  }

  /// For a call of a store or a catalog.
  ///
  /// - Parameter later: takes what is to be done later; without it nothing is ever late.
  func call<R, E: Error>(
    _ failure: (String) -> E, later: (() -> Void)? = nil, _ body: () throws(E) -> R
  ) throws(E) -> R {
    switch next() {
    case .proceed: return try body()
    case .failBefore: throw failure("the answer was lost")
    case .failAfter:
      _ = try body()
      throw failure("the answer was lost")
    case .twice:
      let result = try body()
      if later != nil { _ = try? body() }
      return result
    case .late:
      later?()
      throw failure("the answer was lost")
    case .dieBefore, .losePower: throw failure("the process is dead")
    case .dieAfter:
      _ = try body()
      throw failure("the process is dead")
    }
  }
}

/// Requests that are still under way though nobody waits for them any more.
final class LateRequests: Sendable {
  private let requests = Mutex<[@Sendable () -> Void]>([])

  func add(_ request: @escaping @Sendable () -> Void) {
    requests.withLock { $0.append(request) }
  }

  /// Has all of them arrive.
  func arrive() {
    let list = requests.withLock { list in
      defer { list = [] }
      return list
    }
    for request in list { request() }
  }
}
