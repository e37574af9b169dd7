// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

/// The logs of a stream's shards, as its table needs them.
struct StreamLogs {
  let definition: StreamDefinition
  let table: Table
  let environment: StreamEnvironment
  let lease: StreamLease

  /// What to open a shard's log with.
  func request(
    _ shard: Int, _ state: StreamTable.Published, _ router: ShardRouter
  ) -> ShardLogRequest {
    let metadata = state.metadata
    let covered = state.covered.ends[shard]
    let admission = RowAdmission(
      layout: state.layout, shard: shard, router: definition.isKeyed ? router : nil)
    return ShardLogRequest(
      definition: definition, shard: shard, identity: metadata.uuid ?? metadata.location,
      firstOffset: environment.startsNewLogs ? covered : 0,
      isTables: lease.isLogMine(metadata), coveredOffset: covered,
      knownName: metadata.properties[StreamLease.logProperty], inputSchema: state.schemas.input,
      refusals: { admission.refusals($0) },
      state: Self.stateStore(table.stores, metadata.location))
  }

  /// Opens all logs.
  func open(
    _ state: StreamTable.Published, _ router: ShardRouter
  ) throws(StreamError) -> [any ShardLog] {
    var logs: [any ShardLog] = []
    do throws(StreamError) {
      for shard in 0..<definition.shardCount {
        logs.append(try environment.openLog(request(shard, state, router), environment))
      }
      return logs
    } catch {
      for log in logs { log.close() }
      throw error
    }
  }

  /// Has a table that was written from no log yet begin where logs begin that others write, too: what
  /// they lose from then on is noticed.
  ///
  /// - Returns: whether the table has changed.
  func begin(
    _ logs: [any ShardLog], _ state: StreamTable.Published
  ) throws(StreamError) -> Bool {
    guard let name = logs.first?.name,
      state.metadata.properties[StreamLease.logProperty] == nil
    else { return false }
    guard state.covered.ends.allSatisfy({ $0 == 0 }) else {
      throw StreamError(
        .conflict,
        "the table was written from a log on disk, whose offsets mean nothing in \(name); declare no "
          + "other log, or make a new table")
    }
    let starts = StreamOffsets(logs.map(\.offsets.lowerBound))
    do throws(TableError) {
      let transaction = table.transaction()
      transaction.check { (metadata: TableMetadata) throws(TableError) in
        try lease.checkOwner(metadata)
        guard metadata.properties[StreamOffsets.property] == state.covered.text else {
          throw TableError(.conflict, "another process writes the stream")
        }
      }
      transaction.setProperties([
        StreamLease.logProperty: name, StreamOffsets.property: starts.text,
      ])
      try transaction.commit()
    } catch { throw StreamError(error) }
    return true
  }

  private static func stateStore(_ stores: ObjectStores, _ location: String) -> LogStateStore {
    @Sendable func failed(_ error: StorageError) -> StreamError {
      StreamError(.storage, "the log's state beside the table failed", cause: "\(error)")
    }
    @Sendable func resolve(_ name: String) throws(StorageError) -> ResolvedLocation {
      try stores.resolve("\(location)/weir-log/\(name)")
    }
    return LogStateStore(
      read: { (name) throws(StreamError) in
        do throws(StorageError) {
          let place = try resolve(name)
          return try place.store.get(place.path)
        } catch {
          if error.code == .notFound { return nil }
          throw failed(error)
        }
      },
      write: { (name, bytes) throws(StreamError) in
        do throws(StorageError) {
          let place = try resolve(name)
          _ = try place.store.put(place.path, bytes, condition: .none)
        } catch { throw failed(error) }
      },
      delete: { (name) throws(StreamError) in
        do throws(StorageError) {
          let place = try resolve(name)
          try place.store.delete(place.path)
        } catch { throw failed(error) }
      })
  }
}

/// Says which rows that somebody else put into a log cannot be rows of the stream.
struct RowAdmission: Sendable {
  let layout: StreamLayout
  let shard: Int
  /// For keyed streams: all versions of a row must be in one shard.
  let router: ShardRouter?

  func refusals(_ batch: RecordBatch) -> [RowRefusal] {
    var result: [RowRefusal] = []
    refuse(batch, from: 0, &result)
    guard let router, batch.rowCount > 0 else { return result }
    let unfit = Set(result.map(\.row))
    do throws(StreamError) {
      for (place, rows) in try router.places(of: batch) where place != shard {
        for row in rows where !unfit.contains(row) {
          result.append(
            RowRefusal(
              row: row, column: nil,
              reason:
                "rows of this key belong to shard \(place), and this is \(shard): all versions "
                + "of a row must be in one; append through Weir, or declare one shard"))
        }
      }
    } catch {
      result = (0..<batch.rowCount).map {
        RowRefusal(row: $0, column: error.column, reason: error.message)
      }
    }
    return result.sorted { $0.row < $1.row }
  }

  /// By halves, until the rows at fault are alone.
  private func refuse(_ batch: RecordBatch, from first: Int, _ result: inout [RowRefusal]) {
    guard batch.rowCount > 0 else { return }
    do throws(StreamError) {
      try MemTable.check(batch, layout, shard: shard)
    } catch {
      guard batch.rowCount > 1 else {
        return result.append(RowRefusal(row: first, column: error.column, reason: error.message))
      }
      let half = batch.rowCount / 2
      refuse(batch.slice(offset: 0, length: half), from: first, &result)
      refuse(
        batch.slice(offset: half, length: batch.rowCount - half), from: first + half, &result)
    }
  }
}
