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
  /// - Returns: how many seeds it took until it was noticed, and what was said; `nil` when it was not.
  public func seedsToNotice(
    first: UInt64, steps: Int, countMax: Int
  ) -> (seeds: Int, message: String)? {
    #if WEIR_DEFECTS
      Defect.planted = defect
      defer { Defect.planted = nil }
    #endif
    for count in 0..<countMax {
      let seed = first &+ UInt64(count)
      do {
        if isOfPipelines {
          try PipelineSimulation(seed: seed, planted: fault).run(steps: steps)
        } else {
          try StreamSimulation(seed: seed, planted: fault).run(steps: steps)
        }
      } catch {
        let text = "\(error)".split(separator: "\n").first ?? ""
        return (count + 1, String(text.prefix(160)))
      }
    }
    return nil
  }
}
