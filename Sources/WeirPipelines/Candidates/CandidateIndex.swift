// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// One list, ready to be written.
struct CandidateList {
  struct Entry {
    var item: UInt32
    var score: Double
    var reason: String
  }

  /// What the list is of, in the index's numbers.
  var number: UInt32
  /// The value of the table's key.
  var key: Scalar
  var entries: [Entry]
  /// A hash of all of it that is the same in every process.
  var digest: Int64
}

/// What is remembered of a followed table, and the lists that are made of it.
///
/// The lists depend on the rows that the table has now, and on nothing else. One thread at a time.
final class CandidateIndex {
  let shape: CandidateShape
  private var entities: ValueNumbers
  private let encoder: KeyEncoder
  private(set) var items: ValueNumbers
  private var segmentNames = ValueNumbers(.bytes)
  private var similar: SimilarIndex
  private var segments: SegmentIndex
  private let seed: UInt64

  init(_ shape: CandidateShape, keyCount: Int) throws(StreamError) {
    self.shape = shape
    let keys = shape.sourceSchema.fields.prefix(keyCount)
    entities = (keyCount == 1 ? ValueNumbers(keys[0].type) : nil) ?? ValueNumbers(.bytes)
    encoder = try KeyEncoder(shape.sourceSchema, columns: Array(keys.indices))
    items = ValueNumbers(shape.itemType) ?? ValueNumbers(.bytes)
    var options = SimilarItems(feature: "", column: "")
    if case .similar(let given) = shape.definition.kind { options = given }
    similar = SimilarIndex(options, listCount: shape.definition.count)
    segments = SegmentIndex(listCount: shape.definition.count)
    // Lists of another definition are other lists.
    let definition = shape.definition
    seed = RowDigest.hash(
      "1 \(definition.kind) \(definition.by) \(definition.count)".utf8)
  }

  private var isSimilar: Bool { if case .similar = shape.definition.kind { true } else { false } }

  /// About what it takes in memory.
  var byteCount: Int {
    entities.byteCount + items.byteCount + segmentNames.byteCount + similar.byteCount
      + segments.byteCount
  }

  /// How many lists may have changed.
  var waitingCount: Int { isSimilar ? similar.waitingCount : segments.waitingCount }

  // MARK: Rows

  /// Takes in rows as they are now, and that others are gone.
  ///
  /// - Throws: `overloaded` when more would have to be remembered than may be.
  func apply(_ rows: RowFollower.Rows) throws(StreamError) {
    if rows.current.rowCount > 0 {
      let batch = rows.current
      let keys = try numbers(batch)
      var isKept: [Bool]?
      if let filter = shape.filter {
        do throws(ColumnarError) {
          var kept = [Bool](repeating: false, count: batch.rowCount)
          for row in try filter.selection(batch).rows { kept[row] = true }
          isKept = kept
        } catch { throw StreamError(error) }
      }
      switch shape.definition.kind {
      case .similar(let options): try replaceSets(batch, keys, isKept, options)
      default: try replaceRanks(batch, keys, isKept)
      }
    }
    if let gone = rows.gone {
      for entity in try numbers(gone) {
        if isSimilar {
          similar.replace(entity, with: [], itemCount: items.count)
        } else {
          put(entity, nil, in: 0)
        }
      }
    }
    if isSimilar { similar.settle() }
    guard byteCount <= shape.definition.memoryBytesMax else {
      throw StreamError(
        .overloaded,
        "the candidates need more than \(shape.definition.memoryBytesMax) bytes of memory for "
          + "\(entities.count) rows and \(items.count) items; allow more with 'memory', or let fewer "
          + "count with 'where'\(isSimilar ? " or a smaller 'depth'" : "")",
        stream: "\(shape.definition.table)")
    }
  }

  /// The numbers of rows, by their keys, which come first among the columns.
  private func numbers(_ batch: RecordBatch) throws(StreamError) -> [UInt32] {
    if entities.kind == .whole { return entities.numbers(of: batch.columns[0]) }
    return entities.numbers(of: try encoder.encode(batch))
  }

