// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Which state of a table to read.
public enum SnapshotSelector: Hashable, Sendable {
  /// The current snapshot, with the current schema.
  case current
  /// A snapshot by its id, with the schema that it was written with.
  case id(Int64)
  /// The snapshot that was current at this time (milliseconds since 1970-01-01 UTC), with its schema.
  case asOf(milliseconds: Int64)
  /// The head of a branch, with the current schema; or a tag, with the schema of its snapshot.
  case reference(String)
}

extension TableMetadata {
  /// The snapshot that `selector` names and the schema to read it with; no snapshot when the table has
  /// never had one.
  ///
  /// - Throws: `notFound`, naming what there is instead.
  public func resolve(
    _ selector: SnapshotSelector
  ) throws(TableError) -> (snapshot: Snapshot?, schema: TableSchema) {
    switch selector {
    case .current: return (currentSnapshot, currentSchema)
    case .id(let id):
      guard let snapshot = snapshot(id: id) else {
        throw TableError(
          .notFound,
          "there is no snapshot \(id); the table keeps \(snapshots.count), and older ones may have "
            + "expired")
      }
      return (snapshot, schema(of: snapshot))
    case .asOf(let time):
      guard let snapshot = snapshot(asOfMilliseconds: time) else {
        let first = snapshotLog.first.map {
          "; its history begins at \(Self.text($0.timestampMilliseconds))"
        }
        throw TableError(
          .notFound, "the table had no snapshot at \(Self.text(time))" + (first ?? ""))
      }
      return (snapshot, schema(of: snapshot))
    case .reference(let name):
      guard let reference = references[name], let snapshot = snapshot(id: reference.snapshotID)
      else {
        // The main branch of a table without data is named nowhere.
        if name == "main" && currentSnapshot == nil { return (nil, currentSchema) }
        throw TableError(
          .notFound, "there is no branch or tag '\(name)'" + Self.others(references.keys, name))
      }
      return (snapshot, reference.kind == .branch ? currentSchema : schema(of: snapshot))
    }
  }

  private static func others(_ names: some Collection<String>, _ wanted: String) -> String {
    if names.isEmpty { return "; the table has none yet" }
    let names = names.sorted()
    if let close = NameSuggestion.closest(to: wanted, names) { return "; did you mean \(close)?" }
    return "; there are " + names.prefix(10).joined(separator: ", ")
      + (names.count > 10 ? " and \(names.count - 10) more" : "")
  }

  /// A time for people, in UTC.
  private static func text(_ milliseconds: Int64) -> String {
    Scalar.int(milliseconds).text(as: .timestamp(.millisecond, timeZone: "UTC"))
  }
}
