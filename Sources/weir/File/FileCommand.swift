// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

struct FileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "file",
    abstract: "Look into data files, convert and verify them.",
    discussion: """
      Examples:
        weir file inspect events.parquet
        weir file head -n 5 --columns user_id,item_id events.parquet
        weir file convert events.csv.gz events.parquet --codec zstd --level 3
        weir file convert samples.parquet samples.weir
        weir file verify *.parquet
      """,
    subcommands: [
      InspectCommand.self, HeadCommand.self, ConvertCommand.self, VerifyCommand.self,
      EraseCommand.self,
    ])
}

/// `--columns a,b.c`
struct ColumnSelection: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only these columns, in this order, separated by commas.", valueName: "names"))
  var columns: String?

  /// `nil`: all columns.
  func names() throws -> [String]? {
    guard let columns else { return nil }
    let names = columns.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmed)
    guard names.allSatisfy({ !$0.isEmpty }) else {
      throw ValidationError("--columns has an empty name in '\(columns)'; write --columns a,b")
    }
    return names
  }
}

extension Substring {
  /// Without spaces at both ends.
  var trimmed: String {
    var rest = self
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
