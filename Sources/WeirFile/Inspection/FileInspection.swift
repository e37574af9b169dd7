// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// What one column of a file is made of.
package struct FileColumnInfo: Sendable {
  package var name: String
  package var type: DataType
  package var fieldID: Int?
  package var pageCount: Int
  /// Bytes of its data pages.
  package var dataBytes: Int
  /// Bytes of the dictionaries and pools that it refers to; columns that share one count it each.
  package var auxiliaryBytes: Int
  /// The other columns, of the whole file, that refer to one of the same dictionaries or pools.
  package var sharesWith: [String]
  /// Bytes of those that a column before it has, too, of the columns that were asked for.
  package var countedBytes: Int
  /// Encodings of its pages, parents before children, such as `nullable(dictionary(tiered))`; the
  /// most frequent first.
  package var encodings: [String]
}

/// What is wrong with a file, and where.
package struct FileProblem: Sendable {
  package init(
    message: String, column: String? = nil, row: Int? = nil, position: Int? = nil
  ) {
    self.message = message
    self.column = column
    self.row = row
    self.position = position
  }

  package var message: String
  package var column: String?
  package var row: Int?
  package var position: Int?
}

extension WeirFileReader {
  /// The columns of these names (all for `nil`), with their encodings. Reads all of their pages.
  package func columnInfos(_ names: [String]?) throws(WeirFileError) -> [FileColumnInfo] {
    try guarded { () throws(WeirFileError) -> [FileColumnInfo] in
      var users: [Int: [FileColumn]] = [:]
      for column in try allColumns() {
        for table in column.tableOffsets { users[table, default: []].append(column) }
      }
      var result: [FileColumnInfo] = []
      var counted: Set<Int> = []
      for column in try wholeColumns(names) { result.append(try info(column, users, &counted)) }
      return result
    }
  }

  private func info(
    _ column: FileColumn, _ users: [Int: [FileColumn]], _ counted: inout Set<Int>
  ) throws(WeirFileError) -> FileColumnInfo {
    var counts: [String: Int] = [:]
    for (index, place) in column.descriptor.pages.enumerated() {
      let page = try column.page(index, try bytes([place.range])[0])
      counts[page.outline, default: 0] += 1
    }
    var auxiliaryBytes = 0
    var countedBytes = 0
    for array in column.descriptor.auxiliary {
      let table = try bytes([array.tableRange])[0]
      let isKnown = array.pageCount > 0 && !counted.insert(array.tableOffset).inserted
      for page in 0..<array.pageCount {
        let entry = page * ColumnDescriptor.Auxiliary.pageEntryByteCount
        let size = Int(table.number(UInt32.self, at: entry + 8))
        auxiliaryBytes += size
        if isKnown { countedBytes += size }
      }
    }
    let sharing = column.tableOffsets.flatMap { users[$0] ?? [] }.filter { $0 !== column }
    let others = Dictionary(sharing.map { ($0.entry.position, $0.field.name) }) { first, _ in first
    }
    return FileColumnInfo(
      name: column.field.name, type: column.field.type, fieldID: column.field.id.map(Int.init),
      pageCount: column.descriptor.pages.count,
      dataBytes: column.descriptor.pages.reduce(0) { $0 + $1.size },
      auxiliaryBytes: auxiliaryBytes,
      sharesWith: others.sorted { $0.key < $1.key }.map(\.value), countedBytes: countedBytes,
      encodings: counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key))
  }

  /// Reads everything, with checksums, and says what is wrong: the first problem of each column.
  ///
  /// - Parameter progress: gets the share of columns that are done.
  package func problems(_ progress: (Double) -> Void = { _ in }) -> [FileProblem] {
    let all: [FileColumn]
    do throws(WeirFileError) {
      _ = try schema
      all = try columns(nil)
    } catch {
      return [FileProblem(error)]
    }
    var result = sharingProblems(all)
    for (index, column) in all.enumerated() {
      do throws(WeirFileError) {
        let batches = WeirFileBatches(self, [column], rows: 0..<rowCount, batchRows: 8_192)
        while let batch = try batches.next() {
          do throws(ColumnarError) {
            try batch.columns[0].validate(full: true)
          } catch {
            throw WeirFileError(.damaged, error.description, column: column.field.name)
          }
        }
        try checkStatistics(column)
      } catch {
        result.append(FileProblem(error))
      }
      progress(Double(index + 1) / Double(max(all.count, 1)))
    }
    return result
  }
}

extension FileColumn {
  /// Page tables of its dictionaries and pools that have pages; columns with one in common share it.
  var tableOffsets: Set<Int> {
    Set(descriptor.auxiliary.filter { $0.role != .keys && $0.pageCount > 0 }.map(\.tableOffset))
  }
}

extension WeirFileReader {
  /// Columns that name one page table must mean one array by it.
  private func sharingProblems(_ columns: [FileColumn]) -> [FileProblem] {
    var known: [Int: ColumnDescriptor.Auxiliary] = [:]
    var result: [FileProblem] = []
    for column in columns {
      for array in column.descriptor.auxiliary where array.pageCount > 0 {
        let first = known[array.tableOffset] ?? array
        known[array.tableOffset] = first
        if first != array {
          result.append(
            FileProblem(
              message: "a page table that another column describes in another way",
              column: column.field.name, position: array.tableOffset))
        }
      }
    }
    return result
  }
}

extension FileProblem {
  fileprivate init(_ error: WeirFileError) {
    self.init(
      message: error.message, column: error.column, row: error.row, position: error.position)
  }
}

extension PageNode {
  /// The encodings of the node and of what lies below, without positions and lengths that take
  /// little.
  fileprivate var outline: String {
    let inner: [PageNode] =
      switch encoding {
      case .patched, .decimal, .dictionary, .split, .float16, .bfloat16, .scaled: [children[0]]
      case .delta, .runs, .sparse, .nullable, .strings, .list: [children[1]]
      case .fsst: [children[1]]
      case .fixedList, .structure: children
      case .window: [children[0]]
      default: []
      }
    if inner.isEmpty { return encoding.name }
    return "\(encoding.name)(\(inner.map(\.outline).joined(separator: ", ")))"
  }
}
