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

  @Test(arguments: 0..<6 as Range<UInt64>) func pipelinesOfFixedSeeds(seed: UInt64) throws {
    try PipelineSimulation(seed: seed).run(steps: 40)
  }

  /// Other seeds every time; a failure says which.
  @Test func streamsOfFreshSeeds() throws {
    var counts = StreamSimulation.Counts()
    try Self.runFreshSeeds("streams") { seed in
      let simulation = StreamSimulation(seed: seed)
      try simulation.run(steps: 60)
      counts += simulation.counts
    }
    print("Streams: \(counts)")
  }

  @Test func pipelinesOfFreshSeeds() throws {
    var counts = PipelineSimulation.Counts()
    try Self.runFreshSeeds("pipelines") { seed in
      let simulation = try PipelineSimulation(seed: seed)
      try simulation.run(steps: 60)
      counts += simulation.counts
    }
    print("Pipelines: \(counts)")
  }

  private static func runFreshSeeds(
    _ what: String, _ run: (UInt64) throws -> Void
  ) throws {
    let first = number("WEIR_SIMULATE_SEED") ?? UInt64.random(in: 1 << 20..<1 << 40)
    let seconds = Double(number("WEIR_SIMULATE_SECONDS") ?? 4)
    let start = ContinuousClock.now
    var seeds: UInt64 = 0
    while seeds == 0 || ContinuousClock.now - start < .seconds(seconds) {
      try run(first &+ seeds)
      seeds += 1
    }
    print("Simulation: \(seeds) seeds of \(what) from \(first) on")
  }

  /// Programs with a defect are found out.
  @Test(arguments: PlantedFault.allCases) func plantedFaultsAreNoticed(fault: PlantedFault) {
    let noticed = fault.seedsToNotice(first: 0, steps: 60, countMax: 60)
    #expect(noticed != nil, "\(fault) was not noticed")
  }
}
