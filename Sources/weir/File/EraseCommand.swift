// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

struct EraseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "erase",
    abstract: "Erase the values of rows of a Weir file from its bytes.",
    discussion: """
      The rows stay, so that numbers of rows mean what they did: their values become null, or zero and \
      empty where a column allows no nulls. The file is written anew and then takes the former one's \
      place, in which nothing of the values is left: pages, dictionaries, pools of lists, bounds, bloom \
      filters and key indexes are made without them. (What the file system keeps of the former file's blocks, and copies \
      elsewhere, are another matter.)

      Examples:
        weir file erase samples.weir --where "user_id = 7"
        weir file erase samples.weir --rows 5,100-199 --columns email,recent --output erased.weir
      """)

  @Argument(help: "The file.", completion: .file(extensions: ["weir"]))
  var file: String

  @Option(
    name: .long,
    help: ArgumentHelp("Rows, from 0, and ranges of them: 5,100-199.", valueName: "rows"))
  var rows: String?

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("The rows for which this predicate is true.", valueName: "predicate"))
  var predicate: String?

  @OptionGroup var selection: ColumnSelection

  @Option(
    name: .long, help: ArgumentHelp("Write another file and keep this one.", valueName: "file"),
    completion: .file())
  var output: String?

  @Option(
    name: .long,
    help: ArgumentHelp("How pages are written again: fast (default) or compact.", valueName: "name")
  )
  var profile: ConvertCommand.Profile?

  func validate() throws {
    guard (rows == nil) != (predicate == nil) else {
      throw ValidationError("give the rows by --rows or by --where")
    }
  }

  func run() throws {
    let reader = try WeirFileReader(try InputFile.open(file))
    let chosen = try chosenRows(reader)
    let target = output ?? file
    let sink = try LocalFile.create(target, overwrite: output == nil)
    let summary = try WeirFileEraser.erase(
      rows: chosen, columns: try selection.names(), of: reader, to: sink,
      profile: profile == .compact ? .compact : .fast)
    Terminal.writeLine(
      "\(TextWidth.printable(target)): erased \(Numbers.counted(summary.rowCount, "row", "rows")), "
        + "wrote \(Numbers.counted(summary.rewrittenPageCount, "page", "pages")) again, copied "
        + Numbers.grouped(summary.copiedPageCount))
  }

  private func chosenRows(_ reader: WeirFileReader) throws -> [Int] {
    if let predicate { return try reader.rows(where: try Predicate(parsing: predicate)) }
    var result: [Int] = []
    for part in (rows ?? "").split(separator: ",").map(\.trimmed) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        first >= 0, first <= last, last < reader.rowCount
      else {
        throw ValidationError(
          "--rows has '\(part)'; rows are numbers below \(reader.rowCount), as 5 or 100-199")
      }
      result += first...last
    }
    return result
  }
}
