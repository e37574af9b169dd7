// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirStreaming
internal import _WeirSimulation

/// `dev/simulate` runs many more seeds.
@Suite struct SimulationTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
  }

  @Test(arguments: 0..<24 as Range<UInt64>) func streamsOfFixedSeeds(seed: UInt64) throws {
    try StreamSimulation(seed: seed).run(steps: 40)
  }

  /// Other seeds every time; a failure says which.
  @Test func streamsOfFreshSeeds() throws {
    let first = Self.number("WEIR_SIMULATE_SEED") ?? UInt64.random(in: 1 << 20..<1 << 40)
    let seconds = Double(Self.number("WEIR_SIMULATE_SECONDS") ?? 4)
    let start = ContinuousClock.now
    var (seeds, crashes, steps) = (0, 0, 0)
    while seeds == 0 || ContinuousClock.now - start < .seconds(seconds) {
      let simulation = StreamSimulation(seed: first &+ UInt64(seeds))
      try simulation.run(steps: 60)
      seeds += 1
      crashes += simulation.crashes
      steps += simulation.steps
    }
    print("Simulation: \(seeds) seeds from \(first) on, \(steps) steps, \(crashes) crashes")
  }

  /// A program that leaves out syncs is found out.
  @Test func aMissingSyncIsNoticed() {
    let noticed = (0..<40 as Range<UInt64>).contains { seed in
      let simulation = StreamSimulation(seed: seed) { call in
        call.operation == .sync && call.path.hasSuffix(".log")
      }
      do {
        try simulation.run(steps: 60)
        return false
      } catch { return true }
    }
    #expect(noticed)
  }
}
