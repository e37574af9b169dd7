// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import _WeirSimulation

/// `dev/simulate` runs many more seeds.
@Suite struct SimulationTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
  }

  @Test(arguments: 0..<16 as Range<UInt64>) func streamsOfFixedSeeds(seed: UInt64) throws {
    try StreamSimulation(seed: seed).run(steps: 40)
  }

  /// Other seeds every time; a failure says which.
  @Test func streamsOfFreshSeeds() throws {
    let first = Self.number("WEIR_SIMULATE_SEED") ?? UInt64.random(in: 1 << 20..<1 << 40)
    let seconds = Double(Self.number("WEIR_SIMULATE_SECONDS") ?? 4)
    let start = ContinuousClock.now
    var seeds = 0
    var counts = StreamSimulation.Counts()
    while seeds == 0 || ContinuousClock.now - start < .seconds(seconds) {
      let simulation = StreamSimulation(seed: first &+ UInt64(seeds))
      try simulation.run(steps: 60)
      seeds += 1
      counts += simulation.counts
    }
    print("Simulation: \(seeds) seeds from \(first) on, \(counts)")
  }

  /// Programs with a defect are found out.
  @Test(arguments: PlantedFault.allCases) func plantedFaultsAreNoticed(fault: PlantedFault) {
    let noticed = fault.seedsToNotice(first: 0, steps: 60, countMax: 60)
    #expect(noticed != nil, "\(fault) was not noticed")
  }
}
