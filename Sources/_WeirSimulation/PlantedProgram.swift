// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// A program with one defect: in what it is handed (`PlantedFault`), or in its own code (`Defect`).
public struct PlantedProgram: Sendable {
  public let name: String
  let fault: PlantedFault?
  let defect: Defect?

  /// All of them; without those of `Defect` where the program was not built for it.
  public static var all: [PlantedProgram] {
    PlantedFault.allCases.map { PlantedProgram(name: $0.rawValue, fault: $0, defect: nil) }
      + (Defect.areThere ? Defect.allCases : []).map {
        PlantedProgram(name: $0.rawValue, fault: nil, defect: $0)
      }
  }

  private var isOfPipelines: Bool {
    fault?.isOfPipelines ?? defect?.rawValue.hasPrefix("pipeline-") ?? false
  }

  /// Runs seed after seed. One program at a time: a defect is the whole process's.
  ///
  /// A seed that fails without the defect, too, says nothing of it: it is told, and passed over.
  ///
  /// - Returns: how many seeds it took until it was noticed, and what was said; `nil` when it was not.
  public func seedsToNotice(
    first: UInt64, steps: Int, countMax: Int
  ) -> (seeds: Int, message: String)? {
    for count in 0..<countMax {
      let seed = first &+ UInt64(count)
      guard let message = failure(seed, steps, isPlanted: true) else { continue }
      guard let other = failure(seed, steps, isPlanted: false) else { return (count + 1, message) }
      print("\(name): seed \(seed) fails without the defect, too: \(other)")
    }
    return nil
  }

  /// What a seed ends with.
  private func failure(_ seed: UInt64, _ steps: Int, isPlanted: Bool) -> String? {
    #if WEIR_DEFECTS
      Defect.planted = isPlanted ? defect : nil
      defer { Defect.planted = nil }
    #endif
    let fault = isPlanted ? fault : nil
    do {
      if isOfPipelines {
        try PipelineSimulation(seed: seed, planted: fault).run(steps: steps)
      } else {
        try StreamSimulation(seed: seed, planted: fault).run(steps: steps)
      }
      return nil
    } catch {
      return String(("\(error)".split(separator: "\n").first ?? "").prefix(160))
    }
  }
}
