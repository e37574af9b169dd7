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
      var result: [FileColumnInfo] = []
      for column in try columns(names) { result.append(try info(column)) }
      return result
    }
  }

  private func info(_ column: FileColumn) throws(WeirFileError) -> FileColumnInfo {
    var counts: [String: Int] = [:]
    for (index, place) in column.descriptor.pages.enumerated() {
      let page = try column.page(index, try bytes([place.range])[0])
      counts[page.outline, default: 0] += 1
    }
    var auxiliaryBytes = 0
    for array in column.descriptor.auxiliary {
      let table = try bytes([array.tableRange])[0]
      for page in 0..<array.pageCount {
        let entry = page * ColumnDescriptor.Auxiliary.pageEntryByteCount
        auxiliaryBytes += Int(table.number(UInt32.self, at: entry + 8))
      }
    }
    return FileColumnInfo(
      name: column.field.name, type: column.field.type, fieldID: column.field.id.map(Int.init),
      pageCount: column.descriptor.pages.count,
      dataBytes: column.descriptor.pages.reduce(0) { $0 + $1.size },
      auxiliaryBytes: auxiliaryBytes,
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
    var result: [FileProblem] = []
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
