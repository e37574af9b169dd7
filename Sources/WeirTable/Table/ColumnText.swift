// SPDX-License-Identifier: Apache-2.0

/// A column by which a table's files are divided, as people write it: `country`, `day(ts)`,
/// `bucket(16, user_id)`, `truncate(4, name)`.
public struct TransformedColumn: Hashable, Sendable {
  public var path: String
  public var transform: Transform

  public init(_ path: String, _ transform: Transform = .identity) {
    self.path = path
    self.transform = transform
  }

  /// - Throws: `invalidArgument`, saying what is understood.
  public init(parsing text: String) throws(TableError) {
    func fail(_ message: String) -> TableError {
      TableError(
        .invalidArgument,
        "'\(text)' is no column for partitions or order: \(message); write a column, year(c), "
          + "month(c), day(c), hour(c), bucket(N, c) or truncate(N, c)")
    }
    let trimmed = text.trimmed
    guard let open = trimmed.firstIndex(of: "("), trimmed.hasSuffix(")") else {
      guard !trimmed.isEmpty, !trimmed.contains("("), !trimmed.contains(")") else {
        throw fail("it is empty or lacks a parenthesis")
      }
      self.init(trimmed)
      return
    }
    let name = trimmed[..<open].lowercased()
    var arguments = trimmed[trimmed.index(after: open)...].dropLast()
      .split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmed }
    var number: Int?
    // The number may stand before or behind the column.
    if arguments.count == 2, let index = arguments.firstIndex(where: { Int($0) != nil }) {
      number = Int(arguments.remove(at: index))
    }
    guard arguments.count == 1, !arguments[0].isEmpty else {
      throw fail("its arguments do not fit")
    }
    guard let transform = Self.transform(name, number) else {
      throw fail("the function or its number is not known")
    }
    self.init(arguments[0], transform)
  }

  private static func transform(_ name: String, _ number: Int?) -> Transform? {
    if let number {
      guard number > 0 && number <= Int(Int32.max) else { return nil }
      return name == "bucket" ? .bucket(number) : name == "truncate" ? .truncate(number) : nil
    }
    return switch name {
    case "identity": .identity
    case "year", "years": .year
    case "month", "months": .month
    case "day", "days", "date": .day
    case "hour", "hours": .hour
    case "void": .void
    default: nil
    }
  }
}

extension SortColumn {
  /// As `TransformedColumn`, with `asc` or `desc` and `nulls first` or `nulls last` behind it.
  public init(parsing text: String) throws(TableError) {
    var words = text.split(separator: " ").map(String.init)
    var direction = SortField.Direction.ascending
    var nulls: SortField.NullOrder?
    if words.count > 2, words[words.count - 2].lowercased() == "nulls" {
      switch words[words.count - 1].lowercased() {
      case "first": nulls = .first
      case "last": nulls = .last
      default: throw TableError(.invalidArgument, "'\(text)': write nulls first or nulls last")
      }
      words.removeLast(2)
    }
    if words.count > 1, let last = words.last?.lowercased(), last == "asc" || last == "desc" {
      direction = last == "asc" ? .ascending : .descending
      words.removeLast()
    }
    let column = try TransformedColumn(parsing: words.joined(separator: " "))
    self.init(column.path, direction, nulls: nulls, transform: column.transform)
  }
}

extension PartitionSpec {
  /// The spec of a new table, with fields named as other implementations name them.
  public init(_ columns: [TransformedColumn], of schema: TableSchema) throws(TableError) {
    var fields: [PartitionField] = []
    for column in columns {
      guard let source = schema.field(path: column.path) else {
        throw TableError(.notFound, "there is no column '\(column.path)'", column: column.path)
      }
      fields.append(
        PartitionField(
          sourceID: source.id, fieldID: Self.lastFieldIDOfNone + 1 + Int32(fields.count),
          name: UpdateSpec.name(column.path, column.transform), transform: column.transform))
    }
    self.init(specID: 0, fields: fields)
  }
}

extension SortOrder {
  /// The order of a new table.
  public init(_ columns: [SortColumn], of schema: TableSchema) throws(TableError) {
    var fields: [SortField] = []
    for column in columns {
      guard let source = schema.field(path: column.path) else {
        throw TableError(.notFound, "there is no column '\(column.path)'", column: column.path)
      }
      fields.append(
        SortField(
          sourceID: source.id, transform: column.transform, direction: column.direction,
          nullOrder: column.nullOrder))
    }
    self.init(orderID: fields.isEmpty ? 0 : 1, fields: fields)
  }
}

extension String {
  fileprivate var trimmed: String {
    var text = self[...]
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
