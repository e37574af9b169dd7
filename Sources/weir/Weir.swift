// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar
internal import WeirFile
internal import WeirParquet
internal import WeirProject
internal import WeirStorage
internal import WeirStreaming
internal import WeirTable
internal import WeirWorld

@main
struct Weir: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weir",
    abstract: "The streaming lakehouse for recommendation.",
    discussion: """
      Exit codes: 0 all is well; 1 a problem was found, or the work failed; 64 the command line was \
      not understood. Results go to standard output, errors and progress to standard error. Colours \
      appear on terminals only; NO_COLOR=1 turns them off, CLICOLOR_FORCE=1 on.

      Shell completion: --generate-completion-script writes a script for bash, zsh or fish:
        source <(weir --generate-completion-script bash)

      Examples:
        weir demo
        weir check
        weir up
        weir file inspect events.parquet
      """,
    version: "weir 0.1.0",
    subcommands: [
      UpCommand.self, CheckCommand.self, ImportCommand.self, StreamCommand.self, LookupCommand.self,
      ProfileCommand.self, PipelineCommand.self, ReplayCommand.self, FileCommand.self,
      TableCommand.self, CatalogCommand.self, TrainCommand.self, EvaluateCommand.self,
      DemoCommand.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var service = command as? any AsyncParsableCommand {
        try await service.run()
      } else {
        try command.run()
      }
    } catch let status as ExitCode {
      Glibc.exit(status.rawValue)
    } catch {
      guard let message = CommandFailure.message(of: error) else { Weir.exit(withError: error) }
      Terminal.writeError("\(Style.error.red("weir: error:")) \(message)\n")
      Glibc.exit(1)
    }
  }
}

/// Something that went wrong, in words for the person at the terminal.
struct CommandFailure: Error {
  /// What happened, to which thing.
  var message: String
  /// What to do next.
  var hint: String?

  init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// The text for an error of ours; `nil` for others (the argument parser's).
  static func message(of error: any Error) -> String? {
    switch error {
    case let error as CommandFailure:
      error.message + (error.hint.map { "\n  \($0)" } ?? "")
    case let error as ParquetError: "\(error)"
    case let error as WeirFileError: "\(error)"
    case let error as StorageError: "\(error.path): \(error.message)"
    case let error as ColumnarError: "\(error)"
    case let error as WorldError: "\(error)"
    case let error as TableError: "\(error)"
    case let error as StreamError: "\(error)"
    case let error as JSONError: "\(error)"
    case let error as ProjectProblems: "the project file cannot be used:\n\(error)"
    default: nil
    }
  }
}
