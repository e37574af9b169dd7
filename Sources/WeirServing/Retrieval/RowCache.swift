// SPDX-License-Identifier: Apache-2.0

internal import NIOConcurrencyHelpers
internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// Something in memory that a table is ahead of until it is refreshed.
protocol RefreshedCache: Sendable {
  /// Takes out what is not the table's any more.
  func refresh()
}

/// Rows of a keyed table in a form made for use, kept in memory for as long as they are the table's.
///
/// 1. A tail of the table brings new rows: `refresh` puts them in the place of those that are kept, or
/// takes those out where a version in the log is not a row yet (merge engines other than the last write
/// by order). 2. `values` looks up what is not there. A row that was looked up while its key changed is
/// used, and not kept; one that was kept while a refresh read on is taken out by it, for it may be newer
/// than what was read. So a value is never older than the last refresh before it was asked for, and rows
/// that were acknowledged before that refresh are in it. Threads may share it.
final class RowCache<Value: Sendable>: RefreshedCache {
  private let stream: any ServedStream
  private let key: Field
  private let columns: [String]
  private let countMax: Int
  private let decode: @Sendable (RecordBatch) throws(StreamError) -> [Value]
  /// Whether a version in the log is the row.
  private let isWhole: Bool
  // Each list takes it several times: a lock that may be overtaken, for one that passes from thread to
  // thread in turn keeps all of them waiting for one that has no processor.
  private let state = NIOLockedValueBox(State())
  private let follower = Mutex(Follower())

  /// Rows of the tail that one refresh reads; when more have come all is forgotten instead.
  private static var refreshRowsMax: Int { 20_000 }
  private static var changedCountMax: Int { 65_536 }

  private struct Entry {
    /// `nil` where the table has no row.
    var value: Value?
    /// When it was kept.
    var generation: Int
  }

  private struct State {
    /// Used since the last time there were too many, and before it.
    var young: [EntityID: Entry] = [:]
    var old: [EntityID: Entry] = [:]
    /// Not used any more. Tens of thousands of values are given back one by one, which takes milliseconds:
    /// a refresh does it, and no request waits for it.
    var left: [EntityID: Entry] = [:]
    /// Counts beginnings of refreshes, and changes that they made.
    var generation = 0
    /// When keys changed; what is forgotten here changed at `floor` at the latest.
    var changed: [EntityID: Int] = [:]
    var floor = 0
  }

  // Safe: the tail is used under the lock of its mutex alone.
  private struct Follower: @unchecked Sendable {
    var tail: (any StreamTail)?
  }

  /// - Parameters:
  ///   - columns: what `decode` needs.
  ///   - countMax: rows that are kept; up to twice as many for a while.
  ///   - decode: the values of rows, one for each.
  /// - Throws: `unsupported` for a stream whose key is not one number or text.
  init(
    _ stream: any ServedStream, columns: [String], countMax: Int,
    decode: @escaping @Sendable (RecordBatch) throws(StreamError) -> [Value]
  ) throws(StreamError) {
    let keys = stream.definition.primaryKey
    guard keys.count == 1, let field = stream.definition.columns[keys[0]],
      EntityID.fits(field.type)
    else {
      throw StreamError(
        .unsupported, "rows are looked up by one key column of type long, int or string",
        stream: "\(stream.definition.table)")
    }
    key = Field(field.name, field.type, nullable: false, metadata: field.metadata)
    self.stream = stream
    isWhole = stream.definition.merge == .lastWrite(sequence: [])
    self.columns = columns
    self.countMax = max(1, countMax)
    self.decode = decode
  }

  func refresh() {
    follower.withLock { follower in
      letGo()
      do throws(StreamError) {
        guard let tail = follower.tail else {
          follower.tail = try stream.tail(from: .latest)
          return forget()
        }
        let began = state.withLockedValue { state in
          state.generation += 1
          return state.generation
        }
        var news = News()
        while let rows = try tail.next(rowCountMax: 4_096) {
          guard news.add(rows, key.name), news.rowCount <= Self.refreshRowsMax else {
            follower.tail = try stream.tail(from: .latest)
            return forget()
          }
        }
        if !news.places.isEmpty { try take(news, since: began) }
      } catch {
        // Its place in the log is gone: the next refresh begins anew.
        follower.tail = nil
        forget()
      }
    }
  }

  private func forget() {
    let left = state.withLockedValue { state in
      state.generation += 1
      state.floor = state.generation
      state.changed = [:]
      defer { (state.young, state.old) = ([:], [:]) }
      return [state.young, state.old]
    }
    withExtendedLifetime(left) {}
  }

  private func letGo() {
    let left = state.withLockedValue { state in
      defer { state.left = [:] }
      return state.left
    }
    withExtendedLifetime(left) {}
  }

  /// What a refresh read: of each key the last version.
  private struct News {
    var batches: [RecordBatch] = []
    var places: [EntityID: (batch: Int, row: Int)] = [:]
    var rowCount = 0

    mutating func add(_ rows: RecordBatch, _ key: String) -> Bool {
      guard let column = rows[key] else { return false }
      let ids = EntityID.list(column, 0..<rows.rowCount)
      guard ids.count == rows.rowCount else { return false }
      for (row, id) in ids.enumerated() { places[id] = (batches.count, row) }
      batches.append(rows)
      rowCount += rows.rowCount
      return true
    }

