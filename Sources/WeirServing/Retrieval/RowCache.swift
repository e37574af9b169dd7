// SPDX-License-Identifier: Apache-2.0

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
/// 1. A tail of the table says which keys have new rows; `refresh` takes those out. 2. `values` looks up
/// what is not there. A row that was looked up while its key changed is used, and not kept. So a value
/// is never older than the last refresh before it was asked for, and rows that were acknowledged before
/// that refresh are in it. Threads may share it.
final class RowCache<Value: Sendable>: RefreshedCache {
  private let stream: any ServedStream
  private let key: Field
  private let columns: [String]
  private let countMax: Int
  private let decode: @Sendable (RecordBatch) throws(StreamError) -> [Value]
  private let state = Mutex(State())
  private let follower = Mutex(Follower())

  /// Rows of the tail that one refresh reads; when more have come all is forgotten instead.
  private static var refreshRowsMax: Int { 20_000 }
  private static var changedCountMax: Int { 65_536 }

  private struct State {
    /// Used since the last time there were too many, and before it.
    var young: [EntityID: Value?] = [:]
    var old: [EntityID: Value?] = [:]
    /// Counts refreshes that took something out.
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
    self.columns = columns
    self.countMax = max(1, countMax)
    self.decode = decode
  }

  func refresh() {
    follower.withLock { follower in
      do throws(StreamError) {
        guard let tail = follower.tail else {
          follower.tail = try stream.tail(from: .latest)
          return forget()
        }
        var count = 0
        while let rows = try tail.next(rowCountMax: 4_096) {
          count += rows.rowCount
          guard count <= Self.refreshRowsMax, let column = rows[key.name] else {
            follower.tail = try stream.tail(from: .latest)
            return forget()
          }
          drop(EntityID.list(column, 0..<rows.rowCount))
        }
      } catch {
        // Its place in the log is gone: the next refresh begins anew.
        follower.tail = nil
        forget()
      }
    }
  }

  private func forget() {
    state.withLock { state in
      state.generation += 1
      state.floor = state.generation
      (state.young, state.old, state.changed) = ([:], [:], [:])
    }
  }

  private func drop(_ ids: [EntityID]) {
    state.withLock { state in
      state.generation += 1
      if state.changed.count + ids.count > Self.changedCountMax {
        state.changed = [:]
        state.floor = state.generation
      }
      for id in ids {
        state.young[id] = nil
        state.old[id] = nil
        state.changed[id] = state.generation
      }
    }
  }

  /// The values of keys; `nil` for those without a row.
  func values(of ids: [EntityID]) throws(StreamError) -> [Value?] {
    var result = [Value??](repeating: nil, count: ids.count)
    var missing: [EntityID: [Int]] = [:]
    var order: [EntityID] = []
    let generation = state.withLock { state in
      for (place, id) in ids.enumerated() {
        if let value = state.young[id] {
          result[place] = .some(value)
        } else if let value = state.old[id] {
          result[place] = .some(value)
          keep(value, id, &state)
        } else {
          if missing[id] == nil { order.append(id) }
          missing[id, default: []].append(place)
        }
      }
      return state.generation
    }
    guard !order.isEmpty else { return result.map { $0 ?? nil } }
    let found = try lookup(order)
    state.withLock { state in
      for (id, value) in zip(order, found) {
        for place in missing[id] ?? [] { result[place] = .some(value) }
        if generation >= state.floor, state.changed[id] ?? 0 <= generation {
          keep(value, id, &state)
        }
      }
    }
    return result.map { $0 ?? nil }
  }

  private func keep(_ value: Value?, _ id: EntityID, _ state: inout State) {
    if state.young.count >= countMax {
      state.old = state.young
      state.young = [:]
    }
    state.young[id] = .some(value)
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
