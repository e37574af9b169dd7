// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Chooses columns, and fields within them, by name.
enum Projection {
  static func select(
    _ names: [String]?, from columns: [SchemaNode]
  ) throws(ParquetError) -> [SchemaNode] {
    guard let names else { return columns }
    var positions: [String: Int] = [:]
    for (index, column) in columns.enumerated() where positions[column.field.name] == nil {
      positions[column.field.name] = index
    }
    var order: [Int] = []
    var paths: [Int: [[Substring]]] = [:]
    for name in names {
      if let index = positions[name] {
        if paths[index] == nil { order.append(index) }
        paths[index] = [[]]
        continue
      }
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      guard let first = parts.first, let index = positions[String(first)],
        has(columns[index], parts.dropFirst())
      else { throw unknown(name, positions.keys) }
      if paths[index] == nil { order.append(index) }
      paths[index, default: []].append(Array(parts.dropFirst()))
    }
    return order.map { prune(columns[$0], paths[$0] ?? [[]]) }
  }

  private static func unknown(
    _ name: String, _ known: Dictionary<String, Int>.Keys
  ) -> ParquetError {
    let shown = known.sorted().prefix(12).joined(separator: ", ")
    let more = known.count > 12 ? " and \(known.count - 12) more" : ""
    return ParquetError(
      .invalidArgument, "there is no column \"\(name)\"; the file has \(shown)\(more)")
  }

  private static func has(_ node: SchemaNode, _ path: ArraySlice<Substring>) -> Bool {
    guard let first = path.first else { return true }
    switch node {
    case .leaf: return false
    case .structure(_, let children, _):
      return children.contains { $0.field.name == first && has($0, path.dropFirst()) }
    case .list(_, let item, _): return has(item, path)
    }
  }

  /// Keeps of structs the fields that some path names. A list's items are pruned; a map is kept whole.
  private static func prune(_ node: SchemaNode, _ paths: [[Substring]]) -> SchemaNode {
    if paths.contains(where: \.isEmpty) { return node }
    switch node {
    case .leaf: return node
    case .structure(var field, let children, let info):
      var kept: [SchemaNode] = []
      for child in children {
        let below = paths.filter { $0[0] == child.field.name }.map { Array($0.dropFirst()) }
        if !below.isEmpty { kept.append(prune(child, below)) }
      }
      field.type = .struct(kept.map(\.field))
      return .structure(field, children: kept, info)
    case .list(var field, let item, let info):
      switch field.type {
      case .list:
        let pruned = prune(item, paths)
        field.type = .list(pruned.field)
        return .list(field, item: pruned, info)
      case .largeList:
        let pruned = prune(item, paths)
        field.type = .largeList(pruned.field)
        return .list(field, item: pruned, info)
      default: return node
      }
    }
  }
}
