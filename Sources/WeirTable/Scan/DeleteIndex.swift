// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The delete files of a snapshot, by the data files that they may apply to.
///
/// Source: Iceberg table specification, "Scan Planning". A deletion vector takes the place of position
/// delete files. Position deletes apply to data files of the same partition that are not newer than
/// they, equality deletes to strictly older ones of the same partition, or of all partitions when
/// their own spec has no fields.
struct DeleteIndex {
  /// The most delete files of one scan: about 1 GB of memory.
  static let countMax = 2_000_000

  private struct PartitionKey: Hashable {
    let specID: Int
    let values: [Scalar]
  }
  private struct Entry {
    let file: DataFile
    let sequenceNumber: Int64
  }

  private var vectors: [String: Entry] = [:]
  private var positionsByFile: [String: [Entry]] = [:]
  private var positionsByPartition: [PartitionKey: [Entry]] = [:]
  private var equalitiesByPartition: [PartitionKey: [Entry]] = [:]
  private var equalitiesOfAll: [Entry] = []
  private var count = 0
  /// Data files of interest: deletes of one other file alone are left out. All when `nil`.
  private let paths: Set<String>?

  init(of paths: Set<String>? = nil) { self.paths = paths }

  var isEmpty: Bool { count == 0 }

  mutating func add(
    _ file: DataFile, sequenceNumber: Int64, spec: PartitionSpec
  ) throws(TableError) {
    let onlyFile = file.content == .positionDeletes ? Self.onlyFile(file) : nil
    if let paths, let onlyFile, !paths.contains(onlyFile) { return }
    count += 1
    guard count <= Self.countMax else {
      throw TableError(
        .limit,
        "the snapshot has more than \(Self.countMax) delete files; compact the table's deletes")
    }
    let entry = Entry(file: file, sequenceNumber: sequenceNumber)
    let key = PartitionKey(specID: file.specID, values: file.partition)
    switch file.content {
    case .data: break
    case .equalityDeletes:
      if spec.fields.isEmpty {
        equalitiesOfAll.append(entry)
      } else {
        equalitiesByPartition[key, default: []].append(entry)
      }
    case .positionDeletes:
      if file.isDeletionVector {
        guard let path = file.referencedDataFile else {
          throw TableError(
            .damaged, "a deletion vector names no data file", file: file.path)
        }
        guard vectors.updateValue(entry, forKey: path) == nil else {
          throw TableError(
            .damaged, "the snapshot has two deletion vectors of one data file", file: path)
        }
      } else if let path = onlyFile {
        positionsByFile[path, default: []].append(entry)
      } else {
        positionsByPartition[key, default: []].append(entry)
      }
    }
  }

  /// The one data file whose rows a position delete file names, if it is one.
  static func onlyFile(_ file: DataFile) -> String? {
    if let path = file.referencedDataFile { return path }
    guard let lower = file.metrics.lowerBound(of: MetadataColumn.deleteFilePathID),
      lower == file.metrics.upperBound(of: MetadataColumn.deleteFilePathID)
    else { return nil }
    return String(validating: lower, as: UTF8.self)
  }

  /// The deletes that apply to a data file.
  func deletes(of file: DataFile, sequenceNumber: Int64) -> TaskDeletes {
    guard count > 0 else { return TaskDeletes() }
    let key = PartitionKey(specID: file.specID, values: file.partition)
    var result = TaskDeletes()
    func append(
      _ entries: [Entry]?, to path: WritableKeyPath<TaskDeletes, [DataFile]>, newer: Bool
    ) {
      for entry in entries ?? []
      where newer ? entry.sequenceNumber > sequenceNumber : entry.sequenceNumber >= sequenceNumber {
        result[keyPath: path].append(entry.file)
      }
    }
    if let vector = vectors[file.path], vector.sequenceNumber >= sequenceNumber {
      result.deletionVector = vector.file
    } else {
      append(positionsByFile[file.path], to: \.positionDeletes, newer: false)
      append(positionsByPartition[key], to: \.positionDeletes, newer: false)
    }
    append(equalitiesByPartition[key], to: \.equalityDeletes, newer: true)
    append(equalitiesOfAll, to: \.equalityDeletes, newer: true)
    return result
  }
}
