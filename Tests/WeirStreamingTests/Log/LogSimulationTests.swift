// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirStreaming

@Suite struct LogSimulationTests {
  /// How many seeds, and which first: WEIR_SEEDS and WEIR_SEED, for long runs.
  static func seeds(_ count: Int) -> Range<UInt64> {
    func number(_ name: String) -> UInt64? {
      getenv(name).flatMap { UInt64(String(cString: $0)) }
    }
    let first = number("WEIR_SEED") ?? 0
    return first..<first + (number("WEIR_SEEDS") ?? UInt64(count))
  }

  @Test func nothingAcknowledgedIsLostOnADiskThatFails() throws {
    var crashes = 0
    for seed in Self.seeds(60) {
      let simulation = LogSimulation(seed: seed)
      try simulation.run(steps: 60)
      crashes += simulation.crashCount
    }
    #expect(crashes > 100)
  }

  /// What the log does to be durable, left out: the simulation must notice each.
  enum Omission: CaseIterable {
    case syncOfAGroup, syncOfANewSegment, syncOfItsName, syncWhenOpening, rewritingWhenOpening
    case syncOfNamesWhenOpening

    @Sendable func holds(_ phase: LogSimulation.Phase, _ call: SimulatedDiskCall) -> Bool {
      switch self {
      case .syncOfAGroup:
        phase == .running && call.operation == .sync && call.path.hasSuffix(".log")
      case .syncOfANewSegment: call.operation == .sync && call.path.hasSuffix(".new")
      case .syncOfItsName: phase == .running && call.operation == .syncFolder
      case .syncOfNamesWhenOpening: phase == .opening && call.operation == .syncFolder
      case .syncWhenOpening: phase == .opening && call.operation == .sync
      case .rewritingWhenOpening:
        phase == .opening && call.operation == .write && call.path.hasSuffix(".log")
      }
    }
  }

  @Test(arguments: Omission.allCases) func aLogThatLeavesSomethingOutIsCaught(_ omission: Omission)
  {
    for seed in Self.seeds(400) {
      do {
        try LogSimulation(seed: seed, leavesOut: omission.holds).run(steps: 60)
      } catch { return }
    }
    Issue.record("\(omission) was not noticed")
  }
}
