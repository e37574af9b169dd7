// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// What tells a row of a stream's table from all others, whichever file it is in: nothing that reads or
/// carries it may change that.
enum RowIdentity: Hashable {
  /// The last row of the log that is in it.
  case logged(shard: Int, offset: Int64)
  /// Of somebody else, by its `value`.
  case other(Scalar)

  static let columns = [StreamColumns.shard, StreamColumns.offset, "value"]

  /// - Parameter row: the values of `columns`.
  init(_ row: [Scalar]) {
    if case .int(let shard) = row[0], case .int(let offset) = row[1] {
      self = .logged(shard: Int(shard), offset: offset)
    } else {
      self = .other(row[2])
    }
  }
}

/// Columns that no stream declares and that backfills fill.
struct FilledColumns {
  static let names = ["filled_a", "filled_b"]

  var column: String
  /// Rows that were given a value, null among them.
  var values: [RowIdentity: Scalar]

  /// Puts the values where merging finds them: in the last row of the log that is in each.
  ///
  /// - Parameter covered: the rows of the log that the table had; one that a later one of its key was
  ///   merged with is no row of the table any more.
  func fill(
    _ visible: inout [(shard: Int, offset: Int64, row: LoggedRow)], covered: [Int64],
    mergesVersions: Bool
  ) {
    var last: [Scalar: Int64] = [:]
    if mergesVersions {
      for row in visible where row.offset < covered[row.shard] {
        last[row.row.values["key"] ?? .null] = row.offset
      }
    }
    for index in visible.indices {
      let (shard, offset) = (visible[index].shard, visible[index].offset)
      guard let value = values[.logged(shard: shard, offset: offset)],
        !mergesVersions || last[visible[index].row.values["key"] ?? .null] == offset
      else { continue }
      visible[index].row.values[column] = value
    }
  }

  func fill(_ others: inout [[String: Scalar]]) {
    for index in others.indices {
      guard let value = values[.other(others[index]["value"] ?? .null)] else { continue }
      others[index][column] = value
    }
  }
}