    /// The rows of some keys, those that delete left out.
    func rows(
      _ ids: [EntityID], _ columns: [String]
    ) throws(ColumnarError) -> [(ids: [EntityID], rows: RecordBatch)] {
      var members: [Int: [(id: EntityID, row: Int)]] = [:]
      for id in ids {
        guard let place = places[id] else { continue }
        let operation = batches[place.batch][StreamColumns.operation]?.scalar(at: place.row)
        guard operation != .int(1) else { continue }
        members[place.batch, default: []].append((id, place.row))
      }
      var result: [(ids: [EntityID], rows: RecordBatch)] = []
      for (number, members) in members {
        let batch = batches[number]
        var (fields, picked): ([Field], [ArrayData]) = ([], [])
        for name in columns {
          guard let place = batch.schema.index(of: name) else {
            throw ColumnarError(.invalidArgument, "the rows lack the column", column: name)
          }
          fields.append(batch.schema.fields[place])
          picked.append(batch.columns[place])
        }
        let rows = try RecordBatch(
          schema: Schema(fields), columns: picked, rowCount: batch.rowCount)
        result.append((members.map(\.id), try rows.take(members.map(\.row))))
      }
      return result
    }
  }

  private func take(_ news: News, since began: Int) throws(StreamError) {
    var values: [EntityID: Value?] = [:]
    if isWhole {
      let ids = state.withLockedValue { state in
        news.places.keys.filter { state.young[$0] != nil || state.old[$0] != nil }
      }
      for id in ids { values[id] = .some(nil) }
      let parts: [(ids: [EntityID], rows: RecordBatch)]
      do throws(ColumnarError) {
        parts = try news.rows(ids, columns)
      } catch { throw StreamError(error) }
      for part in parts {
        for (id, value) in zip(part.ids, try decode(part.rows)) { values[id] = .some(value) }
      }
    }
    state.withLockedValue { state in
      state.generation += 1
      if state.changed.count + news.places.count > Self.changedCountMax {
        state.changed = [:]
        state.floor = state.generation
      }
      for id in news.places.keys {
        state.changed[id] = state.generation
        let new = values[id].map { Entry(value: $0, generation: state.generation) }
        if let entry = state.young[id] {
          state.young[id] = entry.generation >= began ? nil : new
          state.old[id] = nil
        } else if let entry = state.old[id] {
          state.old[id] = entry.generation >= began ? nil : new
        }
      }
    }
  }

  /// The values of keys; `nil` for those without a row.
  func values(of ids: [EntityID]) throws(StreamError) -> [Value?] {
    var result = [Value??](repeating: nil, count: ids.count)
    var missing: [EntityID: [Int]] = [:]
    var order: [EntityID] = []
    let generation = state.withLockedValue { state in
      for (place, id) in ids.enumerated() {
        if let entry = state.young[id] {
          result[place] = .some(entry.value)
        } else if let entry = state.old[id] {
          result[place] = .some(entry.value)
          keep(entry, id, &state)
        } else {
          if missing[id] == nil { order.append(id) }
          missing[id, default: []].append(place)
        }
      }
      return state.generation
    }
    guard !order.isEmpty else { return result.map { $0 ?? nil } }
    let found = try lookup(order)
    state.withLockedValue { state in
      for (id, value) in zip(order, found) {
        for place in missing[id] ?? [] { result[place] = .some(value) }
        if generation >= state.floor, state.changed[id] ?? 0 <= generation {
          keep(Entry(value: value, generation: state.generation), id, &state)
        }
      }
    }
    return result.map { $0 ?? nil }
  }

  private func keep(_ entry: Entry, _ id: EntityID, _ state: inout State) {
    // Room for all of them, which memory is used for when they come: to grow takes milliseconds.
    if state.young.isEmpty { state.young.reserveCapacity(countMax) }
    if state.young.count >= countMax {
      if state.left.isEmpty { state.left = state.old }
      state.old = state.young
      state.young = Dictionary(minimumCapacity: countMax)
    }
    state.young[id] = entry
  }

  private func lookup(_ ids: [EntityID]) throws(StreamError) -> [Value?] {
    // Names of another kind than the keys have no rows.
    let isText = key.type == .utf8
    let usable = ids.filter { id in
      switch id {
      case .int(let value): !isText && (key.type == .int64 || Int32(exactly: value) != nil)
      case .text: isText
      }
    }
    guard !usable.isEmpty else { return [Value?](repeating: nil, count: ids.count) }
    let keys: RecordBatch
    let column = try EntityID.column(usable, key.type)
    do throws(ColumnarError) {
      keys = try RecordBatch(schema: Schema([key]), columns: [column])
    } catch { throw StreamError(error) }
    let answer = try stream.lookup(keys: keys, columns: columns)
    let values = try decode(answer.rows)
    var found: [EntityID: Value] = [:]
    var next = 0
    for (id, isFound) in zip(usable, answer.found) where isFound {
      found[id] = values[next]
      next += 1
    }
    return ids.map { found[$0] }
  }
}
