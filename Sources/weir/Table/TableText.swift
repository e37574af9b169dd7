// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirProject
internal import WeirTable

/// Whether to print for programs.
struct JSONSelection: ParsableArguments {
  @Flag(name: .long, help: "Print JSON.")
  var json = false

  /// Prints the object, or the text.
  func print(_ text: String, _ object: @autoclosure () -> JSONValue) {
    if json { RowPrinter.compact(object()) } else { RowPrinter.line(text) }
  }
}

/// A condition on rows, as it is typed.
struct WhereSelection: ParsableArguments {
  @Option(name: .customLong("where"), help: ArgumentHelp("Which rows.", valueName: "condition"))
  var filter: String?

  func predicate() throws -> Predicate { try filter.map(Self.parse) ?? .always(true) }

  /// - Throws: an error that points at the place.
  static func parse(_ text: String) throws -> Predicate {
    do throws(ColumnarError) {
      return try Predicate(parsing: text)
    } catch {
      guard let byte = error.position, !text.contains(where: \.isNewline) else { throw error }
      // The message begins with the place, which is shown instead.
      var message = Substring(error.message)
      if message.hasPrefix("predicate, "), let colon = message.firstIndex(of: ":") {
        message = message[message.index(colon, offsetBy: 2)...]
      }
      let before = String(decoding: text.utf8.prefix(byte), as: UTF8.self)
      let spaces = String(repeating: " ", count: TextWidth.of(TextWidth.printable(before)))
      throw CommandFailure(
        "--where, character \(before.count + 1): \(message)",
        hint: "\(TextWidth.printable(text))\n  \(spaces)^")
    }
  }
}

/// Times, sizes and summaries of tables for people.
enum TableText {
  /// `2026-01-31 12:00:00`, in UTC.
  static func time(_ milliseconds: Int64) -> String {
    let text = Scalar.int(milliseconds).text(as: .timestamp(.millisecond, timeZone: "UTC"))
    return String(text.prefix(19)).replacing("T", with: " ")
  }

  /// The location without the table's own in front.
  static func path(_ location: String, in table: String) -> String {
    location.hasPrefix(table + "/") ? String(location.dropFirst(table.utf8.count + 1)) : location
  }

  static func count(_ text: String?) -> Int? { text.flatMap { Int($0) } }

  static func number(_ value: Int?) -> String { value.map(Numbers.grouped) ?? "?" }

  /// `main`, `tag january`
  static func references(_ metadata: TableMetadata) -> [Int64: String] {
    var names: [Int64: [String]] = [:]
    for (name, reference) in metadata.references.sorted(by: { $0.key < $1.key }) {
      names[reference.snapshotID, default: []].append(
        reference.kind == .tag ? "tag \(name)" : name)
    }
    return names.mapValues { $0.joined(separator: ", ") }
  }

  static func days(_ milliseconds: Int64) -> String {
    let hours = milliseconds / 3_600_000
    return hours % 24 == 0 && hours > 0
      ? Numbers.counted(Int(hours / 24), "day", "days")
      : hours > 0
        ? Numbers.counted(Int(hours), "hour", "hours")
        : Numbers.counted(Int(milliseconds), "millisecond", "milliseconds")
  }

  /// Prints a table, or what stands for one without rows.
  static func print(_ table: TextTable, ifEmpty: String) {
    var output = OutputBuffer()
    if table.rows.isEmpty {
      output.line(ifEmpty)
    } else {
      for line in table.lines(width: Terminal.width, style: .output) { output.line(line) }
    }
    output.flush()
  }
}

extension Snapshot {
  /// Rows that were live behind the snapshot; `nil` where its summary does not say.
  var liveRows: Int? {
    guard let rows = TableText.count(summary?["total-records"]),
      TableText.count(summary?["total-equality-deletes"]) ?? 0 == 0
    else { return nil }
    return rows - (TableText.count(summary?["total-position-deletes"]) ?? 0)
  }

  /// Rows in the files that it added.
  var addedRowsOfSummary: Int? {
    summary == nil ? nil : TableText.count(summary?["added-records"]) ?? 0
  }

  /// Rows that it deleted, with files or by marks; `nil` where its summary cannot tell.
  var deletedRowsOfSummary: Int? {
    guard let summary, TableText.count(summary["added-equality-deletes"]) ?? 0 == 0 else {
      return nil
    }
    return (TableText.count(summary["deleted-records"]) ?? 0)
      + (TableText.count(summary["added-position-deletes"]) ?? 0)
      - (TableText.count(summary["removed-position-deletes"]) ?? 0)
  }
}

/// A duration, as it is typed.
enum DurationText {
  static func milliseconds(_ text: String, _ option: String) throws -> Int64 {
    guard let value = Quantity.milliseconds(text), value > 0 else {
      throw CommandFailure(
        "\(option) '\(text)' is no duration", hint: "Write \(Quantity.durationForm).")
    }
    return value
  }
}
