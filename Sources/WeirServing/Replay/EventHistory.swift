// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming

/// The events of some entities, as the source of a profile has them, for folding exactly some of them.
struct EventHistory {
  private let profile: ProfileDefinition
  private let source: StreamDefinition
  private let stateSchema: Schema
  private let key: Field
  private let events: RecordBatch
  /// Rows of each entity, in the order of shards and offsets.
  private let rows: [EntityID: [Int]]
  private let shards: [Int]
  private let offsets: [Int64]

  /// Events that are held at most.
  static let eventCountMax = 5_000_000
  private static let keysPerScan = 10_000

  /// Reads all events of `ids`, those of the log too.
  ///
  /// - Throws: `overloaded` when there are more than `eventCountMax`.
  init(
    _ ids: Set<EntityID>, profile: ProfileDefinition, key: Field, stream: any ServedStream
  ) throws(StreamError) {
    self.profile = profile
    self.key = key
    source = stream.definition
    stateSchema = Schema([key, Field(ProfileOperator.stateColumn, .binary, nullable: false)])
    let columns = try ProfileHistory.columns(profile, source: source)
    events = try Self.read(ids, stream, key.name, columns)
    guard let entities = events[key.name], let shardColumn = events[StreamColumns.shard],
      let offsetColumn = events[StreamColumns.offset]
    else {
      throw StreamError(.damaged, "the source has no column '\(key.name)', shards or offsets")
    }
    var (shards, offsets): ([Int], [Int64]) = ([], [])
    var rows: [EntityID: [Int]] = [:]
    for row in 0..<events.rowCount {
      if case .int(let shard) = shardColumn.scalar(at: row) { shards.append(Int(shard)) }
      if case .int(let offset) = offsetColumn.scalar(at: row) { offsets.append(offset) }
      if let id = EntityID(entities.scalar(at: row)) { rows[id, default: []].append(row) }
    }
    guard shards.count == events.rowCount, offsets.count == events.rowCount else {
      throw StreamError(.damaged, "events of '\(source.table)' have no place in their shard")
    }
    let (place, offset) = (shards, offsets)
    self.shards = shards
    self.offsets = offsets
    self.rows = rows.mapValues { members in
      members.sorted { (place[$0], offset[$0]) < (place[$1], offset[$1]) }
    }
  }

  private static func read(
    _ ids: Set<EntityID>, _ stream: any ServedStream, _ key: String, _ columns: [String]
  ) throws(StreamError) -> RecordBatch {
    var batches: [RecordBatch] = []
    var count = 0
    let sorted = ids.sorted()
    var start = 0
    repeat {
      let part = sorted[start..<min(sorted.count, start + keysPerScan)]
      start += keysPerScan
      let literals = part.map { id -> Literal in
        switch id {
        case .int(let value): .integer(Int128(value))
        case .text(let text): .string(text)
        }
      }
      let reader = try stream.scan(
        StreamScan(columns: columns, filter: .isIn(Term(key), literals)))
      do {
        while let batch = try reader.next() {
          count += batch.rowCount
          guard count <= eventCountMax else {
            throw StreamError(
              .overloaded, "more than \(eventCountMax) events; replay fewer requests at a time")
          }
          batches.append(batch)
        }
        if batches.isEmpty { batches.append(try RecordBatchBuilder(reader.schema).finish()) }
      } catch { throw (error as? StreamError) ?? StreamError(.table, "\(error)") }
    } while start < sorted.count
    do throws(ColumnarError) {
      return try RecordBatch.concatenate(batches)
    } catch { throw StreamError(error) }
  }

  /// The states of entities, each of the events whose offsets lie below those given by shard; `nil`
  /// without events.
  func states(
    _ entities: [(id: EntityID, offsets: ArraySlice<Int64>)]
  ) throws(StreamError) -> [[UInt8]?] {
    var taken: [Int] = []
    var seen: Set<EntityID> = []
    for (id, ends) in entities where seen.insert(id).inserted {
      taken += (rows[id] ?? []).filter { row in
        let place = ends.startIndex + shards[row]
        return place < ends.endIndex && offsets[row] < ends[place]
      }
    }
    let fold = try ProfileOperator(profile, source: source, store: NoStates())
    let part: RecordBatch
    do throws(ColumnarError) { part = try events.take(taken) } catch { throw StreamError(error) }
    var found: [EntityID: [UInt8]] = [:]
    if let folded = try fold.apply(part, schema: stateSchema), let keys = folded[key.name],
      let states = folded[ProfileOperator.stateColumn]
    {
      for row in 0..<folded.rowCount {
        guard let id = EntityID(keys.scalar(at: row)),
          case .binary(let bytes) = states.scalar(at: row)
        else { continue }
        found[id] = bytes
      }
    }
    return entities.map { found[$0.id] }
  }
}

/// Before the first event.
private final class NoStates: ProfileStore {
  func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?] {
    [[UInt8]?](repeating: nil, count: entities.rowCount)
  }
}
