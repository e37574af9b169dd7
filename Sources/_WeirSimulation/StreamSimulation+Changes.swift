// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// The state at one position with the changes to another one is the state there.
extension StreamSimulation {
  /// Positions that readers remember, at most.
  private static let positionCountMax = 6

  func checkChanges(_ stream: StreamTable, _ metadata: TableMetadata) throws {
    let status = stream.status()
    for _ in 0..<2 {
      let start = point(status, metadata)
      let end: StreamPoint = random.chance(0.5) ? .latest : point(status, metadata)
      let reader: any StreamChangeReader
      do { reader = try stream.changes(from: start, to: end) } catch {
        // The log may have let go of the rows, and the end may lie before the start.
        guard error.code == .notFound || error.code == .invalidArgument else { throw error }
        continue
      }
      do { try compare(reader, stream.definition) } catch let error as StreamError {
        // Another process's maintenance does not know of readers here; it was not asked to wait.
        guard error.code == .notFound else { throw error }
        note("changes: \(error)")
        continue
      }
      counts.changelogs += 1
      positions.append(reader.to)
      if positions.count > Self.positionCountMax { positions.removeFirst() }
    }
  }

  private func point(_ status: StreamStatus, _ metadata: TableMetadata) -> StreamPoint {
    switch random.int(0..<8) {
    case 0: return .earliest
    case 1:
      return metadata.snapshots.isEmpty
        ? .latest : .snapshot(random.pick(metadata.snapshots).snapshotID)
    case 2, 3:
      var offsets: [Int: Int64] = [:]
      for shard in status.shards {
        let back = Int64(random.int(0..<30))
        offsets[shard.shard] = max(0, shard.logOffsets.upperBound - back)
      }
      return .offsets(offsets)
    default: return positions.isEmpty ? .latest : .position(random.pick(positions))
    }
  }

  /// The state at the end is that at the start with the changes, but for columns that were filled: rows of
  /// which nothing else became are not told of. Rows that came have what was filled by the end.
  private func compare(
    _ reader: any StreamChangeReader, _ definition: StreamDefinition
  ) throws {
    let columns =
      (definition.columns.fields + StreamColumns.added).map(\.name) + FilledColumns.names
    func state(_ position: StreamPosition) -> [String] {
      oracle.state(
        rows.definition, columns, below: position.offsets,
        on: Set(history.line(position.snapshotID)))
    }
    let what = "changes from \(reader.from) to \(reader.to)"
    let text = NaiveMerge(
      definition: rows.definition, fileSchema: Schema(columns.map { Field($0, .int64) }))
    var left: [String: Int] = [:]
    for row in state(reader.from) { left[withoutFilled(row), default: 0] += 1 }
    let wanted = state(reader.to)
    let known = Set(wanted)
    var before: String?
    while let batch = try reader.next() {
      for index in 0..<batch.rowCount {
        let whole = text.text(columns.map { batch[$0]?.scalar(at: index) ?? .null })
        let row = withoutFilled(whole)
        guard case .string(let type)? = batch[StreamColumns.changeType]?.scalar(at: index) else {
          throw fail("\(what): a change without type")
        }
        switch type {
        case "INSERT", "UPDATE_AFTER":
          left[row, default: 0] += 1
          guard known.contains(whole) else {
            throw fail("\(what): a row comes that is not there at the end: \(whole)")
          }
        default: left[row, default: 0] -= 1
        }
        if type == "UPDATE_BEFORE" { before = whole }
        if type == "UPDATE_AFTER", before == whole { throw fail("\(what): an update of nothing") }
      }
    }
    var found: [String] = []
    for (row, count) in left {
      guard count >= 0 else { throw fail("\(what): a row goes that was not there: \(row)") }
      found += [String](repeating: row, count: count)
    }
    found.sort()
    let rest = wanted.map(withoutFilled).sorted()
    guard found == rest else { throw fail(difference(what, found, rest)) }
  }

  /// A row's text without the columns that are filled, which are its last: numbers or null.
  private func withoutFilled(_ row: String) -> String {
    var end = row.utf8.endIndex
    for _ in 0...FilledColumns.names.count {
      guard let space = row.utf8[..<end].lastIndex(of: UInt8(ascii: " ")) else { return "" }
      end = space
    }
    return String(row[..<end])
  }
}
