// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import _WeirSimulation

/// Runs seeds of the simulation one after the other, until the time is over or one of them fails.
@main
struct Simulate {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst().map { UInt64($0) }
    guard arguments.count == 4, let first = arguments[0], let count = arguments[1],
      let seconds = arguments[2], let steps = arguments[3]
    else {
      print("usage: weir_simulate FIRST-SEED SEEDS SECONDS STEPS (see dev/simulate)")
      exit(64)
    }
    let start = ContinuousClock.now
    var (done, crashes, allSteps) = (UInt64(0), 0, 0)
    while done < count && ContinuousClock.now - start < .seconds(Int(seconds)) {
      let simulation = StreamSimulation(seed: first &+ done)
      do {
        try simulation.run(steps: Int(steps))
      } catch {
        print("FAILED \(error)")
        print("again: dev/simulate --seed \(first &+ done) --seeds 1 --steps \(steps)")
        exit(1)
      }
      done += 1
      crashes += simulation.crashes
      allSteps += simulation.steps
    }
    print(
      "\(done) seeds from \(first) on, \(allSteps) steps, \(crashes) crashes: nothing lost, doubled or wrong"
    )
  }
}
