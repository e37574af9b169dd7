// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStreaming
public import WeirTable

/// A share of the impressions of a history, for one of several processes that make it.
///
/// Each of them reads all events, for features, labels and negatives may come of any, and makes the rows of
/// its own impressions. All parts end at the same events, whenever they begin, so that together they make
/// the rows that one process makes.
public struct HistoryPart: Hashable, Sendable {
  public var index: Int
  public var count: Int
  /// By stream and shard: the offset at which the events end.
  public var ends: [TableIdentifier: [Int: Int64]]

  /// Whether the impression of an event is in the part: by a hash, which spreads busy times evenly.
  func holds(shard: Int64, offset: Int64) -> Bool {
    NegativeSampling.draw(0, Int(shard), offset, 0, below: count) == index
  }

  /// The events of a stream that count; all when `nil`.
  func filter(_ table: TableIdentifier) throws(StreamError) -> Predicate? {
    guard let ends = ends[table] else { return nil }
    let shards = ends.sorted { $0.key < $1.key }.map { shard, end in
      "(\(StreamColumns.shard) = \(shard) AND \(StreamColumns.offset) < \(end))"
    }
    do throws(ColumnarError) {
      return try Predicate(parsing: shards.isEmpty ? "false" : shards.joined(separator: " OR "))
    } catch { throw StreamError(error) }
  }
}

extension HistoryPart: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    index = try object.int("index")
    count = try object.int("count")
    guard count > 0, (0..<count).contains(index) else {
      throw JSONError(.invalidValue, "part \(index) of \(count) is none: they count from 0")
    }
    ends = [:]
    for (name, shards) in try object.object("ends") {
      let table: TableIdentifier
      do throws(TableError) { table = try TableIdentifier(parsing: name) } catch {
        throw JSONError(.invalidValue, error.message)
      }
      for (shard, end) in try shards.asObject() {
        guard let number = Int(shard) else {
          throw JSONError(.invalidValue, "'\(shard)' is no number of a shard")
        }
        ends[table, default: [:]][number] = try end.asInt64()
      }
    }
  }

  public func json() -> JSONValue {
    var streams = JSONObject()
    for (table, shards) in ends {
      var json = JSONObject()
      for (shard, end) in shards.sorted(by: { $0.key < $1.key }) { json["\(shard)"] = .int(end) }
      streams["\(table)"] = .object(json)
    }
    return ["index": .int(Int64(index)), "count": .int(Int64(count)), "ends": .object(streams)]
  }
}
