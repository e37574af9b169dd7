// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Which fields of structs are read, of a column: the others are not decoded.
struct FieldSelection: Sendable {
  /// Of a struct: the places of fields among those of the file, and what is read of each (`nil`: all of it).
  /// Of a list: its item.
  var children: [(place: Int, selection: FieldSelection?)]

  /// Whether a path, of names of fields, leads to something; lists are passed through.
  static func has(_ type: DataType, _ path: ArraySlice<Substring>) -> Bool {
    guard let name = path.first else { return true }
    switch type {
    case .struct(let fields):
      return fields.contains { $0.name == name && has($0.type, path.dropFirst()) }
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _):
      return has(item.type, path)
    default: return false
    }
  }

  /// The type with those fields of structs that some path names, in the file's order.
  ///
  /// - Parameter paths: each leads to something (`has`); an empty one takes everything.
  static func pruned(
    _ type: DataType, _ paths: [ArraySlice<Substring>]
  ) -> (DataType, FieldSelection?) {
    if paths.contains(where: \.isEmpty) { return (type, nil) }
    func one(_ item: Field) -> (Field, FieldSelection) {
      var field = item
      let (type, selection) = pruned(item.type, paths)
      field.type = type
      return (field, FieldSelection(children: [(0, selection)]))
    }
    switch type {
    case .struct(let fields):
      var kept: [Field] = []
      var children: [(Int, FieldSelection?)] = []
      for (place, field) in fields.enumerated() {
        let below = paths.filter { $0.first.map { $0 == field.name } ?? false }
          .map { $0.dropFirst() }.filter { has(field.type, $0) }
        if below.isEmpty { continue }
        let (type, selection) = pruned(field.type, below)
        var field = field
        field.type = type
        kept.append(field)
        children.append((place, selection))
      }
      return (.struct(kept), FieldSelection(children: children))
    case .list(let item):
      let (field, selection) = one(item)
      return (.list(field), selection)
    case .largeList(let item):
      let (field, selection) = one(item)
      return (.largeList(field), selection)
    case .fixedSizeList(let item, let size):
      let (field, selection) = one(item)
      return (.fixedSizeList(field, size: size), selection)
    default: return (type, nil)
    }
  }
}

extension WeirFileReader {
  /// The columns of these names, and of dotted paths of fields within structs: `place.city` is the column
  /// `place` with that field alone. Several paths of one column make one. All columns for `nil`.
  func columns(_ names: [String]?) throws(WeirFileError) -> [FileColumn] {
    guard let names, names.contains(where: { $0.contains(".") }) else {
      return try wholeColumns(names)
    }
    var order: [FileColumn] = []
    var paths: [Int: [ArraySlice<Substring>]] = [:]
    for name in names {
      var path: ArraySlice<Substring> = []
      var column = try columnsIfPresent([name]).first
      if column == nil {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        path = parts.dropFirst()
        column = try columnsIfPresent([String(parts[0])]).first
      }
      guard let column, FieldSelection.has(column.field.type, path) else { throw missing(name) }
      if paths[column.entry.position] == nil { order.append(column) }
      paths[column.entry.position, default: []].append(path)
    }
    return order.map { projected($0, paths[$0.entry.position] ?? []) }
  }

  /// The column with the fields of some paths.
  private func projected(
    _ column: FileColumn, _ paths: [ArraySlice<Substring>]
  ) -> FileColumn {
    let (type, selection) = FieldSelection.pruned(column.field.type, paths)
    guard let selection else { return column }
    var field = column.field
    field.type = type
    // Its pages are kept from read to read, as those of whole columns are.
    let key = paths.map { $0.joined(separator: ".") }.sorted().joined(separator: ",")
    return keep(
      FileColumn(column, field: field, selection: selection),
      as: "\(column.entry.position):\(key)")
  }
}
