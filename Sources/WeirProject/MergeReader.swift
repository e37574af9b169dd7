// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads how versions of a row become one.
struct MergeReader {
  let checks: StreamChecks
  let primaryKey: [String]

  private var problems: ProblemList { checks.problems }

  func read(_ section: Section, _ definition: inout StreamDefinition) {
    guard let node = section["merge"] else { return }
    if primaryKey.isEmpty {
      problems.add(
        section.mark(of: "merge"), "'merge' needs a primary key",
        "declare 'primary_key', or take 'merge' out: rows are only appended then")
    }
    if let name = node.text {
      guard let engine = engine(name, node.mark) else { return }
      switch engine {
      case "last_write": definition.merge = .lastWrite(sequence: [])
      case "first_row": definition.merge = .firstRow(sequence: [])
      default:
        problems.add(
          node.mark, "'\(engine)' needs to know the columns",
          "write it as a mapping with 'engine' and '\(Self.keys(engine)[0])'")
      }
      return
    }
    guard let merge = Section(node, "'merge'", keys: ProjectKeys.merge, problems) else { return }
    guard let name = merge.text("engine") else {
      if merge["engine"] == nil {
        problems.add(
          node.mark, "'merge' names no engine",
          "add 'engine': one of \(ProjectKeys.engines.joined(separator: ", "))")
      }
      return
    }
    guard let engine = engine(name, merge["engine"]?.mark) else { return }
    for key in ["sequence", "groups", "columns"] where merge[key] != nil {
      if !Self.keys(engine).contains(key) {
        problems.add(
          merge.mark(of: key), "'\(engine)' has no '\(key)'",
          "it takes '\(Self.keys(engine)[0])'")
      }
    }
    switch engine {
    case "last_write":
      definition.merge = .lastWrite(
        sequence: checks.sequence(merge.names("sequence"), "sequence"))
    case "first_row":
      definition.merge = .firstRow(sequence: checks.sequence(merge.names("sequence"), "sequence"))
    case "partial_update": definition.merge = .partialUpdate(groups(merge, node))
    default: definition.merge = .aggregation(functions(merge, node, definition))
    }
  }

  private static func keys(_ engine: String) -> [String] {
    switch engine {
    case "partial_update": ["groups"]
    case "aggregation": ["columns"]
    default: ["sequence"]
    }
  }

  private func engine(_ name: String, _ mark: Mark?) -> String? {
    let plain = name.replacing("-", with: "_")
    if ProjectKeys.engines.contains(plain) { return plain }
    let close = NameSuggestion.closest(to: plain, ProjectKeys.engines)
    problems.add(
      mark, "there is no merge engine '\(name)'",
      close.map { "did you mean '\($0)'?" }
        ?? "the engines are \(ProjectKeys.engines.joined(separator: ", "))")
    return nil
  }

  // MARK: Partial updates

  private func groups(_ merge: Section, _ node: Node) -> [SequenceGroup] {
    guard let list = merge["groups"] else {
      problems.add(node.mark, "'partial_update' has no groups", "add 'groups'")
      return []
    }
    guard case .sequence(let items) = list else {
      problems.add(list.mark, "'groups' must be a list, is \(list.kind)")
      return []
    }
    var owners: [String: Int] = [:]
    var result: [SequenceGroup] = []
    for (index, item) in items.enumerated() {
      guard let group = Section(item, "a group", keys: ProjectKeys.group, problems) else {
        continue
      }
      let sequence = checks.sequence(group.names("sequence"), "sequence")
      if sequence.isEmpty && group["sequence"] == nil {
        problems.add(item.mark, "a group without a sequence", "add 'sequence'")
      }
      var columns: [String] = []
      for (name, mark) in group.names("columns") {
        guard checks.column(name, mark, "columns") != nil else { continue }
        if primaryKey.contains(name) {
          problems.add(mark, "a group holds '\(name)', which is in the primary key", "take it out")
        } else if let owner = owners.updateValue(index, forKey: name), owner != index {
          problems.add(mark, "'\(name)' is in two groups", "leave it in one of them")
        }
        columns.append(name)
      }
      if columns.isEmpty && group["columns"] == nil {
        problems.add(item.mark, "a group without columns", "add 'columns'")
      }
      result.append(SequenceGroup(sequence: sequence, columns: columns))
    }
    return result
  }

  // MARK: Aggregation

