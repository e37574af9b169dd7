// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// A ranked list of a candidates table: the best first.
final class CandidateList: Sendable {
  let items: [EntityID]
  let scores: [Double]
  /// Texts that say why, or nothing.
  private let reasons: ArrayData?
  private let start: Int

  private init(_ items: [EntityID], _ scores: [Double], _ reasons: ArrayData?, _ start: Int) {
    self.items = items
    self.scores = scores
    self.reasons = reasons
    self.start = start
  }

  /// Why the item at a place is there.
  func reason(_ place: Int) -> String? {
    guard let reasons, case .string(let text) = reasons.scalar(at: start + place) else {
      return nil
    }
    return text
  }

  /// The column with the lists.
  static let column = "items"
  private static let (item, score, reason) = ("item", "score", "reason")

  /// The type of the items in tables of lists; `nil` when the column is none of those.
  static func itemType(_ type: DataType) -> DataType? {
    guard case .list(let element) = type, case .struct(let members) = element.type,
      let item = members.first(where: { $0.name == item }),
      members.contains(where: { $0.name == score && $0.type == .float64 })
    else { return nil }
    return item.type
  }

  /// The lists of rows.
  static func lists(_ rows: RecordBatch) throws(StreamError) -> [CandidateList] {
    guard let lists = rows[column], case .list(let element) = lists.type,
      case .struct(let members) = element.type
    else { throw StreamError(.damaged, "the rows are no lists of candidates", column: column) }
    let entries = lists.children[0]
    func member(_ name: String) -> ArrayData? {
      members.firstIndex { $0.name == name }.map { entries.children[$0] }
    }
    guard let items = member(item), let scores = member(score) else {
      throw StreamError(.damaged, "the lists lack items or scores", column: column)
    }
    let reasons = member(reason)
    return (0..<rows.rowCount).map { row in
      let range = lists.isValid(row) ? lists.itemRange(row) : 0..<0
      let start = range.lowerBound + entries.offset
      let places = start..<start + range.count
      var ids = EntityID.list(items, places)
      var values = doubles(scores, places)
      // An item that is null is none; nor is one whose score says nothing.
      if ids.count != values.count || values.contains(where: \.isNaN) {
        (ids, values) = sound(items, scores, places)
        return CandidateList(ids, values, nil, 0)
      }
      return CandidateList(ids, values, reasons, start)
    }
  }

  private static func doubles(_ column: ArrayData, _ places: Range<Int>) -> [Double] {
    guard column.type == .float64 else { return places.map { _ in .nan } }
    if column.nullCount > 0 {
      return places.map { row in
        if case .float64(let value) = column.scalar(at: row) { value } else { .nan }
      }
    }
    defer { withExtendedLifetime(column) {} }
    return Array(column.values(as: Double.self)[places])
  }

  private static func sound(
    _ items: ArrayData, _ scores: ArrayData, _ places: Range<Int>
  ) -> ([EntityID], [Double]) {
    var (ids, values): ([EntityID], [Double]) = ([], [])
    for place in places {
      guard let id = EntityID(items.scalar(at: place)),
        case .float64(let value) = scores.scalar(at: place), !value.isNaN
      else { continue }
      ids.append(id)
      values.append(value)
    }
    return (ids, values)
  }
}
