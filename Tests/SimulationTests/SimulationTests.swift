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

  /// 20,005,778: an erasure that found rows in older snapshots alone, and a compaction that had read them.
  /// 31,000,861: a log that could not be read when a stream followed a change of its columns, half-way.
  /// 30,009,420: an erasure that took the snapshot before others' commit for one that is being read.
  @Test(arguments: [20_005_778, 31_000_861, 30_009_420] as [UInt64])
  func streamsThatFailedOnce(seed: UInt64) throws {
    try StreamSimulation(seed: seed).run(steps: 40)
  }

  @Test(arguments: 0..<6 as Range<UInt64>) func pipelinesOfFixedSeeds(seed: UInt64) throws {
    try PipelineSimulation(seed: seed).run(steps: 40)
  }

  /// With `WEIR_SIMULATE_SEED`, from there on for `WEIR_SIMULATE_SECONDS`; a few fixed ones without it, for
  /// a change is not to be blamed for what others left.
  @Test func streamsOfMoreSeeds() throws {
    var counts = StreamSimulation.Counts()
    try Self.runMoreSeeds("streams") { seed in
      let simulation = StreamSimulation(seed: seed)
      try simulation.run(steps: 60)
      counts += simulation.counts
    }
    print("Streams: \(counts)")
  }

  @Test func pipelinesOfMoreSeeds() throws {
    var counts = PipelineSimulation.Counts()
    try Self.runMoreSeeds("pipelines") { seed in
      let simulation = try PipelineSimulation(seed: seed)
      try simulation.run(steps: 60)
      counts += simulation.counts
    }
    print("Pipelines: \(counts)")
  }

  private static func runMoreSeeds(
    _ what: String, _ run: (UInt64) throws -> Void
  ) throws {
    let chosen = number("WEIR_SIMULATE_SEED")
    let (first, countMax) = chosen.map { ($0, UInt64.max) } ?? (1 << 20, 8)
    let seconds = Double(number("WEIR_SIMULATE_SECONDS") ?? 60)
    let start = ContinuousClock.now
    var seeds: UInt64 = 0
    while seeds < countMax, seeds == 0 || ContinuousClock.now - start < .seconds(seconds) {
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
