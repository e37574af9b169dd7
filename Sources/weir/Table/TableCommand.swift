// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

struct TableCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "table",
    abstract: "Make, fill, read and look into tables of a catalog.",
    discussion: """
      Tables are Apache Iceberg tables, named NAMESPACE.NAME. The catalog is a folder, \
      sqlite:FILE, postgresql://… or the address of a REST catalog; --catalog or WEIR_CATALOG names it, \
      and without both it is the folder 'lake' here.

      --at chooses an older state: a snapshot's id, a time such as '2026-01-31 12:00:00' (UTC), a branch \
      or a tag. --where takes a condition such as "country = 'de' AND price > 10" (docs/predicates.md).

      Examples:
        weir table create shop.orders --like orders.parquet --partition 'day(ts)'
        weir table append shop.orders orders.parquet
        weir table scan shop.orders --where "country = 'de'" --columns user_id,ts --limit 20
        weir table snapshots shop.orders
        weir table changes shop.orders --from 2026-01-31 --to january
      """,
    subcommands: [
      TableCreateCommand.self, TableListCommand.self, TableDescribeCommand.self,
      TableSchemaCommand.self, TableAppendCommand.self, TableScanCommand.self,
      TableChangesCommand.self, TableDeleteCommand.self, TableAlterCommand.self,
      TableHistoryCommand.self,
      TableSnapshotsCommand.self, TableFilesCommand.self, TablePartitionsCommand.self,
      TableRefsCommand.self, TableDiffCommand.self, TableRollbackCommand.self,
      TableBranchCommand.self, TableTagCommand.self, TablePropertiesCommand.self,
      TableAnalyzeCommand.self, TableExpireCommand.self, TableOrphansCommand.self,
      TableBackfillCommand.self, TableCompactCommand.self, TableMaintainCommand.self,
      TableCostCommand.self, TableEraseCommand.self, TableLayoutCommand.self,
      TableRenameCommand.self,
      TableTierCommand.self,
      TableDropCommand.self,
    ])
}

/// Which catalog.
struct CatalogSelection: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "A folder, sqlite:FILE, postgresql://…, http(s)://… (default: WEIR_CATALOG, or lake).",
      valueName: "address"))
  var catalog: String?

  @Option(
    name: .customLong("property"),
    help: ArgumentHelp(
      "A setting of the connection, such as warehouse=… or s3.endpoint=…; may come several times.",
      valueName: "name=value"))
  var settings: [String] = []

  var address: String {
    catalog ?? getenv("WEIR_CATALOG").map { String(cString: $0) } ?? "lake"
  }

  /// - Parameter creates: makes a folder that is not there.
  func open(creates: Bool = false) throws -> Connection {
    let address = address
    var options = ConnectionOptions()
    options.creates = creates
    do throws(TableError) {
      return try Connection.open(
        address, properties: try KeyValues.read(settings, "--property"), options: options)
    } catch {
      guard error.code == .notFound else { throw error }
      throw CommandFailure(
        "there is no catalog at '\(address)'",
        hint: "--catalog or WEIR_CATALOG names one; 'weir table create' makes one.")
    }
  }
}

/// A table of a catalog.
struct TableSelection: ParsableArguments {
  @Argument(help: ArgumentHelp("The table, as NAMESPACE.NAME.", valueName: "table"))
  var name: String

  @OptionGroup var selection: CatalogSelection

  func identifier() throws -> TableIdentifier { try TableIdentifier(parsing: name) }

  func open() throws -> Table {
    let identifier = try identifier()
    let connection = try selection.open()
    do throws(TableError) {
      return try connection.table(identifier)
    } catch {
      guard error.code == .notFound else { throw error }
      throw CommandFailure(
        "\(error)", hint: "'weir table list' shows the tables of \(connection.address).")
    }
  }
}

enum KeyValues {
  /// `name=value` texts.
  static func read(_ texts: [String], _ option: String) throws(TableError) -> [String: String] {
    var result: [String: String] = [:]
    for text in texts {
      guard let split = text.firstIndex(of: "="), split != text.startIndex else {
        throw TableError(.invalidArgument, "\(option) '\(text)' is not of the form name=value")
      }
      result[String(text[..<split])] = String(text[text.index(after: split)...])
    }
    return result
  }
}

/// Prints batches, as a table for people or as JSON lines.
enum RowPrinter {
  /// - Parameter limit: at most so many rows; it is said when there are more.
  static func print(_ reader: any RecordBatchReader, json: Bool, limit: Int? = nil) throws {
    var output = OutputBuffer()
    var cells: [[String]] = []
    var rows = 0
    let limit = limit ?? .max
    while rows <= limit, let batch = try reader.next() {
      for row in 0..<min(limit - rows, batch.rowCount) {
        if json {
          output.line(RowJSON.line(batch, row))
        } else {
          cells.append(batch.columns.map { RowTable.cell($0, row) })
        }
      }
      rows += batch.rowCount
    }
    if !json {
      RowTable(reader.schema, cells).write(to: &output, width: Terminal.width, style: .output)
      if rows > limit, limit > 0 {
        output.line(Style.output.dim("  … more rows; --limit shows more of them"))
      }
    }
    output.flush()
  }

  static func json(_ value: JSONValue) {
    var output = OutputBuffer()
    output.line(value.prettyText)
    output.flush()
  }

  /// On one line, as for each row of a table.
  static func compact(_ value: JSONValue) { line(value.text) }

  static func line(_ text: String) {
    var output = OutputBuffer()
    output.line(text)
    output.flush()
  }
}
