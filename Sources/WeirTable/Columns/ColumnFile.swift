// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The values of one column for all rows of one data file, in a file of their own: row `i` belongs to the
/// data file's row `i`, whatever the data file itself has in that column. It is a file in the Weir format
/// with this one column.
public struct ColumnFile: Hashable, Sendable {
  public var path: String
  /// The column, one of those at the top of the schema.
  public var fieldID: Int32
  /// As many as the data file has.
  public var rowCount: Int
  public var byteCount: Int

  public init(path: String, fieldID: Int32, rowCount: Int, byteCount: Int) {
    self.path = path
    self.fieldID = fieldID
    self.rowCount = rowCount
    self.byteCount = byteCount
  }
}

/// The column files of a state of a table, by their data files.
///
/// The list is a blob of a Puffin file that the summaries of snapshots name (`property`). Entries of data
/// files that are gone may be in it, and mean nothing.
///
/// | bytes of the blob, before compression | |
/// |---|---|
/// | 1 | version: 1 |
/// | 4 | number of data files |
/// | each data file | bytes of its path (4), the path in UTF-8, number of column files (4) |
/// | behind it each of its column files | field id (4), rows (8), bytes of the file (8), bytes of its path (4), the path |
///
/// All numbers are little-endian. Data files are in the order of their paths, their column files in that
/// of field ids, each of which comes once.
package struct ColumnFileList: Hashable, Sendable {
  package static let blobType = "weir-column-files-v1"

  package private(set) var files: [String: [ColumnFile]] = [:]

  package init() {}

  package var isEmpty: Bool { files.isEmpty }

  /// The column files of a data file.
  package subscript(dataFile: String) -> [ColumnFile] { files[dataFile] ?? [] }

  package func file(_ dataFile: String, _ fieldID: Int32) -> ColumnFile? {
    files[dataFile]?.first { $0.fieldID == fieldID }
  }

  /// Puts a column file in the place of another one of this column.
  package mutating func set(_ file: ColumnFile, of dataFile: String) {
    var all = self[dataFile].filter { $0.fieldID != file.fieldID }
    all.append(file)
    files[dataFile] = all.sorted { $0.fieldID < $1.fieldID }
  }

  package mutating func remove(_ dataFile: String) { files[dataFile] = nil }

  /// Keeps what is of these data files and columns.
  package mutating func keep(_ isKept: (String, ColumnFile) -> Bool) {
    files = files.reduce(into: [:]) { result, entry in
      let kept = entry.value.filter { isKept(entry.key, $0) }
      if !kept.isEmpty { result[entry.key] = kept }
    }
  }

  /// The paths of all column files.
  package var paths: [String] { files.values.flatMap { $0.map(\.path) } }

  /// The columns that some data file has in a column file.
  package var fieldIDs: Set<Int32> { Set(files.values.flatMap { $0.map(\.fieldID) }) }

  /// About what it takes in memory.
  var byteCount: Int {
    files.reduce(64) { sum, entry in
      sum + 64 + entry.key.utf8.count + entry.value.reduce(0) { $0 + 64 + $1.path.utf8.count }
    }
  }
}

extension ColumnFileList {
  /// The blob's bytes.
  func encoded() -> Buffer {
    let target = MutableBuffer()
    func append(_ text: String) {
      let bytes = Array(text.utf8)
      target.append(UInt32(truncatingIfNeeded: bytes.count).littleEndian)
      target.append(contentsOf: bytes)
    }
    target.append(contentsOf: [UInt8(1)])
    target.append(UInt32(truncatingIfNeeded: files.count).littleEndian)
    for path in files.keys.sorted() {
      append(path)
      let columns = self[path]
      target.append(UInt32(truncatingIfNeeded: columns.count).littleEndian)
      for column in columns {
        target.append(column.fieldID.littleEndian)
        target.append(UInt64(truncatingIfNeeded: column.rowCount).littleEndian)
        target.append(UInt64(truncatingIfNeeded: column.byteCount).littleEndian)
        append(column.path)
      }
    }
    return target.finish()
  }

  /// - Throws: `damaged` for bytes that are no list.
  init(decoding bytes: Buffer) throws(TableError) {
    var reader = BlobReader(bytes, what: "a list of column files")
    guard try reader.number(1) == 1 else {
      throw TableError(
        .unsupported, "a list of column files is of a version that this one does not know")
    }
    let count = try reader.count(itemBytesMin: 8)
    for _ in 0..<count {
      let path = try reader.text(try reader.number(4))
      let columnCount = try reader.count(itemBytesMin: 24)
      var columns: [ColumnFile] = []
      for _ in 0..<columnCount {
        let fieldID = try reader.number(4)
        let rowCount = try reader.number(8)
        let byteCount = try reader.number(8)
        let file = try reader.text(try reader.number(4))
        guard rowCount >= 0, byteCount >= 0, let id = Int32(exactly: fieldID),
          columns.last.map({ $0.fieldID < id }) ?? true
        else {
          throw TableError(.damaged, "a list of column files has an impossible entry", file: file)
        }
        columns.append(
          ColumnFile(path: file, fieldID: id, rowCount: rowCount, byteCount: byteCount))
      }
      guard !columns.isEmpty, files.updateValue(columns, forKey: path) == nil else {
        throw TableError(.damaged, "a list of column files names a data file twice", file: path)
      }
    }
    guard reader.left == 0 else {
      throw TableError(.damaged, "a list of column files has \(reader.left) bytes behind its end")
    }
  }
}
