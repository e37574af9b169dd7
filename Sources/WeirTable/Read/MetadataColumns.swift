// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Columns that every table has without naming them in its schema.
/// Source: Iceberg table specification, "Reserved Field IDs".
public enum MetadataColumn: String, CaseIterable, Sendable {
  /// Location of the row's data file.
  case file = "_file"
  /// The row's position in its data file, from 0.
  case position = "_pos"
  /// Whether the row is deleted. Who asks for it gets deleted rows, too.
  case deleted = "_deleted"
  case specID = "_spec_id"
  /// The partition tuple, a struct of the fields of all specs.
  case partition = "_partition"
  /// The row's number in the table (v3); null where the table had no row lineage yet.
  case rowID = "_row_id"
  /// The sequence number of the commit that last changed the row (v3).
  case lastUpdatedSequenceNumber = "_last_updated_sequence_number"

  /// The reserved field id.
  public var fieldID: Int32 {
    switch self {
    case .file: 2_147_483_646
    case .position: 2_147_483_645
    case .deleted: 2_147_483_644
    case .specID: 2_147_483_643
    case .partition: 2_147_483_642
    case .rowID: 2_147_483_540
    case .lastUpdatedSequenceNumber: 2_147_483_539
    }
  }

  init?(fieldID: Int32) {
    guard fieldID > 2_147_483_447,
      let column = Self.allCases.first(where: { $0.fieldID == fieldID })
    else { return nil }
    self = column
  }

  /// The column as a field of a table whose partition tuples are `partitionType`.
  func field(partitionType: StructType) -> TableField {
    let type: TableType =
      switch self {
      case .file: .string
      case .position, .rowID, .lastUpdatedSequenceNumber: .long
      case .deleted: .boolean
      case .specID: .int
      case .partition: .struct(partitionType)
      }
    let required =
      switch self {
      case .rowID, .lastUpdatedSequenceNumber, .partition: false
      default: true
      }
    return TableField(fieldID, rawValue, type, required: required)
  }

  /// The fields of position delete files.
  static let deleteFilePathID: Int32 = 2_147_483_546
  static let deletePositionID: Int32 = 2_147_483_545
}

extension TableMetadata {
  /// The fields of all partition specs, each once: the type of `_partition`.
  public var allPartitionFields: StructType {
    var fields: [TableField] = []
    var seen: Set<Int32> = []
    for spec in specs.sorted(by: { $0.specID < $1.specID }) {
      for field in spec.partitionType(currentSchema).fields where seen.insert(field.id).inserted {
        fields.append(field)
      }
    }
    return StructType(fields)
  }
}
