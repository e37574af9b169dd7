// SPDX-License-Identifier: Apache-2.0

/// Finds columns by their paths, and the name that was probably meant where there is none.
struct ColumnLookup {
  let schema: Schema
  let caseSensitive: Bool

  /// Columns that an error lists at most.
  private static let listedMax = 12

  func column(_ path: [String]) throws(ColumnarError) -> BoundColumn {
    var matches: [BoundColumn] = []
    search(path[...], schema.fields, [], [], &matches)
    // The path as it was written goes before names that hold dots.
    let exact = matches.filter { $0.names.count == path.count }
    if !exact.isEmpty { matches = exact }
    guard matches.count <= 1 else {
      throw ColumnarError(
        .invalidArgument,
        "the schema has \(matches.count) columns of this name; rename them, or look them up with "
          + "case sensitivity", column: path.joined(separator: "."))
    }
    guard let match = matches.first else { throw unknown(path) }
    return match
  }

  private func search(
    _ path: ArraySlice<String>, _ fields: [Field], _ indices: [Int], _ names: [String],
    _ matches: inout [BoundColumn]
  ) {
    guard !path.isEmpty, path.count <= Predicate.depthMax else { return }
    for taken in 1...path.count {
      let name = path.prefix(taken).joined(separator: ".")
      for (index, field) in fields.enumerated() where same(field.name, name) {
        let rest = path.dropFirst(taken)
        if rest.isEmpty {
          matches.append(
            BoundColumn(path: indices + [index], names: names + [field.name], field: field))
        } else if case .struct(let inner) = field.type {
          search(rest, inner, indices + [index], names + [field.name], &matches)
        }
      }
    }
  }

  private func same(_ a: String, _ b: String) -> Bool {
    a.utf8.elementsEqual(b.utf8) || (!caseSensitive && a.lowercased() == b.lowercased())
  }

  // MARK: Errors

  private func unknown(_ path: [String]) -> ColumnarError {
    let wanted = path.joined(separator: ".")
    if path.count > 1, let first = schema.fields.first(where: { same($0.name, path[0]) }) {
      guard case .struct = first.type else {
        return ColumnarError(
          .invalidArgument,
          "\(first.name) is \(first.type), not a struct: it has no fields to test", column: wanted)
      }
    }
    let names = leafNames()
    var message = "there is no such column"
    if let close = NameSuggestion.closest(to: wanted, names) {
      message += "; did you mean \(close)?"
    }
    message += " The columns are \(names.prefix(Self.listedMax).joined(separator: ", "))"
    if names.count > Self.listedMax { message += " and \(names.count - Self.listedMax) more" }
    return ColumnarError(.invalidArgument, message, column: wanted)
  }

  /// Paths of all columns and fields of structs, as a predicate would name them; at most 2,000.
  private func leafNames() -> [String] {
    var names: [String] = []
    func visit(_ fields: [Field], _ prefix: [String]) {
      for field in fields where names.count < 2_000 {
        let path = prefix + [field.name]
        if case .struct(let inner) = field.type, prefix.count < Predicate.depthMax {
          visit(inner, path)
        } else {
          names.append(Term(path: path).description)
        }
      }
    }
    visit(schema.fields, [])
    return names
  }
}
