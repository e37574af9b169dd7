// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

struct PipelineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipeline", abstract: "Work with what is made of events.",
    subcommands: [PipelineListCommand.self, BackfillCommand.self])
}