  private func column(_ batch: RecordBatch, _ name: String) throws(StreamError) -> ArrayData {
    if let column = batch[name] { return column }
    throw StreamError(.invalidArgument, "the followed table lacks the column", column: name)
  }

  private func replaceSets(
    _ batch: RecordBatch, _ keys: [UInt32], _ isKept: [Bool]?, _ options: SimilarItems
  ) throws(StreamError) {
    let lists = try column(batch, options.feature)
    guard let events = lists.children.first, case .struct(let members) = events.type,
      let place = members.firstIndex(where: { $0.name == options.column }), lists.length > 0
    else { return }
    let ranges = (0..<lists.length).map { lists.isValid($0) ? lists.itemRange($0) : 0..<0 }
    let used = ranges.filter { !$0.isEmpty }
    let first = used.map(\.lowerBound).min() ?? 0
    let last = used.map(\.upperBound).max() ?? 0
    let values = events.children[place].slice(offset: events.offset + first, length: last - first)
    let numbers = items.numbers(of: values)
    for (row, range) in ranges.enumerated() {
      var set: [UInt32] = []
      if isKept?[row] ?? true {
        for event in range.prefix(options.depth) {
          let number = numbers[event - first]
          if number != ValueNumbers.none { set.append(number) }
        }
        set.sort()
        var count = 0
        for number in set where count == 0 || set[count - 1] != number {
          set[count] = number
          count += 1
        }
        set.removeSubrange(count...)
      }
      similar.replace(keys[row], with: set, itemCount: items.count)
    }
  }

  private func replaceRanks(
    _ batch: RecordBatch, _ keys: [UInt32], _ isKept: [Bool]?
  ) throws(StreamError) {
    let names = items.numbers(of: try column(batch, shape.item))
    let ranks = try ranks(batch)
    var by: [ArrayData] = []
    for name in shape.definition.by { by.append(try column(batch, name)) }
    for row in 0..<batch.rowCount {
      guard isKept?[row] ?? true, names[row] != ValueNumbers.none, let (rank, time) = ranks[row],
        let name = segmentName(by, row)
      else {
        put(keys[row], nil, in: 0)
        continue
      }
      let segment = segmentNames.number(Array(name.utf8))
      put(
        keys[row], SegmentIndex.Member(item: names[row], rank: rank, time: time), in: segment)
    }
  }

  private func put(_ row: UInt32, _ member: SegmentIndex.Member?, in segment: UInt32) {
    segments.replace(row, with: member, in: segment, segmentCount: segmentNames.count) {
      items.precedes($0, $1)
    }
  }

  private func ranks(
    _ batch: RecordBatch
  ) throws(StreamError) -> [(rank: Rank, time: Int64)?] {
    switch shape.definition.kind {
    case .fresh(let time):
      return ColumnValues.microseconds(try column(batch, time)).map { time in
        time.map { (Rank.time($0), $0) }
      }
    case .trending(let feature):
      let values = ColumnValues.doubles(try column(batch, feature))
      guard let halfLife = shape.halfLife else {
        return values.map { value in Rank.number(value).map { ($0, .min) } }
      }
      let times = ColumnValues.microseconds(try column(batch, ProfileShape.timeColumn))
      return zip(values, times).map { value, time in
        guard let time, let rank = Rank.decayed(value, at: time, halfLife: halfLife) else {
          return nil
        }
        return (rank, time)
      }
    case .similar: return []
    }
  }

  /// `nil` for rows without a value.
  private func segmentName(_ by: [ArrayData], _ row: Int) -> String? {
    var parts: [String] = []
    for column in by {
      guard column.isValid(row) else { return nil }
      let text = column.scalar(at: row).text(as: column.type)
      parts.append(
        by.count == 1 ? text : text.replacing("\\", with: "\\\\").replacing("/", with: "\\/"))
    }
    return parts.joined(separator: "/")
  }

  // MARK: Lists

  /// Lists that may have changed, at most `countMax`. Who cannot write them puts them back.
  func takeLists(_ countMax: Int) -> [CandidateList] {
    guard isSimilar else {
      return segments.takeWaiting(countMax).map { segmentList($0) }
    }
    var lists: [CandidateList] = []
    while lists.count < countMax, let item = similar.next() { lists.append(similarList(item)) }
    return lists
  }

