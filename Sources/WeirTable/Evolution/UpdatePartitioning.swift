// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Changes of a table's partition spec, in the order in which they are asked for. Files that are there
/// keep the spec that they were written with.
public final class UpdateSpec: TransactionStep {
  private typealias Change = (inout [PartitionField], TableMetadata) throws(TableError) -> Void
  private var list: [Change] = []

  private func add(_ change: @escaping Change) -> Self {
    list.append(change)
    return self
  }

  /// Divides by a transform of a column.
  ///
  /// - Parameter name: of the partition field; made from the column's name and the transform when
  ///   `nil` (`ts_day`, `id_bucket_16`).
  @discardableResult
  public func addField(
    _ path: String, _ transform: Transform = .identity, name: String? = nil
  ) -> Self {
    add { fields, base throws(TableError) in
      guard let source = base.currentSchema.field(path: path) else {
        throw TableError(.notFound, "there is no column '\(path)'", column: path)
      }
      if fields.contains(where: { $0.sourceIDs == [source.id] && $0.transform == transform }) {
        throw TableError(
          .alreadyExists, "the table is already divided by \(transform) of the column",
          column: path)
      }
      let name = name ?? Self.name(path, transform)
      if let index = fields.firstIndex(where: { $0.name == name }) {
        guard fields[index].transform == .void else {
          throw TableError(
            .alreadyExists, "a partition field is already called '\(name)'; give another name",
            column: path)
        }
        // The remains of a dropped field of format version 1 give way.
        fields[index].name = "\(name)_\(fields[index].fieldID)"
      }
      // 0 stands for the id that the same field had before, or a new one.
      fields.append(
        PartitionField(sourceID: source.id, fieldID: 0, name: name, transform: transform))
    }
  }

  /// No longer divides by the partition field.
  @discardableResult
  public func removeField(_ name: String) -> Self {
    add { fields, base throws(TableError) in
      let index = try Self.index(name, fields)
      if base.formatVersion == 1 && fields[index].fieldID != 0 {
        // Partition values are known by their position in format version 1.
        fields[index].transform = .void
      } else {
        fields.remove(at: index)
      }
    }
  }

  @discardableResult
  public func renameField(_ name: String, to newName: String) -> Self {
    add { fields, _ throws(TableError) in
      let index = try Self.index(name, fields)
      if fields.contains(where: { $0.name == newName }) {
        throw TableError(.alreadyExists, "a partition field is already called '\(newName)'")
      }
      fields[index].name = newName
    }
  }

  private static func index(
    _ name: String, _ fields: [PartitionField]
  ) throws(TableError) -> Int {
    guard let index = fields.firstIndex(where: { $0.name == name && $0.transform != .void }) else {
      let names = fields.filter { $0.transform != .void }.map(\.name).joined(separator: ", ")
      throw TableError(
        .notFound, "there is no partition field '\(name)'; there are: \(names)")
    }
    return index
  }

  /// The names that the Java implementation gives.
  static func name(_ path: String, _ transform: Transform) -> String {
    switch transform {
    case .identity: path
    case .bucket(let count): "\(path)_bucket_\(count)"
    case .truncate(let width): "\(path)_trunc_\(width)"
    case .void: "\(path)_null"
    default: "\(path)_\(transform)"
    }
  }

  func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    var fields = base.defaultSpec.fields
    for change in list { try change(&fields, base) }
    if fields == base.defaultSpec.fields { return [] }
    return [
      .addPartitionSpec(PartitionSpec(specID: 0, fields: fields)), .setDefaultSpec(-1),
    ]
  }
}

/// A column by which rows are to be sorted within files.
public struct SortColumn: Sendable, Hashable {
  public var path: String
  public var transform: Transform
  public var direction: SortField.Direction
  public var nullOrder: SortField.NullOrder

  public init(
    _ path: String, _ direction: SortField.Direction = .ascending,
    nulls nullOrder: SortField.NullOrder? = nil, transform: Transform = .identity
  ) {
    self.path = path
    self.transform = transform
    self.direction = direction
    self.nullOrder = nullOrder ?? (direction == .ascending ? .first : .last)
  }
}

extension Transaction {
  /// Changes the table's columns.
  public func updateSchema() -> UpdateSchema {
    let step = UpdateSchema()
    add(step)
    return step
  }

  /// Changes how the table's files are divided.
  public func updateSpec() -> UpdateSpec {
    let step = UpdateSpec()
    add(step)
    return step
  }

  /// Sorts rows in files written from now on; no columns for no order.
  @discardableResult
  public func setSortOrder(_ columns: [SortColumn]) -> Transaction {
    add { base, _ throws(TableError) in
      var fields: [SortField] = []
      for column in columns {
        guard let source = base.currentSchema.field(path: column.path) else {
          throw TableError(
            .notFound, "there is no column '\(column.path)'", column: column.path)
        }
        fields.append(
          SortField(
            sourceID: source.id, transform: column.transform, direction: column.direction,
            nullOrder: column.nullOrder))
      }
      return [
        .addSortOrder(SortOrder(orderID: fields.isEmpty ? 0 : 1, fields: fields)),
        .setDefaultSortOrder(-1),
      ]
    }
    return self
  }

  /// Sets properties of the table.
  @discardableResult
  public func setProperties(_ properties: StringMap) -> Transaction {
    add { _, _ throws(TableError) in [.setProperties(properties)] }
    return self
  }

  @discardableResult
  public func removeProperties(_ names: [String]) -> Transaction {
    add { _, _ throws(TableError) in [.removeProperties(names)] }
    return self
  }

  /// Puts files written from now on somewhere else; what is there stays.
  @discardableResult
  public func setLocation(_ location: String) -> Transaction {
    add { _, _ throws(TableError) in [.setLocation(location)] }
    return self
  }

  /// Upgrades the table; there is no way back.
  @discardableResult
  public func upgradeFormat(to version: Int) -> Transaction {
    add { base, _ throws(TableError) in
      version == base.formatVersion ? [] : [.upgradeFormatVersion(version)]
    }
    return self
  }
}
