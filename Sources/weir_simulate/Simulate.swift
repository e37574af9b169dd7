// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import _WeirSimulation

/// Runs seeds of the simulation one after the other, until the time is over or one of them fails.
@main
struct Simulate {
  /// Seeds within which a planted fault must be found.
  static let plantedSeedsMax = 1_000

  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    let numbers = arguments.compactMap { UInt64($0) }
    guard numbers.count == 4, arguments.count == 4 || arguments.last == "planted" else {
      print("usage: weir_simulate FIRST-SEED SEEDS SECONDS STEPS [planted] (see dev/simulate)")
      exit(64)
    }
    if arguments.count > 4 { return planted(first: numbers[0], steps: Int(numbers[3])) }
    run(first: numbers[0], count: numbers[1], seconds: Int(numbers[2]), steps: Int(numbers[3]))
  }

  private static func run(first: UInt64, count: UInt64, seconds: Int, steps: Int) {
    let start = ContinuousClock.now
    var done: UInt64 = 0
    var counts = StreamSimulation.Counts()
    while done < count && ContinuousClock.now - start < .seconds(seconds) {
      let simulation = StreamSimulation(seed: first &+ done)
      do {
        try simulation.run(steps: steps)
      } catch {
        print("FAILED \(error)")
        print("again: dev/simulate --seed \(first &+ done) --seeds 1 --steps \(steps)")
        exit(1)
      }
      done += 1
      counts += simulation.counts
      if done % 1_000 == 0 {
        print("\(done) seeds: \(counts)")
        fflush(nil)
      }
    }
    print("\(done) seeds from \(first) on, \(counts): nothing lost, doubled or wrong")
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