  private func functions(
    _ merge: Section, _ node: Node, _ definition: StreamDefinition
  ) -> [String: AggregateFunction] {
    guard let list = merge["columns"] else {
      problems.add(node.mark, "'aggregation' has no columns", "add 'columns'")
      return [:]
    }
    guard case .mapping(let mapping) = list else {
      problems.add(
        list.mark, "'columns' must be a mapping, is \(list.kind)",
        "write 'column: function' for each")
      return [:]
    }
    var result: [String: AggregateFunction] = [:]
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let name = key.text, let field = checks.column(name, key.mark, "columns") else {
        continue
      }
      if primaryKey.contains(name) {
        problems.add(key.mark, "'\(name)' is in the primary key and cannot be aggregated")
        continue
      }
      guard let text = value.text, let function = function(text, value.mark) else {
        if value.text == nil { problems.add(value.mark, "the function is \(value.kind)") }
        continue
      }
      check(function, field, value.mark, definition)
      result[name] = function
    }
    return result
  }

  private static let functionNames = [
    "sum", "count", "min", "max", "last_k", "top_k", "distinct_count", "decayed_sum",
  ]

  private func function(_ text: String, _ mark: Mark?) -> AggregateFunction? {
    let open = text.firstIndex(of: "(") ?? text.endIndex
    let name = String(text[..<open]).replacing("-", with: "_").replacing(" ", with: "")
    var arguments: [String] = []
    if open < text.endIndex {
      guard text.hasSuffix(")") else {
        problems.add(mark, "'\(text)' lacks its ')'")
        return nil
      }
      arguments = text[text.index(after: open)...].dropLast().split(separator: ",").map {
        String($0).replacing(" ", with: "")
      }
    }
    func wrong(_ form: String) -> AggregateFunction? {
      problems.add(mark, "'\(text)' does not fit", "write \(form)")
      return nil
    }
    switch name {
    case "sum": return arguments.isEmpty ? .sum : wrong("sum")
    case "count": return arguments.isEmpty ? .count : wrong("count")
    case "min": return arguments.isEmpty ? .min : wrong("min")
    case "max": return arguments.isEmpty ? .max : wrong("max")
    case "last_k":
      guard arguments.count == 1, let count = Int(arguments[0]), 1...10_000 ~= count else {
        return wrong("last_k(K) with K from 1 to 10000")
      }
      return .lastK(count: count)
    case "top_k":
      guard arguments.count == 2, let count = Int(arguments[0]), 1...10_000 ~= count else {
        return wrong("top_k(K, column) with K from 1 to 10000")
      }
      return .topK(count: count, by: arguments[1])
    case "distinct_count":
      guard arguments.count <= 1, let precision = Int(arguments.first ?? "12"),
        4...18 ~= precision
      else { return wrong("distinct_count(P) with P from 4 to 18") }
      return .distinctCount(precision: precision)
    case "decayed_sum":
      guard arguments.count == 1, let half = Quantity.milliseconds(arguments[0]), half > 0 else {
        return wrong("decayed_sum(half-life), like decayed_sum(7d)")
      }
      return .decayedSum(halfLifeSeconds: Double(half) / 1_000)
    default:
      let close = NameSuggestion.closest(to: name, Self.functionNames)
      problems.add(
        mark, "there is no function '\(name)'",
        close.map { "did you mean '\($0)'?" }
          ?? "the functions are \(Self.functionNames.joined(separator: ", "))")
      return nil
    }
  }

  private func check(
    _ function: AggregateFunction, _ field: TableField, _ mark: Mark?,
    _ definition: StreamDefinition
  ) {
    func needs(_ isRight: Bool, _ name: String, _ wanted: String) {
      if isRight { return }
      problems.add(
        mark, "\(name) does not take '\(field.name)', which is a \(field.type)", "take \(wanted)")
    }
    func needsEventTime(_ name: String) {
      if definition.eventTime != nil { return }
      problems.add(mark, "\(name) needs to know when things happened", "declare 'event_time'")
    }
    switch function {
    case .sum: needs(StreamChecks.isNumber(field.type), "sum", "a number")
    case .count: break
    case .min, .max:
      needs(
        StreamChecks.isOrdered(field.type) || StreamChecks.isNumber(field.type),
        function == .min ? "min" : "max", "a number, a string or a time")
    case .lastK:
      needs(field.type.isPrimitive, "last_k", "a column that is not nested")
      needsEventTime("last_k")
    case .topK(_, let by):
      needs(field.type.isPrimitive, "top_k", "a column that is not nested")
      if let order = checks.column(by, mark, "top_k"), !StreamChecks.isNumber(order.type) {
        problems.add(
          mark, "top_k goes by '\(by)', which is a \(order.type)", "take a column of numbers")
      }
    case .distinctCount:
      needs(field.type.isPrimitive, "distinct_count", "a column that is not nested")
    case .decayedSum:
      needs(StreamChecks.isNumber(field.type), "decayed_sum", "a number")
      needsEventTime("decayed_sum")
    }
  }
}
