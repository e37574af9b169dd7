// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// How the records of a manifest are read: which fields lie where in them.
///
/// 1. The writer's schema is flattened once: the fields of the entry with those of its `data_file` in
///    place of it.
/// 2. Each record is passed over field by field; where a field starts that this version knows is noted
///    in the field's slot.
/// 3. Values are read from their slots when somebody asks for them.
struct EntryPlan: Sendable {
  /// The fields of entries and data files that are known.
  enum Slot: Int, CaseIterable {
    case status, snapshotID, sequenceNumber, fileSequenceNumber
    case content, path, format, partition, recordCount, fileSize
    case columnSizes, valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds
    case keyMetadata, splitOffsets, equalityIDs, sortOrderID, firstRowID, referencedDataFile
    case contentOffset, contentSize

    var fieldID: Int32 {
      switch self {
      case .status: 0
      case .snapshotID: 1
      case .sequenceNumber: 3
      case .fileSequenceNumber: 4
      case .content: 134
      case .path: 100
      case .format: 101
      case .partition: 102
      case .recordCount: 103
      case .fileSize: 104
      case .columnSizes: 108
      case .valueCounts: 109
      case .nullValueCounts: 110
      case .nanValueCounts: 137
      case .lowerBounds: 125
      case .upperBounds: 128
      case .keyMetadata: 131
      case .splitOffsets: 132
      case .equalityIDs: 135
      case .sortOrderID: 140
      case .firstRowID: 142
      case .referencedDataFile: 143
      case .contentOffset: 144
      case .contentSize: 145
      }
    }

    static let ofEntry: [Slot] = [.status, .snapshotID, .sequenceNumber, .fileSequenceNumber]

    var isRequired: Bool {
      switch self {
      case .status, .path, .format, .partition, .recordCount, .fileSize: true
      default: false
      }
    }
  }

  struct Step: BitwiseCopyable, Sendable {
    var skip: AvroType.Skip
    /// -1 for fields that nobody knows.
    var slot: Int
    /// Index in `types`, for `Skip.general`.
    var type: Int
  }

  private(set) var steps: [Step] = []
  private(set) var types: [AvroType] = []
  /// By slot: the branch of null in the field's union, -1 when it is none.
  private(set) var nulls = [Int64](repeating: -1, count: Slot.allCases.count)
  private(set) var partitionFields: [AvroField] = []
  /// The field that follows the partition, where its bytes end; `nil` when nobody knows it.
  private(set) var slotAfterPartition: Slot?
  private static let dataFileID: Int32 = 2

  /// - Throws: `damaged` for records that are no manifest entries.
  init(_ type: AvroType) throws(TableError) {
    guard let fields = type.fields else {
      throw TableError(.damaged, "the file holds \(type.description), expected manifest entries")
    }
    var seen: Set<Slot> = []
    for field in fields {
      if field.fieldID == Self.dataFileID {
        guard let inner = field.type.fields else {
          throw TableError(.damaged, "'data_file' is \(field.type.description), expected a record")
        }
        for field in inner { try add(field, Slot.allCases, &seen) }
      } else {
        try add(field, Slot.ofEntry, &seen)
      }
    }
    for slot in Slot.allCases where slot.isRequired && !seen.contains(slot) {
      throw TableError(
        .damaged, "the manifest's schema lacks the required field \(slot.fieldID) (\(slot))")
    }
  }

  private mutating func add(
    _ field: AvroField, _ slots: [Slot], _ seen: inout Set<Slot>
  ) throws(TableError) {
    types.append(field.type)
    var step = Step(skip: field.type.skip, slot: -1, type: types.count - 1)
    if let slot = slots.first(where: { $0.fieldID == field.fieldID }) {
      guard seen.insert(slot).inserted else {
        throw TableError(.damaged, "the manifest's schema has the field \(slot.fieldID) twice")
      }
      try check(field, slot)
      step.slot = slot.rawValue
      if steps.last?.slot == Slot.partition.rawValue { slotAfterPartition = slot }
    }
    steps.append(step)
  }

  /// Notes how a known field is encoded, which must be one of the ways in which it can be.
  private mutating func check(_ field: AvroField, _ slot: Slot) throws(TableError) {
    if let (type, null) = field.type.optional {
      nulls[slot.rawValue] = null
      let fits =
        switch slot {
        case .status, .snapshotID, .sequenceNumber, .fileSequenceNumber, .content, .recordCount,
          .fileSize, .sortOrderID, .firstRowID, .contentOffset, .contentSize:
          if case .number = type.skip { true } else { false }
        case .path, .format, .referencedDataFile, .keyMetadata:
          if case .bytes = type.skip { true } else { false }
        case .columnSizes, .valueCounts, .nullValueCounts, .nanValueCounts:
          Self.isMap(type) { if case .number = $0.skip { true } else { false } }
        case .lowerBounds, .upperBounds:
          Self.isMap(type) { if case .bytes = $0.skip { true } else { false } }
        case .splitOffsets, .equalityIDs:
          if case .array(let item) = type.kind, case .number = item.skip { true } else { false }
        case .partition: type.fields != nil && null < 0
        }
      if fits {
        if slot == .partition { partitionFields = type.fields ?? [] }
        return
      }
    }
    throw TableError(
      .unsupported,
      "the field '\(field.name)' of the manifest is encoded as \(field.type.description), "
        + "which this version does not read")
  }

  private static func isMap(_ type: AvroType, _ value: (AvroType) -> Bool) -> Bool {
    guard let pair = type.pair, case .array(let item) = type.kind,
      item.fields?.first?.name == "key", case .number = pair.0.skip
    else { return false }
    return value(pair.1)
  }
}
