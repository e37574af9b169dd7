// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable
internal import Yams

/// Collects what is wrong with one file.
final class ProblemList {
  let file: String
  private(set) var problems: [ProjectProblem] = []
  /// Aliases let small files say much: as many parts are looked at, no more.
  private var partCount = 0
  private static let partCountMax = 100_000
  private static let problemCountMax = 200

  init(file: String) { self.file = file }

  func add(_ place: Mark?, _ message: String, _ remedy: String? = nil) {
    guard problems.count < Self.problemCountMax else { return }
    problems.append(
      ProjectProblem(
        file: file, line: place?.line ?? 1, column: place?.column ?? 1, message: message,
        remedy: remedy))
  }

  /// Counts a part of the file that is looked at; false when there were too many.
  func countPart(_ place: Mark?) -> Bool {
    partCount += 1
    if partCount == Self.partCountMax { add(place, "the file says too much", "use fewer aliases") }
    return partCount < Self.partCountMax
  }

  /// In the order of the file.
  var sorted: [ProjectProblem] {
    problems.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
  }
}

/// A mapping whose keys are known.
struct Section {
  let mark: Mark?
  private let values: [String: (key: Mark?, value: Node)]
  private let problems: ProblemList

  /// The mapping at `node`; tells of keys that are not among `keys`.
  init?(_ node: Node, _ what: String, keys: [ProjectKey], _ problems: ProblemList) {
    guard problems.countPart(node.mark) else { return nil }
    guard case .mapping(let mapping) = node else {
      problems.add(
        node.mark, "\(what) must be a mapping, is \(node.kind)",
        "its keys are \(keys.map(\.name).joined(separator: ", "))")
      return nil
    }
    var values: [String: (key: Mark?, value: Node)] = [:]
    let known = keys.map(\.name)
    for (key, value) in mapping {
      guard let name = key.text else {
        problems.add(key.mark, "\(key.kind) cannot be a key of \(what)")
        continue
      }
      guard known.contains(name) else {
        let plain = name.replacing("-", with: "_")
        let close = known.contains(plain) ? plain : NameSuggestion.closest(to: name, known)
        problems.add(
          key.mark, "\(what) has no key '\(name)'",
          close.map { "did you mean '\($0)'?" } ?? "its keys are \(known.joined(separator: ", "))")
        continue
      }
      // A key without a value is as good as none.
      if !value.isNull { values[name] = (key.mark, value) }
    }
    mark = mapping.mark
    self.values = values
    self.problems = problems
  }

  subscript(name: String) -> Node? { values[name]?.value }

  func tell(_ place: Mark?, _ message: String) { problems.add(place, message) }

  func mark(of name: String) -> Mark? { values[name]?.key }

  func text(_ name: String) -> String? {
    guard let node = self[name] else { return nil }
    guard let text = node.text, !text.isEmpty else {
      problems.add(node.mark, "'\(name)' must be text, is \(node.kind)")
      return nil
    }
    return text
  }

  /// A format of data files.
  func format(_ name: String = "format") -> DataFormat? {
    guard let text = text(name) else { return nil }
    if let format = DataFormat(rawValue: text) { return format }
    let known = DataFormat.allCases.map(\.rawValue)
    let close =
      known.first { $0 == text.lowercased() } ?? NameSuggestion.closest(to: text, known)
    problems.add(
      self[name]?.mark, "there is no format '\(text)' for tables",
      close.map { "did you mean '\($0)'?" } ?? "write \(known.joined(separator: " or "))")
    return nil
  }

  func flag(_ name: String) -> Bool? {
    guard let node = self[name] else { return nil }
    switch node.text?.lowercased() {
    case "true", "yes": return true
    case "false", "no": return false
    default:
      problems.add(node.mark, "'\(name)' must be true or false, is \(node.kind)")
      return nil
    }
  }

  func int(_ name: String, in range: ClosedRange<Int>) -> Int? {
    guard let node = self[name] else { return nil }
    guard let text = node.text, let value = Int(text.replacing("_", with: "")) else {
      problems.add(node.mark, "'\(name)' must be a whole number, is \(node.kind)")
      return nil
    }
    guard range.contains(value) else {
      problems.add(
        node.mark, "'\(name)' is \(value)",
        "it must be between \(range.lowerBound) and \(range.upperBound)")
      return nil
    }
    return value
  }

  /// Bytes.
  func size(_ name: String, in range: ClosedRange<Int64>) -> Int64? {
    quantity(name, range, Quantity.sizeForm, Quantity.bytes) { "\($0) bytes" }
  }

  /// Milliseconds.
  func duration(_ name: String, in range: ClosedRange<Int64>) -> Int64? {
    quantity(name, range, Quantity.durationForm, Quantity.milliseconds) { "\($0) ms" }
  }

  private func quantity(
    _ name: String, _ range: ClosedRange<Int64>, _ form: String, _ read: (String) -> Int64?,
    _ show: (Int64) -> String
  ) -> Int64? {
    guard let node = self[name] else { return nil }
    guard let text = node.text, let value = read(text) else {
      problems.add(
        node.mark, "'\(name)' is \(node.text.map { "'\($0)'" } ?? node.kind)", "write \(form)")
      return nil
    }
    guard range.contains(value) else {
      problems.add(
        node.mark, "'\(name)' is \(show(value))",
        "it must be between \(show(range.lowerBound)) and \(show(range.upperBound))")
      return nil
    }
    return value
  }

  /// One name or a sequence of names, each once, with their places.
  func names(_ name: String) -> [(name: String, mark: Mark?)] {
    guard let node = self[name] else { return [] }
    if let text = node.text, !text.isEmpty { return [(text, node.mark)] }
    guard case .sequence(let items) = node else {
      problems.add(node.mark, "'\(name)' must be a name or a list of names, is \(node.kind)")
      return []
    }
    var result: [(name: String, mark: Mark?)] = []
    for item in items where problems.countPart(item.mark) {
      guard let text = item.text, !text.isEmpty else {
        problems.add(item.mark, "'\(name)' holds \(item.kind)", "write names")
        continue
      }
      guard !result.contains(where: { $0.name == text }) else {
        problems.add(item.mark, "'\(name)' names '\(text)' twice")
        continue
      }
      result.append((text, item.mark))
    }
    return result
  }
}

extension Node {
  /// What the node is, for messages.
  var kind: String {
    switch self {
    case .scalar(let scalar): isNull ? "nothing" : "'\(scalar.string.prefix(60))'"
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }

  /// The text of a scalar that is not null.
  var text: String? {
    guard case .scalar(let scalar) = self, !isNull else { return nil }
    return scalar.string
  }

  /// Whether the text stands in quotes: it is text then, whatever it looks like.
  var isQuoted: Bool {
    guard case .scalar(let scalar) = self else { return false }
    return scalar.style != .plain && scalar.style != .any
  }

  var isNull: Bool {
    guard case .scalar(let scalar) = self, !isQuoted else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }
}
