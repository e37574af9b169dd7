// SPDX-License-Identifier: Apache-2.0

// For nothing but to be linked: seeds run a fifth faster.
internal import CJemalloc
internal import Glibc
internal import _WeirSimulation

/// Runs seeds of the simulation one after the other, until the time is over or one of them fails.
@main
struct Simulate {
  /// Seeds within which a planted fault must be found.
  static let plantedSeedsMax = 1_000

  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    let numbers = arguments.prefix(4).compactMap { UInt64($0) }
    let what = arguments.dropFirst(4)
    guard numbers.count == 4, what.count <= 1,
      what.allSatisfy({ $0 == "planted" || Kind(rawValue: $0) != nil })
    else {
      print(
        "usage: weir_simulate FIRST-SEED SEEDS SECONDS STEPS [streams|pipelines|planted] "
          + "(see dev/simulate)")
      exit(64)
    }
    if what.first == "planted" { return planted(first: numbers[0], steps: Int(numbers[3])) }
    run(
      first: numbers[0], count: numbers[1], seconds: Int(numbers[2]), steps: Int(numbers[3]),
      only: what.first.flatMap { Kind(rawValue: $0) })
  }

  private enum Kind: String {
    case streams, pipelines

    /// Every fourth seed is one of a pipeline.
    init(of seed: UInt64) { self = seed % 4 == 3 ? .pipelines : .streams }
  }

  private static func run(
    first: UInt64, count: UInt64, seconds: Int, steps: Int, only kind: Kind?
  ) {
    let start = ContinuousClock.now
    var done: UInt64 = 0
    var streams = StreamSimulation.Counts()
    var pipelines = PipelineSimulation.Counts()
    while done < count && ContinuousClock.now - start < .seconds(seconds) {
      let seed = first &+ done
      do {
        switch kind ?? Kind(of: seed) {
        case .pipelines:
          let simulation = try PipelineSimulation(seed: seed)
          try simulation.run(steps: steps)
          pipelines += simulation.counts
        case .streams:
          let simulation = StreamSimulation(seed: seed)
          try simulation.run(steps: steps)
          streams += simulation.counts
        }
      } catch {
        print("FAILED \(error)")
        let again = kind.map { " --only \($0.rawValue)" } ?? ""
        print("again: dev/simulate --seed \(seed) --seeds 1 --steps \(steps)\(again)")
        exit(1)
      }
      done += 1
      if done % 1_000 == 0 {
        print("\(done) seeds")
        fflush(nil)
      }
    }
    print("\(done) seeds from \(first) on: nothing lost, doubled or wrong")
    if streams.steps > 0 { print("streams: \(streams)") }
    if pipelines.steps > 0 { print("pipelines: \(pipelines)") }
  }

  /// Programs with defects: each has to be found.
  private static func planted(first: UInt64, steps: Int) {
    var foundCount = 0
    let programs = PlantedProgram.all
    for program in programs {
      if let (seeds, message) = program.seedsToNotice(
        first: first, steps: steps, countMax: plantedSeedsMax)
      {
        print("\(program.name): found with the \(seeds). seed: \(message)")
        foundCount += 1
      } else {
        print("\(program.name): NOT FOUND within \(plantedSeedsMax) seeds")
      }
      fflush(nil)
    }
    print("\(programs.count) planted, \(foundCount) found")
    if foundCount < programs.count { exit(1) }
  }
}