  func putBack(_ number: UInt32) {
    if isSimilar { similar.putBack(number) } else { segments.putBack(number) }
  }

  private func similarList(_ item: UInt32) -> CandidateList {
    let entries = similar.list(item) { items.precedes($0, $1) }
    var digest = RowDigest(seed: seed)
    for entry in entries {
      digest.add(items.digest(entry.item))
      digest.add(entry.score.bitPattern)
      digest.add(UInt64(entry.count))
    }
    return CandidateList(
      number: item, key: items.scalar(item, shape.itemType),
      entries: entries.map {
        .init(item: $0.item, score: $0.score, reason: "\($0.count) in common")
      }, digest: Int64(bitPattern: digest.value))
  }

  private func segmentList(_ segment: UInt32) -> CandidateList {
    let (members, latest) = segments.list(segment) { items.precedes($0, $1) }
    let name = String(decoding: segmentNames.bytes[Int(segment)], as: UTF8.self)
    let place = name.isEmpty ? "" : " in \(name)"
    var digest = RowDigest(seed: seed)
    let entries = members.map { member in
      let entry: CandidateList.Entry
      switch shape.definition.kind {
      case .fresh:
        let text = Scalar.int(member.time).text(as: .timestamp(.microsecond, timeZone: "UTC"))
        entry = .init(
          item: member.item, score: Double(member.time) / 1e6, reason: "new\(place) since \(text)")
      default:
        let score =
          shape.halfLife.map { member.rank.decayed(at: latest, halfLife: $0) } ?? member.rank.low
        entry = .init(
          item: member.item, score: score,
          reason: (shape.halfLife == nil ? "popular" : "trending") + place)
      }
      digest.add(items.digest(entry.item))
      digest.add(entry.score.bitPattern)
      return entry
    }
    return CandidateList(
      number: segment, key: .string(name), entries: entries,
      digest: Int64(bitPattern: digest.value))
  }

  /// The rows of lists, those that are empty as deletes.
  ///
  /// - Parameters:
  ///   - schema: of the table, as producers send rows.
  ///   - knownAt: microseconds.
  func rows(
    _ lists: [CandidateList], _ schema: Schema, knownAt: Int64
  ) throws(StreamError) -> RecordBatch {
    do throws(ColumnarError) {
      var columns: [ArrayData] = []
      for field in schema.fields {
        let builder = makeBuilder(for: field.type)
        switch field.name {
        case shape.tableFields[0].name: for list in lists { try builder.append(list.key) }
        case CandidateShape.itemsColumn: try append(lists, to: builder)
        case CandidateShape.digestColumn:
          for list in lists { try builder.append(.int(list.digest)) }
        case StreamColumns.operation:
          for list in lists { try builder.append(.int(list.entries.isEmpty ? 1 : 0)) }
        case StreamColumns.knownAt:
          for _ in lists { try builder.append(knownAt == .min ? .null : .int(knownAt)) }
        default: for _ in lists { builder.appendNull() }
        }
        columns.append(builder.finish())
      }
      return try RecordBatch(schema: schema, columns: columns, rowCount: lists.count)
    } catch { throw StreamError(error) }
  }

  private func append(
    _ lists: [CandidateList], to builder: any ArrayBuilder
  ) throws(ColumnarError) {
    guard let rows = builder as? ListBuilder, let entries = rows.items as? StructBuilder,
      let scores = entries.fields[1] as? PrimitiveBuilder<Double>,
      let reasons = entries.fields[2] as? BinaryBuilder
    else {
      throw ColumnarError(
        .invalidArgument, "the table's lists are not those of candidates",
        column: CandidateShape.itemsColumn)
    }
    for list in lists {
      for entry in list.entries {
        try entries.fields[0].append(items.scalar(entry.item, shape.itemType))
        scores.append(entry.score)
        try reasons.append(entry.reason)
        entries.appendStruct()
      }
      try rows.appendList()
    }
  }
}
