// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Reads manifest lists of format versions 1 to 3.
public enum ManifestListReader {
  /// The fields that are read, by their ids.
  private static let wanted: [Int32] = [
    500, 501, 502, 517, 515, 516, 503, 504, 505, 506, 512, 513, 514, 507, 519, 520,
  ]

  /// The manifests of a list, in its order.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - name: its location, for messages.
  /// - Throws: `damaged` with file and position; `unsupported` for an encrypted list.
  public static func read(_ bytes: Buffer, name: String) throws(TableError) -> [ManifestFile] {
    var manifests: [ManifestFile] = []
    try forEach(bytes, name: name) { (manifest) throws(TableError) in manifests.append(manifest) }
    return manifests
  }

  /// Calls `body` with one manifest after the other; what it throws ends the reading.
  public static func forEach(
    _ bytes: Buffer, name: String, _ body: (ManifestFile) throws(TableError) -> Void
  ) throws(TableError) {
    let file = try AvroFileReader(bytes, name: name)
    let record = try FieldReader(file.type, wanted, name: name)
    try file.forEachRecord { (cursor) throws(TableError) in
      let fields = try record.read(&cursor)
      try body(try manifest(Values(fields, cursor.position)))
    }
  }

  private static func manifest(_ values: Values) throws(TableError) -> ManifestFile {
    let content = try values.int32(517) ?? 0
    guard let kind = ManifestFile.Content(rawValue: content) else {
      throw values.damaged("the content of a manifest is \(content), expected 0 or 1")
    }
    return ManifestFile(
      path: try values.required(500, try values.string(500)),
      length: try values.required(501, try values.size(501)),
      partitionSpecID: Int(try values.required(502, try values.int32(502))),
      content: kind,
      sequenceNumber: try values.int64(515) ?? 0,
      minSequenceNumber: try values.int64(516) ?? 0,
      addedSnapshotID: try values.required(503, try values.int64(503)),
      addedFilesCount: try values.size(504), existingFilesCount: try values.size(505),
      deletedFilesCount: try values.size(506), addedRowsCount: try values.size(512),
      existingRowsCount: try values.size(513), deletedRowsCount: try values.size(514),
      partitions: try values.summaries(507), keyMetadata: try values.binary(519),
      firstRowID: try values.int64(520))
  }

  /// The values of one record by field id.
  private struct Values {
    private let values: [Scalar]
    private let position: Int

    init(_ values: [Scalar], _ position: Int) {
      self.values = values
      self.position = position
    }

    private subscript(id: Int32) -> Scalar {
      wanted.firstIndex(of: id).map { values[$0] } ?? .null
    }

    @inline(never)
    func damaged(_ message: String) -> TableError {
      TableError(.damaged, "\(message), before byte \(position)")
    }

    private func wrongType(_ id: Int32) -> TableError {
      damaged("the field \(id) of a manifest list has a wrong type")
    }

    func required<T>(_ id: Int32, _ value: T?) throws(TableError) -> T {
      guard let value else { throw damaged("a manifest lacks the required field \(id)") }
      return value
    }

    func int64(_ id: Int32) throws(TableError) -> Int64? {
      switch self[id] {
      case .null: return nil
      case .int(let value): return value
      default: throw wrongType(id)
      }
    }

    func int32(_ id: Int32) throws(TableError) -> Int32? {
      guard let value = try int64(id) else { return nil }
      guard let narrow = Int32(exactly: value) else {
        throw damaged("the field \(id) of a manifest list holds \(value)")
      }
      return narrow
    }

    /// A count or a size. Some writers say -1 for a count that they do not know.
    func size(_ id: Int32) throws(TableError) -> Int? {
      guard let value = try int64(id), value >= 0 else { return nil }
      return Int(value)
    }

    func string(_ id: Int32) throws(TableError) -> String? {
      switch self[id] {
      case .null: return nil
      case .string(let value): return value
      default: throw wrongType(id)
      }
    }

    func binary(_ id: Int32) throws(TableError) -> [UInt8]? {
      switch self[id] {
      case .null: return nil
      case .binary(let value): return value
      default: throw wrongType(id)
      }
    }

    /// Members of a summary go by their names: the ids are the enclosing schema's business.
    func summaries(_ id: Int32) throws(TableError) -> [FieldSummary]? {
      switch self[id] {
      case .null: return nil
      case .list(let items):
        var summaries: [FieldSummary] = []
        summaries.reserveCapacity(items.count)
        for item in items {
          guard case .struct(let members) = item else { throw wrongType(id) }
          var summary = FieldSummary(containsNull: true)
          for member in members {
            switch (member.name, member.value) {
            case ("contains_null", .bool(let value)): summary.containsNull = value
            case ("contains_nan", .bool(let value)): summary.containsNaN = value
            case ("lower_bound", .binary(let value)): summary.lowerBound = value
            case ("upper_bound", .binary(let value)): summary.upperBound = value
            default: break
            }
          }
          summaries.append(summary)
        }
        return summaries
      default: throw wrongType(id)
      }
    }
  }
}
