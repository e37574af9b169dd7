// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// What `weir_table_scan` is asked for; docs/c.md lists the options.
struct ScanRequest {
  private var scan = ScanOptions()
  private var changes = ChangeScanOptions(from: nil)
  private var from: SnapshotSelector?
  private var tellsChanges = false
  private var changeKeys: [String] = []
  private var inspected: MetadataTable?
  private var rowKeys: [String] = []

  private static let keys = [
    "where", "at", "limit", "batch_rows", "case_sensitive", "from", "changes", "carried_rows",
    "net",
    "identifiers", "inspect",
  ]

  init(columns: [String]?, _ options: [Option]) throws {
    scan.columns = columns
    if columns != nil { rowKeys.append("columns") }
    for option in options {
      try option.forAllColumns()
      try read(option)
    }
    if !tellsChanges, let key = changeKeys.first {
      throw CError.invalidArgument("option \"\(key)\" is of scans of changes; set \"changes\", too")
    }
    if let inspected, let key = rowKeys.first ?? (from == nil ? nil : "from") ?? changeKeys.first {
      throw CError.invalidArgument(
        "\"\(key)\" does not go with \"inspect\" (\(inspected.rawValue))")
    }
  }

  private mutating func read(_ option: Option) throws {
    switch option.key {
    case "at": scan.at = try SnapshotSelector(parsing: option.value)
    case "from": from = try SnapshotSelector(parsing: option.value)
    case "inspect":
      guard let kind = MetadataTable(rawValue: option.value) else {
        throw option.invalid(
          "one of " + MetadataTable.allCases.map(\.rawValue).joined(separator: ", "))
      }
      inspected = kind
    case "changes": tellsChanges = try option.boolean()
    case "carried_rows", "net", "identifiers":
      changeKeys.append(option.key)
      try readChanges(option)
    default:
      rowKeys.append(option.key)
      switch option.key {
      case "where": scan.filter = try Predicate(parsing: option.value)
      case "limit": scan.limit = try option.integer(0...Int.max)
      case "batch_rows": scan.batchRowsMax = try option.integer(1...Int(Int32.max))
      case "case_sensitive": scan.caseSensitive = try option.boolean()
      default: throw option.unknown(Self.keys)
      }
    }
  }

  private mutating func readChanges(_ option: Option) throws {
    switch option.key {
    case "carried_rows": changes.removesCarriedRows = !(try option.boolean())
    case "net": changes.isNet = try option.boolean()
    default:
      do throws(JSONError) {
        changes.identifiers = try JSONValue(parsing: option.value).asArray()
          .map { value throws(JSONError) in try value.asString() }
      } catch {
        throw CError.invalidArgument("option \"identifiers\" is no JSON list of names: \(error)")
      }
    }
  }

  /// - Throws: what the scans of the table throw.
  func open(_ table: Table) throws(TableError) -> any RecordBatchReader {
    if let inspected { return try table.inspect(inspected, at: scan.at) }
    guard tellsChanges else {
      if let from { return try table.scanAppends(after: from, scan) }
      return try table.scan(scan)
    }
    var options = changes
    options.from = from
    options.to = scan.at
    options.columns = scan.columns
    options.filter = scan.filter
    options.limit = scan.limit
    options.caseSensitive = scan.caseSensitive
    options.batchRowsMax = scan.batchRowsMax
    return try table.scanChanges(options)
  }
}
